"""Media of items: fetched within bounds, decoded in child processes."""
