"""Records: every draw of a run on disk, and how to read them."""
