"""A small real language model for tests and the guide: what it learns from, its training, its words."""
