"""How a list is shown."""

from __future__ import annotations

from streams.messages import Explanation, Reason, Recommendation
from workers.cli.output import console, note, plain, table

_SHOWN_REASONS = 3


def show_list(answer: Recommendation) -> None:
    """A table, best first, with the parts of each score that matter most."""
    rows = [
        (rank, item.item_id, item.score, ", ".join(map(_reason, _strongest(item.reasons))))
        for rank, item in enumerate(answer.items, 1)
    ]
    console().print(table(("#", "item", "score", "because"), rows))
    known = f"{answer.profile_version} events known"
    note(f"{answer.user_id}: {len(answer.items)} items, {known}, {answer.model}")
    if answer.query is not None and not answer.query.used:
        note(f"the words asked in do not count: {answer.query.detail}")
    elif answer.query is not None and answer.query.detail is not None:
        note(answer.query.detail)
    if answer.stale:
        note("stale: the event waited for was not applied in time")
    if answer.shortfall is not None:
        note(f"not complete: {answer.shortfall}")


def show_words(words: Explanation) -> None:
    """A table of what is said of each item."""
    rows = [(rank, item.item_id, item.text) for rank, item in enumerate(words.items, 1)]
    console().print(table(("#", "item", "why"), rows))
    note(f"words by {words.generator}{'' if words.grounded else ', not grounded'}")


def list_line(answer: Recommendation, items: int = 5) -> str:
    """A list in a line."""
    shown = " ".join(item.item_id for item in answer.items[:items])
    more = f" +{len(answer.items) - items}" if len(answer.items) > items else ""
    cause = f"{answer.cause.kind} {answer.cause.id}"
    return plain(f"{answer.generated_at:%H:%M:%S} {answer.user_id} ({cause}): {shown}{more}")


def _strongest(reasons: list[Reason]) -> list[Reason]:
    return sorted(reasons, key=lambda reason: -abs(reason.contribution))[:_SHOWN_REASONS]


def _reason(reason: Reason) -> str:
    about = " ".join(one for one in (reason.action, reason.item_id) if one)
    return f"{reason.kind}{f' ({about})' if about else ''} {reason.contribution:+.3f}"
