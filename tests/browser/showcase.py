"""The console with the demo's catalogue in it, and people who act: for browser tests and screenshots."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from deploy.demo.catalogue import Catalogue, load_catalogue
from streams.client import FreshetClient
from streams.topic_names import TopicNames
from workers.demo.journal import Journal
from workers.demo.listening import ListListener
from workers.demo.people import crowd
from workers.demo.play import Play
from workers.demo.stage import stage, wait_until_encoded
from workers.flags import Flags
from workers.local_deployment import LocalDeployment


@dataclass(frozen=True)
class Showcase:
    """Where it is."""

    url: str
    deployment: LocalDeployment
    client: FreshetClient
    catalogue: Catalogue
    play: Play

    def act(self, seconds: float, think_s: float = 1.5) -> None:
        """Let people act; nobody is killed."""
        self.play.think_s = think_s
        self.play.act(seconds)


@contextmanager
def showcase(seed: int = 7, people: int = 24, flags: Flags | None = None) -> Iterator[Showcase]:
    """Start everything, publish the catalogue and wait until every item is encoded."""
    catalogue, journal = load_catalogue(), Journal()
    crowd_of = random.Random(seed).sample(crowd(seed), people)
    with stage(flags or {}, catalogue, lambda line: None, with_console=True) as deployment:
        settings = deployment.settings
        topics = TopicNames(settings.topics.prefix)
        with (
            closing(FreshetClient(settings.kafka, settings.topics.prefix)) as client,
            ListListener(settings.kafka, topics.recommendations, journal),
        ):
            play = Play(
                deployment=deployment,
                client=client,
                journal=journal,
                people=crowd_of,
                catalogue=catalogue,
                seed=seed,
                think_s=1.5,
                on_tick=lambda: None,
                say=lambda line: None,
                killed_at_s=0.0,
            )
            play.publish_catalogue()
            wait_until_encoded(deployment, catalogue.items, lambda done, total: None)
            assert deployment.console_address is not None
            yield Showcase(deployment.console_address, deployment, client, catalogue, play)


def main() -> None:
    """Play on until Ctrl-C: for working on the page."""
    with showcase() as running:
        print(running.url, flush=True)
        while threading.main_thread().is_alive():
            running.act(30.0, think_s=4.0)
            time.sleep(0.1)


if __name__ == "__main__":
    main()
