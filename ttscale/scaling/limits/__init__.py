"""Where a vote ends with ever more samples."""
