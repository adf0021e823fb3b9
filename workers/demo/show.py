"""What a person sees while the demo plays: lists that change, in a live table or as plain lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from deploy.demo.catalogue import Catalogue, labels_of
from workers.demo.journal import Journal
from workers.demo.people import Person

_REFRESH_S = 0.25
_PLAIN_EVERY_S = 3.0
_SHOWN_ITEMS = 5


class Show:
    """Writes to a console: live where it is a terminal, else a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin_s = time.monotonic()
        self._due_s = 0.0
        self._live: Live | None = None
        self._shown: list[Person] = []
        self._labels: dict[str, frozenset[str]] = {}
        self._new: frozenset[str] = frozenset()
        self._turn = 0

    def say(self, line: str) -> None:
        """A line, with the time since the start."""
        self._console.print(Text(f"{time.monotonic() - self._begin_s:6.1f} s  {line}"))

    @contextmanager
    def encoding(self) -> Iterator[Callable[[int, int], None]]:
        """A bar of how many items are encoded."""
        if not self._console.is_terminal:
            yield lambda done, total: None
            self.say("every item is encoded, in every modality")
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task("encoding", total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        self.say("every item is encoded, in every modality")

    @contextmanager
    def people(self, people: Sequence[Person], catalogue: Catalogue) -> Iterator[None]:
        """Show one person of each taste while they act; `update` shows what is new."""
        self._shown = list({person.taste: person for person in reversed(people)}.values())[::-1]
        items = (*catalogue.items, *catalogue.new_items)
        self._labels = {item.item_id: labels_of(item) for item in items}
        self._new = frozenset(item.item_id for item in catalogue.new_items)
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def update(self, journal: Journal) -> None:
        """Show the newest lists, if it is time to."""
        now_s = time.monotonic()
        if now_s < self._due_s or not self._shown:
            return
        if self._live is not None:
            self._due_s = now_s + _REFRESH_S
            self._live.update(self._table(journal), refresh=True)
            return
        self._due_s = now_s + _PLAIN_EVERY_S
        person = self._shown[self._turn % len(self._shown)]
        self._turn += 1
        items = ", ".join(self._marked(person, item_id) for item_id in self._top(journal, person))
        count = len(journal.events.get(person.user_id, ()))
        self.say(f"{person.user_id} ({person.taste.name}), {count} events: {items or 'no list yet'}")

    def _table(self, journal: Journal) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in ("person", "taste", "events", "last list"):
            table.add_column(name, justify="right" if name in ("events", "last list") else "left")
        table.add_column("the first five (✓ to their taste, ★ new)", no_wrap=True, overflow="ellipsis")
        for person in self._shown:
            text = Text("  ").join(
                Text(self._marked(person, item_id), style=self._style(person, item_id))
                for item_id in self._top(journal, person)
            )
            count = len(journal.events.get(person.user_id, ()))
            table.add_row(person.user_id, person.taste.name, str(count), _last_ms(journal, person), text)
        lists = len(journal.lists)
        table.caption = f"{journal.event_count} events, {lists} lists, {len(journal.items)} items"
        table.caption_justify = "left"
        return table

    def _top(self, journal: Journal, person: Person) -> tuple[str, ...]:
        newest = journal.newest_list(person.user_id)
        return newest.item_ids[:_SHOWN_ITEMS] if newest else ()

    def _marked(self, person: Person, item_id: str) -> str:
        liked = person.taste.likes(self._labels.get(item_id, frozenset()))
        return f"{'✓' if liked else '·'}{'★' if item_id in self._new else ''} {item_id}"

    def _style(self, person: Person, item_id: str) -> str:
        if item_id in self._new:
            return "bold yellow"
        return "green" if person.taste.likes(self._labels.get(item_id, frozenset())) else "dim"


def _last_ms(journal: Journal, person: Person) -> str:
    newest = journal.newest_list(person.user_id)
    if newest is None or not newest.profile_version:
        return ""
    cause = journal.events[person.user_id][newest.profile_version - 1]
    return f"{1_000 * (newest.at_s - cause.at_s):.0f} ms"
