"""Hostile bytes at every place where bytes come in."""
