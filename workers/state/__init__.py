"""State that must survive: where it is kept, and the pure rules by which it changes."""
