"""`freshet bench`: how fast Freshet is, each figure beside a baseline of the same run."""
