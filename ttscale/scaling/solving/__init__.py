"""Fitting a law to points or counts: many starts, variable projection, a verdict."""
