"""`freshet demo`, from an empty folder to a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from deploy.demo.catalogue import Catalogue, load_catalogue
from deploy.demo.tastes import TASTES
from streams.client import FreshetClient
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.demo.journal import Journal
from workers.demo.listening import ListListener
from workers.demo.metrics import account, arrivals, event_latencies, taste_precision, unanswered
from workers.demo.people import Person, crowd
from workers.demo.play import KILLED_ROLE, Play
from workers.demo.report import Outage, Report, latency
from workers.demo.show import Show
from workers.demo.stage import dead_letters, stage, wait_until_encoded
from workers.flags import Flags
from workers.local_deployment import LocalDeployment

DEFAULT_SECONDS = 36.0
SEED = 7
EVENTS_PER_PERSON = 15
"""About how many events a person publishes: enough to show their taste, too few to see all that is to it."""
_ANSWER_TIMEOUT_S = 60.0


def run_demo(
    flags: Flags,
    seconds: float,
    show: Show,
    on_report: Callable[[Report, LocalDeployment], None],
    *,
    with_console: bool = False,
    seed: int = SEED,
) -> None:
    """Play the demo.

    Args:
        flags: Settings besides the demo's own.
        seconds: How long people act.
        on_report: Told how it went, while everything still runs; that ends when it returns.
        with_console: Serve the web page as well.

    Raises:
        ConfigurationError, DependencyDownError: It cannot be started.
    """
    catalogue = load_catalogue()
    people = crowd(seed)
    journal = Journal()
    with stage(flags, catalogue, show.say, with_console=with_console) as deployment:
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
                people=people,
                catalogue=catalogue,
                seed=seed,
                think_s=seconds / EVENTS_PER_PERSON,
                on_tick=lambda: show.update(journal),
                say=show.say,
            )
            show.say(f"publishing {len(catalogue.items)} items to {topics.items}")
            play.publish_catalogue()
            with show.encoding() as progress:
                wait_until_encoded(deployment, catalogue.items, progress)
            show.say(f"{len(people)} people act for {seconds:g} s")
            with show.people(people, catalogue):
                play.act(seconds)
                play.wait_until_answered(_ANSWER_TIMEOUT_S)
            show.say("asking for everybody's last list")
            versions = play.final_versions()
            refused = dead_letters(settings)
        report = _report(play, journal, people, catalogue, settings, versions, refused, seconds)
        on_report(report, deployment)


def _report(
    play: Play,
    journal: Journal,
    people: Sequence[Person],
    catalogue: Catalogue,
    settings: Settings,
    versions: dict[str, int],
    refused: list[str],
    seconds: float,
) -> Report:
    marks_seen = {name for name, action in settings.profile.actions.items() if action.marks_seen}
    outage, silence_s = _outage(play, journal)
    return Report(
        people=len(people),
        items=len(catalogue.items) + len(play.new_items),
        lists=len(journal.lists),
        precision=[
            taste_precision(
                taste,
                {person.user_id for person in people if person.taste == taste},
                journal,
                marks_seen,
            )
            for taste in TASTES
        ],
        arrivals=arrivals(play.new_items, journal, {person.user_id: person.taste for person in people}),
        latency=latency(event_latencies(journal)),
        latency_without_outage=latency(event_latencies(journal, outage=outage)),
        outage=Outage(KILLED_ROLE, silence_s),
        account=account(journal, versions),
        unanswered=unanswered(journal),
        dead_letters=refused,
        memory_bytes=play.memory_bytes,
        acting_s=seconds,
    )


def _outage(play: Play, journal: Journal) -> tuple[tuple[float, float] | None, float | None]:
    """Between which times no list followed, and for how long; None where nothing was killed or came back."""
    killed_at_s = play.killed_at_s
    if killed_at_s is None:
        return None, None
    for received in journal.lists:
        own = journal.events[received.user_id][: received.profile_version]
        # A list that knows an event from after the kill: somebody else does the work again.
        if own and own[-1].at_s > killed_at_s:
            return (killed_at_s, received.at_s), received.at_s - killed_at_s
    return (killed_at_s, float("inf")), None
