"""Reads the workers' metrics and Kafka's groups while somebody looks, and not otherwise."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from models.evaluation.intervals import wilson
from streams.cluster import Cluster
from streams.errors import FreshetError
from streams.settings import Settings
from streams.topic_admin import list_topics
from workers.console.hub import Hub
from workers.console.metric_figures import (
    WorkerWindow,
    arm_figures,
    read_snapshot,
    role_figures,
    stream_figures,
)
from workers.role_groups import role_groups
from workers.serving_space import spaces_in_groups
from workers.workers_file import RunningWorker, read_workers_file

FLOW = "flow"
QUALITY = "quality"
GROUPS_EVERY_S = 10.0
MAX_METRICS_BYTES = 4 << 20
MAX_WORKERS = 200
_TIMEOUT = aiohttp.ClientTimeout(total=2.0)

_log = structlog.get_logger()


@dataclass(slots=True)
class _Watched:
    worker: RunningWorker
    window: WorkerWindow
    is_up: bool = False


class FlowWatch:
    """Publishes the flow's figures to all who follow.

    Args:
        space: The vector space of the settings, for the names of groups.
        default_file: What `freshet up` writes, where the settings name neither file nor workers.
    """

    def __init__(self, settings: Settings, hub: Hub, space: str, default_file: Path | None = None) -> None:
        self._settings = settings
        self._hub = hub
        self._space = space
        self._default_file = default_file
        self._watched: dict[str, _Watched] = {}
        self._groups: dict[str, dict[str, Any]] = {}
        self._groups_at_s = -GROUPS_EVERY_S
        self._newest: dict[str, Any] = {}

    async def run(self) -> None:
        """Watch for ever."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session:
            while True:
                if self._hub.has_followers(FLOW) or self._hub.has_followers(QUALITY):
                    try:
                        await self._look(session)
                    except Exception:
                        _log.exception("the flow cannot be looked at")
                    self._hub.publish(FLOW, "flow", self._newest)
                    self._hub.publish(QUALITY, "quality", self._quality())
                await asyncio.sleep(self._settings.console.refresh_s)

    def workers(self) -> list[RunningWorker]:
        """Whose metrics are read: those that the settings name, else those of the file."""
        console = self._settings.console
        if console.workers:
            return [RunningWorker(url, "", url.rstrip("/")) for url in console.workers][:MAX_WORKERS]
        path = console.workers_file or self._default_file
        found = None if path is None else read_workers_file(path)
        if found is None or (
            console.workers_file is None
            # The file of another deployment says nothing of this one.
            and (found.bootstrap_servers, found.prefix)
            != (self._settings.kafka.bootstrap_servers, self._settings.topics.prefix)
        ):
            return []
        return list(found.workers)[:MAX_WORKERS]

    async def _look(self, session: aiohttp.ClientSession) -> None:
        workers = {worker.url: worker for worker in await asyncio.to_thread(self.workers)}
        for url in self._watched.keys() - workers.keys():
            del self._watched[url]
        for url, worker in workers.items():
            self._watched.setdefault(url, _Watched(worker, WorkerWindow()))
        await asyncio.gather(*(self._read(session, one) for one in self._watched.values()))
        now_s = time.monotonic()
        if now_s - self._groups_at_s >= GROUPS_EVERY_S:
            self._groups_at_s = now_s
            self._groups = await asyncio.to_thread(self._read_groups)
        windows = [one.window for one in self._watched.values() if one.is_up]
        self._newest = {
            "roles": role_figures(windows),
            "stream": stream_figures(windows),
            "groups": self._groups,
            "workers": [
                {"name": one.worker.name, "role": one.worker.role, "url": one.worker.url, "up": one.is_up}
                for one in self._watched.values()
            ],
        }

    async def _read(self, session: aiohttp.ClientSession, one: _Watched) -> None:
        try:
            async with session.get(f"{one.worker.url}/metrics", allow_redirects=False) as answer:
                text = bytearray()
                async for chunk in answer.content.iter_chunked(1 << 16):
                    text += chunk
                    if len(text) > MAX_METRICS_BYTES:
                        raise ValueError("too long")
            one.window.add(read_snapshot(text.decode(), time.monotonic()))
            one.is_up = True
        except (aiohttp.ClientError, OSError, ValueError):  # TimeoutError is an OSError
            one.is_up = False

    def _read_groups(self) -> dict[str, dict[str, Any]]:  # in a thread
        try:
            with Cluster(self._settings.kafka) as cluster:
                spaces = spaces_in_groups(self._settings, self._space)
                states = list_topics(self._settings, spaces)
                return {
                    one.role: {
                        "members": one.members,
                        "state": one.state,
                        "lag": one.lag,
                        "partitions": one.partitions,
                    }
                    for one in role_groups(cluster, self._settings, states, spaces)
                }
        except FreshetError as error:
            _log.warning("Kafka's groups cannot be read", error=str(error))
            return {}

    def _quality(self) -> dict[str, Any]:
        windows = [one.window for one in self._watched.values() if one.is_up]
        index_items = self._newest.get("stream", {}).get("index_items")
        arms = []
        for figures in arm_figures(windows):
            estimate = wilson(figures["positive_lists"], figures["lists"])
            arms.append(
                {
                    **figures,
                    "click_through": [estimate.value, estimate.low, estimate.high],
                    "novelty_bits_each": figures["novelty_bits"] / figures["items"]
                    if figures["items"]
                    else None,
                    "coverage": min(1.0, figures["covered_items"] / index_items) if index_items else None,
                }
            )
        return {"arms": arms, "index_items": index_items}
