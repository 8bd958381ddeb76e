"""Figures, page and summary.json of a summary; computes nothing and never imports torch."""
