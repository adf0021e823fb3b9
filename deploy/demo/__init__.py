"""The demo's catalogue, and the script that builds it from the shared data sets."""
