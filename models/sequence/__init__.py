"""Models of what follows what: trained now and then on the log of events, read by signals and sources."""
