"""`freshet recommend`: a request and its answer."""

from __future__ import annotations

from typing import Any

import click

from workers.cli.invocation import invocation
from workers.cli.output import note, print_json


@click.command()
@click.argument("user")
@click.option("--count", type=int, default=20, show_default=True, help="How many items, 1 to 500.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="K=V",
    help="Only items whose attribute K is V; V,W for either, 10..20 for a range. Repeat for more attributes.",
)
@click.option("--seed", multiple=True, metavar="ITEM", help="Similar to this item. May be repeated.")
@click.option("--query", metavar="WORDS", help="What is looked for, in words, such as 'quiet piano music'.")
@click.option("--candidates", metavar="ITEM,…", help="Rank just these items.")
@click.option("--exclude", metavar="ITEM,…", help="Leave these items out.")
@click.option("--after-event", metavar="ID", help="Wait a moment until this event is applied.")
@click.option(
    "--timeout", type=float, default=10.0, show_default=True, help="Seconds to wait for the answer."
)
@click.option("--explain", is_flag=True, help="With words on why, where they come in time.")
@click.option("--refine", is_flag=True, help="In the order of a language model, where there is one for it.")
@click.option("--json", "as_json", is_flag=True, help="The answer as it is on Kafka; then its words.")
def recommend(
    user: str,
    count: int,
    filters: tuple[str, ...],
    seed: tuple[str, ...],
    query: str | None,
    candidates: str | None,
    exclude: str | None,
    after_event: str | None,
    timeout: float,
    explain: bool,
    refine: bool,
    as_json: bool,
) -> None:
    """Ask for USER's list, and show it."""
    from contextlib import ExitStack

    import msgspec

    from streams.client import FreshetClient
    from streams.errors import InvalidError
    from streams.explanation_reader import ExplanationReader
    from streams.messages import RecommendationRequest
    from workers.cli.filters import parse_filters
    from workers.cli.lists import show_list, show_words

    fields: dict[str, Any] = {
        "seed_items": list(seed),
        "filter": parse_filters(filters),
        "exclude": _ids(exclude),
        "explain": explain,
        "refine": refine,
    }
    if candidates is not None:
        fields["candidates"] = _ids(candidates)
    if query is not None:
        fields["query"] = query
    if after_event is not None:
        fields["after_event_id"] = after_event
    try:
        # As any client's request is read: what is typed is checked before anything is sent.
        request = {"request_id": "check", "user_id": user, "count": count, **fields}
        checked = msgspec.convert(request, RecommendationRequest)
    except msgspec.ValidationError as error:
        raise InvalidError(f"the request is not valid: {error}") from None
    settings = invocation().settings()
    words = None
    with ExitStack() as resources:
        client = resources.enter_context(FreshetClient(settings.kafka, settings.topics.prefix))
        reader = None
        if explain:
            reader = resources.enter_context(ExplanationReader(settings.kafka, settings.topics.prefix))
        answer = client.ask(
            user, count=count, timeout_s=timeout, **{name: getattr(checked, name) for name in fields}
        )
        if reader is not None:
            words = reader.wait_for(answer, timeout)
    if as_json:
        print_json(answer)
        if words is not None:
            print_json(words)
    else:
        show_list(answer)
        if words is not None:
            show_words(words)
    if explain and words is None:
        note(f"no words came within {timeout:g} s: is an `explain` worker running?")


def _ids(text: str | None) -> list[str]:
    return [one for one in (text or "").split(",") if one]
