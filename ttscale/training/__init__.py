"""Training of small image classifiers: recipe, metered loop, ladder of rungs."""
