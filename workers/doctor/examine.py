"""All checks, in the order in which their failures explain each other."""

from __future__ import annotations

from collections.abc import Iterator

from models.errors import ModelError
from streams.settings import Settings
from workers.doctor.check import Check
from workers.doctor.encoders import check_encoders
from workers.doctor.kafka import check_kafka
from workers.doctor.privacy import check_privacy
from workers.doctor.redis import check_redis_server
from workers.doctor.versions import check_versions
from workers.encoders_in_use import encoder_registry, fusion_in_use


def examine(settings: Settings) -> Iterator[Check]:
    """Look at everything; yields each finding as it is made, and raises for none of them."""
    yield from check_versions()
    yield from check_encoders(settings)
    yield from check_redis_server(settings.redis)
    yield from check_kafka(settings, _space(settings))
    yield from check_privacy(settings)


def _space(settings: Settings) -> str | None:
    try:
        return fusion_in_use(settings, encoder_registry(settings)).space
    except ModelError:  # `check_encoders` says why
        return None
