"""Roles, their state, the command line, and the composition root that wires them."""

import os

# A worker is one process among many: BLAS threads that spin for work would take the cores from its
# neighbours. Set before NumPy is imported, and only where nobody has decided otherwise.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
