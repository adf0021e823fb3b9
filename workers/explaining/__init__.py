"""Words for lists: facts of an item, templates, a language model's answers and their checks."""
