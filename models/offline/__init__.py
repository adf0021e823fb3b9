"""Models that learn from a matrix of interactions, compared on a data set through one interface."""
