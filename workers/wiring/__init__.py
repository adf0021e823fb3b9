"""How each role is wired together, a file a role or two."""
