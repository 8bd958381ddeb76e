"""Curves from Records: accuracy, coverage and cost at every budget."""
