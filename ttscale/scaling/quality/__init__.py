"""Strategies over images judged by more than accuracy, and set beside each other."""
