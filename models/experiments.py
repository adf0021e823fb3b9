"""Which arm of an experiment a person is in: a hash decides, so nothing has to be kept.

::

    x = BLAKE2b-64(salt ‖ 0x00 ‖ user id, UTF-8) / 2⁶⁴        (the 8 bytes read little-endian)

is uniform on [0, 1). The arms, in the order of their names, take intervals as long as their shares from 0
up; who is beyond them is in none. Every process that knows salt and shares puts a person into the same arm.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from hashlib import blake2b
from itertools import accumulate

from models.errors import SettingError

# Shares such as ten times 0.1 may sum to a little more or less than 1.
_ROUNDING = 1e-9


class Assignment:
    """Puts people into arms.

    Args:
        salt: Another one shuffles people anew, independently of before.
        shares: Arm → share of people, > 0; at most 1 in sum.

    Raises:
        SettingError: A share is not above 0, or they sum to more than 1.
    """

    def __init__(self, salt: str, shares: Mapping[str, float]) -> None:
        if not all(share > 0 for share in shares.values()) or math.fsum(shares.values()) > 1 + _ROUNDING:
            raise SettingError(f"shares of arms must be above 0 and sum to 1 at most: {dict(shares)}")
        self._salt = salt.encode("utf-8", "surrogatepass") + b"\x00"
        # Not in the order given: settings from a file and from variables may be merged in any.
        self._names = sorted(shares)
        self._ends = list(accumulate(shares[name] for name in self._names))
        if self._ends and self._ends[-1] > 1 - _ROUNDING:
            # Nobody is left over, and the quotient below may round to 1.
            self._ends[-1] = math.inf

    def arm_of(self, user_id: str) -> str | None:
        """The arm of a person; None where the person is in none."""
        digest = blake2b(self._salt + user_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        place = bisect_right(self._ends, int.from_bytes(digest, "little") / 2.0**64)
        return self._names[place] if place < len(self._names) else None
