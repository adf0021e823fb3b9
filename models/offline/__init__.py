"""Models that learn from a matrix of interactions, to compare on a data set: baselines, and one interface for all."""
