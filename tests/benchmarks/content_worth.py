"""What each modality is worth to the cascade when it is withheld from the start, not only at serving.

    python -m tests.benchmarks.content_worth --data FOLDER [--warm-up 5000] [--limit 10000] [--json FILE]

Replays MovieLens-100k (which is for evaluation alone) as ``freshet evaluate prequential`` does, for several
catalogues at once: with all modalities, without each, and without any. Each has a ranker of its own, which
has learned from the first event on without what is withheld, and ranks the same events. What does not depend
on content (what is remembered of events, and the models trained on it) is computed once for all, so figures
are those of the command with ``--modalities``, for a third of the time. The last ratings, on which nothing
is chosen, are not read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.cascade.moment import Signals
from models.cascade.person import Interaction, Person
from models.cascade.settings import CascadeSettings
from models.datasets import open_dataset
from models.evaluation.ablation import rank_of
from models.evaluation.bootstrap import interval_over_users
from models.evaluation.segments import SEGMENTS
from models.reranking import RerankSettings
from models.retrieval import ItemIndex
from models.retrieval.row_link import RowLink
from models.signals import base
from streams.settings import load_settings
from workers.cli.output import console, table
from workers.cli.progress import progress
from workers.evaluation.contender import CascadeContender, Contender
from workers.evaluation.measures import HeldOut, Measures
from workers.evaluation.prequential import PrequentialSettings, Replay
from workers.evaluation.sources import dataset_source
from workers.model_settings import cascade_settings, learn_settings, transition_settings

# Ratings from here on are for the last evaluation.
LAST = 50_000
VARIANTS: dict[str, tuple[str, ...]] = {
    "all": ("text", "image", "audio"),
    "without plots": ("image", "audio"),
    "without posters": ("text", "audio"),
    "without trailer audio": ("text", "image"),
    "without any": ("video",),
}
PASSES = {"with_slots": RerankSettings(new_item_slots=5, new_item_margin=1.6)}


class Follower(Cascade):
    """A cascade with items of its own that knows of events and models what a leader knows.

    Args:
        index: The same items in the same rows as the leader's.
        leader: Takes events in, and is trained, once its followers have learned from an event.
    """

    def __init__(self, index: ItemIndex, settings: CascadeSettings, leader: Cascade) -> None:
        super().__init__(index, settings)
        self._leader = leader
        self.memory = leader.memory
        self._rows = RowLink(self.memory.items, index)
        self._of_leader: Signals | None = None
        self._own: Signals | None = None

    def observe(self, person: Person, interaction: Interaction) -> None:
        """The leader does."""

    def follow(self) -> None:
        """Take what the leader has been trained to."""
        leader = self._leader
        if self.sequence is not leader.sequence:
            self.take(leader.sequence, leader.item2vec, leader.regressions)

    def _signals(self, person: Person) -> Signals:
        shared = self._leader._signals(person)
        if self._own is None or shared is not self._of_leader:
            own = base.taste_of(person, self.index)
            self._of_leader = shared
            self._own = replace(shared, knowledge=self, taste=own, _listable=None)
        return self._own


class Kept(Measures):
    """Measures that keep each event's rank, person and segments."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.kept: list[tuple[int, str, tuple[str, ...]]] = []

    def add(self, held_out: HeldOut, contender: Contender) -> None:
        """See `Measures.add`."""
        super().add(held_out, contender)
        rank = rank_of(held_out.ranking, held_out.row)
        self.kept.append((rank, held_out.moment.person.user_id, held_out.event.segments))


