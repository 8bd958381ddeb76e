"""The sections of the page: what each part of a summary looks like as HTML; nothing here computes a result."""
