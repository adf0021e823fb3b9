"""How good lists are: ranks, lists and segments measured, with formulas and their sources."""
