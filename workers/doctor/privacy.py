"""Privacy and reach: what a setting leaves open."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from streams.settings import Settings
from workers.doctor.check import Check

AREA = "privacy"


def check_privacy(settings: Settings) -> Iterator[Check]:
    """Whether those who were forgotten can be guessed, and who reaches health and metrics."""
    if settings.privacy.hash_key.get_secret_value():
        yield Check(AREA, "ok", "people who were forgotten are remembered by a keyed hash")
    else:
        yield Check(
            AREA,
            "warn",
            "no `privacy.hash_key`: who can guess ids can tell from hashes who was forgotten",
            "set FRESHET_PRIVACY__HASH_KEY, the same for all workers and commands, and keep it",
        )
    host = settings.worker.metrics_host
    if _is_loopback(host):
        yield Check(AREA, "ok", "health and metrics answer on loopback only")
    else:
        yield Check(
            AREA,
            "warn",
            f"health and metrics answer on {host}, without a password",
            "let nobody but your monitoring reach it, or set `worker.metrics_host` to 127.0.0.1",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
