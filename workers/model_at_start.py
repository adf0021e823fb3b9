"""The model that a worker starts with."""

from __future__ import annotations

import asyncio

import structlog

from models.fusion import Fusion
from models.lifecycle import START
from workers.active_models import LoadedModel
from workers.backoff import FIRST_WAIT_S, LONGEST_WAIT_S
from workers.model_bundles import BundleLoader
from workers.models_topic import ModelsFollower

_log = structlog.get_logger()


async def active_model(follower: ModelsFollower, loader: BundleLoader, start: Fusion) -> LoadedModel:
    """The version that serves, loaded.

    Waits while its bundle cannot be had or is unfit here: the pointer may move meanwhile to one that can.
    """
    wait_s = FIRST_WAIT_S
    while True:
        ref = follower.lifecycle.active_ref
        bundle = follower.lifecycle.bundle(ref)
        if bundle is None:
            return LoadedModel(START, None, start)
        try:
            return LoadedModel(ref, bundle, await loader.load(bundle))
        except Exception as error:
            _log.error(
                f"the model `{ref}`, which serves, cannot be loaded here, trying again. Mend this worker, or "
                f"have another one serve: `freshet models activate {START.name} --now` for what the settings "
                "say",
                reason=str(error),
            )
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
