"""Everything that a report shows, as one dictionary."""
