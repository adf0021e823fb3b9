"""Roles, their state, the command line, and the composition root that wires them."""
