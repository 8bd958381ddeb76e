"""Intervals: resampling, halves, folds."""
