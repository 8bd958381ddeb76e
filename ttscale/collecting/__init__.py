"""Collection: models and data in, Records out, once and resumable."""
