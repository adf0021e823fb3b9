"""Where Freshet keeps data unless told."""

from __future__ import annotations

import os
from pathlib import Path

from streams.settings import Settings

# Of a user without a home, as in a container (FHS 5.8).
_WITHOUT_A_HOME = Path("/var/lib")


def default_data_folder() -> Path:
    """The user's own folder for data (XDG)."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else _home_data()) / "freshet"


def models_folder(settings: Settings) -> Path:
    """Where bundles of models are announced from."""
    folder = settings.models.folder or default_data_folder() / "models"
    return folder.expanduser().absolute()


def _home_data() -> Path:
    try:
        return Path.home() / ".local" / "share"
    except RuntimeError:
        return _WITHOUT_A_HOME
