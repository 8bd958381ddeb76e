"""Samples that other tools wrote, read as Records."""
