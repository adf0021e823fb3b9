"""A small real language model for tests and for the guide: what it learns, how it is trained, what it writes."""
