"""What `freshet export` writes is for its owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from streams.errors import ConfigurationError
from workers.cli.export import write_private


@pytest.mark.parametrize("before", [None, "a longer text that others could read"])
def test_nobody_else_may_read_it(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "anna.json"
    if before is not None:
        path.write_text(before)
        path.chmod(0o644)
    write_private(path, b"{}")
    assert path.read_bytes() == b"{}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    shared, link = tmp_path / "shared", tmp_path / "anna.json"
    shared.write_text("")
    link.symlink_to(shared)
    with pytest.raises(ConfigurationError, match=r"anna\.json is a link"):
        write_private(link, b"{}")
    assert shared.read_bytes() == b""


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="none/anna"):
        write_private(tmp_path / "none" / "anna.json", b"{}")
