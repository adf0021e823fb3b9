"""How the command line ends."""

from __future__ import annotations

from typing import Final

OK: Final = 0
BAD_INPUT: Final = 1
CONFIGURATION: Final = 2
"""Also a usage error; the number is Click's own."""
DEPENDENCY_DOWN: Final = 3
DEFECT: Final = 70
"""EX_SOFTWARE of sysexits.h."""
INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""