def main(argv: Sequence[str] | None = None) -> None:
    """Replays, and prints a table or writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds movielens-100k")
    parser.add_argument("--warm-up", type=int, default=5_000)
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--cache", type=Path, help="a folder that keeps encoded vectors")
    parser.add_argument("--json", type=Path, dest="json_file")
    arguments = parser.parse_args(argv)
    end = arguments.warm_up + arguments.limit
    if end > LAST:
        parser.error(f"ratings from {LAST} on are for the last evaluation; this reads up to {end}")
    replays = replay_all(arguments.data / "movielens-100k", arguments.warm_up, end, arguments.cache)
    report = {name: found_of(replay) for name, replay in replays.items()}
    reference = measures_of(replays["all"])
    for name, replay in replays.items():
        report[name]["minus_all"] = differences(measures_of(replay), reference)
    show(report)
    if arguments.json_file is not None:
        arguments.json_file.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def replay_all(folder: Path, warm_up: int, end: int, cache: Path | None) -> dict[str, Replay]:
    """A replay for each of `VARIANTS`."""
    dataset = open_dataset(folder)
    settings = load_settings(**dataset.settings)
    protocol = PrequentialSettings(warm_up=warm_up, limit=end - warm_up, passes=PASSES)
    chosen, learning = cascade_settings(settings), learn_settings(settings)
    never = replace(learning, first_refit_events=1 << 60)
    replays: dict[str, Replay] = {}
    followers: list[Follower] = []
    leader: Cascade | None = None
    with progress() as bars:
        for name, modalities in VARIANTS.items():
            source = dataset_source(dataset, settings, modalities, cache, bars)  # type: ignore[arg-type]
            if leader is None:
                cascade = leader = Cascade(source.index, chosen)
            else:
                cascade = Follower(source.index, chosen, leader)
                followers.append(cascade)
            learner = Learner(cascade, learning if cascade is leader else never)
            contender = CascadeContender(cascade, learner, chosen.candidates)
            replays[name] = Replay(source.index, contender, transition_settings(settings.profile), protocol)
            replays[name].measures = Kept(
                source.index, protocol.count, PASSES, protocol.window, protocol.seed
            )
        # The leader, which is the first, takes an event in when all others have learned from it.
        in_turn = [*list(replays.values())[1:], replays["all"]]
        for number, event in enumerate(source.events[:end]):
            for replay in in_turn:
                replay.step(event, is_evaluated=number >= warm_up)
            for follower in followers:
                follower.follow()
            if number % 50 == 0:
                bars("replaying events", number, end)
    return replays


def measures_of(replay: Replay) -> Kept:
    """The measures of a replay of `replay_all`."""
    assert isinstance(replay.measures, Kept)
    return replay.measures


def found_of(replay: Replay) -> dict[str, Any]:
    """Metrics of all events and of segments, as ranked and with places for new items."""
    values = replay.measures.values()
    slots = values["with_slots"]
    return {
        "n": values["n"],
        **{f"{metric}": values[metric] for metric in ("hr@20", "ndcg@20")},
        **{segment: values[segment] for segment in SEGMENTS},
        "new_items": values["new_items"],
        "with_slots": {"hr@20": slots["hr@20"], "cold_items": slots["cold_items"]},
    }


def differences(own: Kept, other: Kept) -> dict[str, Any]:
    """HR@20 minus that of the other, with its standard error over people, by segment."""
    found = {}
    numbers = {user: number for number, user in enumerate(dict.fromkeys(one[1] for one in own.kept))}
    users = np.array([numbers[one[1]] for one in own.kept], np.int64)
    change = hits(own) - hits(other)
    for segment in ("all", *SEGMENTS):
        within = np.array([segment == "all" or segment in one[2] for one in own.kept])
        interval = interval_over_users(users[within], change[within], 1)
        if interval is not None:
            found[segment] = {"mean": interval.mean, "standard_error": interval.standard_error}
    return found


def hits(measures: Kept) -> NDArray[np.float64]:
    """Whether each event's item is in the first 20, float64 [n]."""
    return np.array([1.0 if 1 <= rank <= 20 else 0.0 for rank, _, _ in measures.kept])


def show(report: dict[str, Any]) -> None:
    """A row for each variant."""
    columns = ("", "hr@20", "− all", "new users", "− all", "new items", "− all", "slots: all", "new items")
    rows = []
    for name, one in report.items():
        row = [name]
        for segment, values in (("all", one), *((s, one[s]) for s in ("cold_users", "cold_items"))):
            change = one["minus_all"].get(segment, {"mean": 0.0, "standard_error": 0.0})
            row += [f"{values['hr@20']:.4f}", f"{change['mean']:+.4f} ± {change['standard_error']:.4f}"]
        slots = one["with_slots"]
        rows.append((*row, f"{slots['hr@20']:.4f}", f"{slots['cold_items']['hr@20']:.4f}"))
    console().print(table(columns, rows))
    for name, one in report.items():
        among = one["new_items"]
        console().print(f"{name}: new among new, hr@20 {among['hr@20']:.4f} of {among['n']}")


if __name__ == "__main__":
    main()
