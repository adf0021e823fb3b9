"""Pauses of the garbage collector, kept out of the time of lists."""

from __future__ import annotations

import gc


def settle() -> None:
    """Leave what is there out of the collector's passes from now on; takes tenths of a second itself.

    A pass over an index of 10,000 items and all that people did with them holds up everything for about
    100 ms, and what a worker has read at its start stays for as long as it runs. Objects that nothing
    refers to are let go of at once all the same; cycles among those that are there now are when this is
    called again, as where a role begins anew.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
