"""Words for the demo's lists from templates and from a local language model, side by side, and their shares.

    python -m tests.language_model.side_by_side [--model FOLDER] [--lists 1000] [--items 5] [--page FILE.md]

Lists are the demo's, made as its roles make them, without Kafka; the model runs as the explain role runs it.
Nothing is cached, so that each item counts. The page is docs/guide/explanations_side_by_side.md.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog

from streams.explain_settings import ExplainSettings
from streams.language_model_settings import LanguageModelSettings
from tests.language_model.demo_lists import demo_lists, unseen_lists
from workers.explaining.facts import ItemFacts
from workers.explaining.generator import How, Written
from workers.explaining.language_model import LanguageModelGenerator
from workers.explaining.templates import TemplateWriter
from workers.language_model.model import LanguageModel

TRAINED: Final = Path(__file__).parent / "trained"
SHOWN: Final = 14
_HOW: Final[dict[How, str]] = {
    "accepted": "accepted at once",
    "retried": "accepted after a complaint",
    "refused": "template: both answers failed a check",
    "template": "template: the item has no reason to speak of",
    "suspicious": "template: text that reads like instructions, not sent",
    "unavailable": "template: no answer",
    "late": "template: out of time",
}


@dataclass
class Counted:
    """What was counted of calls and answers."""

    calls: Counter[str] = field(default_factory=Counter)
    complaints: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)

    def called(self, outcome: str, seconds: float) -> None:
        """See `CallMetrics`."""
        self.calls[outcome] += 1

    def used(self, prompt_tokens: int, completion_tokens: int, cost: float) -> None:
        """See `CallMetrics`."""
        self.tokens.update(prompt=prompt_tokens, completion=completion_tokens)

    def circuit(self, *, is_open: bool) -> None:
        """See `CallMetrics`."""

    def complaint(self, kind: str) -> None:
        """See `AnswerMetrics`."""
        self.complaints[kind] += 1


@dataclass
class Measured:
    """What became of the words of some lists."""

    name: str
    facts: list[list[ItemFacts]]
    templates: list[list[str]]
    written: list[Written]
    counted: Counted
    processor_s: float

    @property
    def how(self) -> Counter[str]:
        """Items by how their words came about."""
        return Counter(one for written in self.written for one in written.how)


async def measure(name: str, lists: list[list[ItemFacts]], model_folder: str, items: int) -> Measured:
    """Write the words of all lists twice."""
    explain = ExplainSettings(generator="language_model")
    settings = LanguageModelSettings(
        local=model_folder,
        written_items=items,
        tokens_per_minute=0,
        tokens_per_day=0,
        max_tokens=120,
        cache_entries=0,
        personal_fields=("past_items", "actions"),
        list_timeout_s=600.0,
        timeout_s=60.0,
    )
    templates = TemplateWriter("en", explain.max_characters)
    counted = Counted()
    async with LanguageModel(settings, counted) as model:
        await model.is_ready()
        generator = LanguageModelGenerator(model, templates, explain, settings, counted)
        began_s = time.process_time()
        written = [await generator.write(one, "somebody") for one in lists]
        seconds = time.process_time() - began_s
    return Measured(name, lists, [templates.write_all(one) for one in lists], written, counted, seconds)


def table(measured: list[Measured]) -> str:
    """The shares, as Markdown."""
    heads = [f"{one.name}: {one.how.total():,} items" for one in measured]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(measured)}"]
    for how, words in _HOW.items():
        counts = [one.how[how] for one in measured]
        if any(counts):
            shares = [
                f"{count / one.how.total():.1%} ({count:,})"
                for count, one in zip(counts, measured, strict=True)
            ]
            lines.append(f"| {words} | {' | '.join(shares)} |")
    complaints = [
        ", ".join(f"`{kind}` {count:,}" for kind, count in one.counted.complaints.most_common(6)) or "none"
        for one in measured
    ]
    lines.append(f"| what checks found wrong | {' | '.join(complaints)} |")
    lines.append(
        "| processor time an item, ms | "
        + " | ".join(f"{1_000 * one.processor_s / one.how.total():.0f}" for one in measured)
        + " |"
    )
    return "\n".join(lines)


def examples(measured: Measured) -> str:
    """Words side by side: one item of a list, from lists throughout, no item and no sentence twice."""
    lines = ["| item | template | language model | how |", "|---|---|---|---|"]
    seen: set[str] = set()
    rows = list(zip(measured.facts, measured.templates, measured.written, strict=True))
    for facts, templates, written in rows[:: max(1, len(rows) // (3 * SHOWN))]:
        for item, template, text, how in zip(facts, templates, written.texts, written.how, strict=True):
            title = item.title or item.item_id
            if seen.isdisjoint((title, template)) and len(lines) < SHOWN + 2:
                seen.update((title, template))
                lines.append(f"| {title} | {template} | {text} | {how} |")
                break
    return "\n".join(lines)


def page(measured: list[Measured], folder: str) -> str:
    """The guide's page."""
    return f"""# Words side by side

Made by `python -m tests.language_model.side_by_side --page docs/guide/explanations_side_by_side.md`: the same
lists of the demo, explained by templates and by a language model that runs in the process
(`language_model.local`), each item once, nothing cached.

**What this model is.** A Llama of 0.8 million parameters, trained from scratch in some minutes of one core by
`python -m tests.language_model.train` on sentences that rules make up over made-up titles; no title of the
demo is among them. It was taught to say given facts in some hundred ways, to copy titles, and to mend an
answer that was complained of. It knows nothing else, and is no measure of what a language model of usual
size writes. It is a real one in that everything is real about how it is run: it makes mistakes of its own,
and what the checks let through is what you see.

## Lists of the demo

{examples(measured[0])}

## Figures

{table(measured)}

“Titles never used before” are made-up words in random lists, to see how it copies. What fails both times has
the template's words, so that all that goes out is grounded. Each complaint is counted;
an answer may have several.
"""


def kept_lists(file: Path | None, count: int, items: int) -> list[list[ItemFacts]]:
    """The demo's lists, from the file where it has them already."""
    if file is not None and file.is_file():
        return msgspec.json.decode(file.read_bytes(), type=list[list[ItemFacts]])
    made = demo_lists(count, items)
    if file is not None:
        file.write_bytes(msgspec.json.encode(made))
    return made


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default=str(TRAINED))
    parser.add_argument("--lists", type=int, default=1_000)
    parser.add_argument("--items", type=int, default=5, help="of each list, the first so many")
    parser.add_argument("--facts", type=Path, help="a file that keeps the demo's lists for the next time")
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    made = kept_lists(given.facts, given.lists, given.items)
    unseen = unseen_lists(given.lists // 5, given.items)
    measured = [
        asyncio.run(measure(name, lists, given.model, given.items))
        for name, lists in (("the demo's lists", made), ("titles never used before", unseen))
    ]
    print(table(measured))
    print(examples(measured[0]))
    if given.page:
        given.page.write_text(page(measured, given.model))


if __name__ == "__main__":
    main()
