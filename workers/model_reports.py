"""What a worker says of the models that it uses, as others and `freshet models list` read it from Redis."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import structlog

from models.lifecycle import Readiness
from streams.errors import BadInputError
from workers.models_topic import parse_ref

USER_MODELS = "user_model"
"""The role by which recommend workers say how far they are with user models, apart from vector spaces."""

_log = structlog.get_logger()


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's word.

    Attributes:
        role: What it does.
        serving: The version that it serves by, as `name@version`; of `fuse`, the one that it puts first.
        space: Its vector space.
        ready_for: The version that it could serve by from now on; None where there is none.
        ready_sha256: Of that version's bundle; None for what the settings say.
        checked: Announced versions that it has loaded and found good.
        detail: What it waits for.
        covered: Items of the space that serves that are in the new one as they should be.
        items: Items of the space that serves.
        ready: Of user models: version that could be used from now on → sha256 of its bundle.
    """

    role: str
    serving: str
    space: str
    ready_for: str | None = None
    ready_sha256: str | None = None
    checked: list[str] = []
    detail: str = ""
    covered: int = 0
    items: int = 0
    ready: dict[str, str] = {}


_decoder = msgspec.json.Decoder(ModelReport)
encode_report = msgspec.json.Encoder().encode


def decode_reports(stored: Mapping[str, bytes]) -> dict[str, ModelReport]:
    """By worker; one that cannot be read is left out, which its worker will soon mend."""
    found: dict[str, ModelReport] = {}
    for worker, value in stored.items():
        try:
            found[worker] = _decoder.decode(value)
        except msgspec.MsgspecError as error:
            _log.warning("the report of a worker cannot be read", worker=worker, error=str(error))
    return found


def readiness(report: ModelReport) -> Readiness:
    """As the state machine asks for it."""
    try:
        ready_for = None if report.ready_for is None else parse_ref(report.ready_for)
    except BadInputError:
        ready_for = None
    return Readiness(report.role, ready_for, report.ready_sha256)
