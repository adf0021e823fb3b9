"""How many of a model's words are taken at once, after a complaint, or replaced, with faults injected.

    python -m tests.benchmarks.explanations [--lists 1000] [--items 5] [--language en] [--seed 1]

A server on loopback speaks OpenAI's chat completions. It is honest, lies or fails by given probabilities;
told what was wrong, it tells the truth by another. Every text that is taken is compared with the truth.
It says how well the checks and fallbacks hold, and nothing of how well any model writes.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import time
from collections import Counter
from typing import Final

import structlog

from streams.explain_settings import ExplainSettings
from streams.language_model_settings import LanguageModelSettings
from streams.messages import Reason
from tests.unit.explaining.chat_answers import LIES, Json
from tests.unit.explaining.chat_server import ChatServer, is_second_try
from tests.unit.explaining.hostile_text import HOSTILE_TEXTS
from tests.unit.explaining.samples import facts_of, known, listed
from workers.explaining.brief import make_brief
from workers.explaining.facts import ItemFacts
from workers.explaining.language_model import LanguageModelGenerator
from workers.explaining.templates import TemplateWriter
from workers.language_model.model import LanguageModel
from workers.vectors_to_titles import KnownItem

LIE_SHARE: Final = 0.25
TRUTH_AFTER_COMPLAINT: Final = 0.7
FAULT_SHARE: Final = 0.06
# Those that do not take their whole time-out, and two that do.
FAULTS: Final = (
    "429",
    "500",
    "truncated",
    "hangup",
    "html",
    "no_choices",
    "null_content",
    "cut_off",
    "slow",
    "trickle",
)
HOSTILE_SHARE: Final = 0.05
CATALOGUE_ITEMS: Final = 2_000
TIMEOUT_S: Final = 1.0
_WORDS: Final = (
    "amber",
    "brass",
    "cedar",
    "dawn",
    "ember",
    "fern",
    "granite",
    "hazel",
    "jade",
    "linen",
    "oak",
)
_CATEGORIES: Final = ("lamp", "book", "shoes", "album", "Home & Garden", "film", "")


class Counted:
    """What was counted of calls and answers."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.complaints: Counter[str] = Counter()

    def called(self, outcome: str, seconds: float) -> None:
        self.calls[outcome] += 1

    def used(self, prompt_tokens: int, completion_tokens: int, cost: float) -> None:
        return

    def circuit(self, *, is_open: bool) -> None:
        return

    def complaint(self, kind: str) -> None:
        self.complaints[kind] += 1


def catalogue(chance: random.Random) -> dict[str, KnownItem]:
    """Items by id, some of them hostile."""
    items = {}
    for number in range(CATALOGUE_ITEMS):
        title = f"{chance.choice(_WORDS)} {chance.choice(_WORDS)} {number}".capitalize()
        if chance.random() < HOSTILE_SHARE:
            title = chance.choice(HOSTILE_TEXTS).text
        items[f"i{number}"] = known(title, category=chance.choice(_CATEGORIES), tags=[chance.choice(_WORDS)])
    return items


def reasons(chance: random.Random, items: list[str]) -> list[Reason]:
    """Of a kind that the rankers give, the first with an item behind it more often than not."""
    past = chance.choice(items)
    first = chance.choice(
        [
            Reason(
                kind="similar_item",
                contribution=0.6,
                item_id=past,
                action=chance.choice(["click", "purchase"]),
            ),
            Reason(kind="covisitation", contribution=0.6, item_id=past),
            Reason(kind="content.image", contribution=0.6, item_id=past),
            Reason(kind="content.text", contribution=0.6),
            Reason(kind="sequence", contribution=0.6),
            Reason(kind="exploration", contribution=0.0),
        ]
    )
    rest = [
        Reason(kind=kind, contribution=round(chance.random() / 3, 3))
        for kind in chance.sample(["popularity", "trend", "freshness", "taste", "bias"], 2)
    ]
    return [first, *rest]


def lists(chance: random.Random, count: int, length: int) -> list[list[ItemFacts]]:
    """The facts of so many lists."""
    known_items = catalogue(chance)
    ids = list(known_items)
    return [
        [
            facts_of(listed(item_id, *reasons(chance, ids)), known_items)
            for item_id in chance.sample(ids, length)
        ]
        for _ in range(count)
    ]


def behaviour(chance: random.Random, body: Json) -> str:
    """What the server does with a request."""
    if chance.random() < FAULT_SHARE:
        return chance.choice(FAULTS)
    if is_second_try(body):
        return "honest" if chance.random() < TRUTH_AFTER_COMPLAINT else chance.choice(LIES)
    return chance.choice(LIES) if chance.random() < LIE_SHARE else "honest"


async def measure(count: int, length: int, language: str, seed: int) -> None:
    """Write the words of all lists, and print what became of them."""
    chance = random.Random(seed)
    facts = lists(chance, count, length)
    counted = Counted()
    explain = ExplainSettings(generator="language_model", language=language)  # type: ignore[arg-type]
    templates = TemplateWriter(language, explain.max_characters)
    with ChatServer(lambda body, _: behaviour(chance, body)) as server:
        settings = LanguageModelSettings(
            base_url=server.base_url,
            model="test",
            timeout_s=TIMEOUT_S,
            attempts=2,
            first_wait_s=0.01,
            breaker_pause_s=1.0,
            written_items=length,
            concurrency=8,
            tokens_per_minute=0,
            tokens_per_day=0,
        )
        async with LanguageModel(settings, counted) as model:
            generator = LanguageModelGenerator(model, templates, explain, settings, counted)
            how: Counter[str] = Counter()
            by_list: Counter[str] = Counter()
            untrue = 0
            began_s = time.perf_counter()
            for one in facts:
                written = await generator.write(one, "somebody")
                how.update(written.how)
                by_list[written.generator] += 1
                for item, text, source in zip(one, written.texts, written.how, strict=True):
                    if source in ("accepted", "retried", "cached"):
                        brief = make_brief(
                            item, language, explain.max_characters, settings.personal_fields, templates
                        )
                        untrue += text != brief.draft
            seconds = time.perf_counter() - began_s
    total, calls = how.total(), server.behaviours.total()
    print(f"{count} lists of {length} items in {language}, {seconds:.0f} s; {calls} calls")
    for name, items in how.most_common():
        print(f"  {name:12} {items:6} items  {items / total:6.1%}")
    print("lists by generator:", dict(by_list))
    print("server:", dict(server.behaviours.most_common()))
    print("calls:", dict(counted.calls.most_common()))
    print("complaints:", dict(counted.complaints.most_common()))
    print(f"texts taken from the model that are not what the honest server says: {untrue}")
    measure_templates(facts, templates)


def measure_templates(facts: list[list[ItemFacts]], templates: TemplateWriter) -> None:
    """Print how fast templates are."""
    began_s = time.process_time()
    items = sum(len(templates.write_all(one)) for one in facts)
    print(f"templates: {items / (time.process_time() - began_s):,.0f} items/s of processor time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lists", type=int, default=1_000)
    parser.add_argument("--items", type=int, default=5)
    parser.add_argument("--language", default="en", choices=["en", "de", "zh"])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    asyncio.run(measure(arguments.lists, arguments.items, arguments.language, arguments.seed))


if __name__ == "__main__":
    main()
