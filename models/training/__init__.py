"""Training and export of the bundled encoders. Needs the extra `train`; no worker imports any of it."""
