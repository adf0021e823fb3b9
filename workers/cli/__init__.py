"""The command `freshet`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; see `workers.exit_codes`."""
    # Imported only now, so that importing a command's module does not import the command line.
    from workers.cli.running import run

    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
