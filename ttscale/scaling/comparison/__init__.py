"""Two runs on the same items, compared."""
