"""What the model learns from: conversations as the explain role has them, and what should be answered."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from typing import Final

from tests.language_model.sentences import answer
from tests.language_model.titles import training_title, training_values
from workers.explaining.brief import Brief, make_brief
from workers.explaining.facts import ItemFacts, ReasonFact
from workers.explaining.grounding import Complaint, check_answer
from workers.explaining.language_model import complaint_message
from workers.explaining.templates import TemplateWriter

Message = dict[str, str]
MAX_CHARACTERS: Final = 240
TEMPLATES: Final = TemplateWriter("en", MAX_CHARACTERS)
_FIRST_KINDS: Final = (
    "similar_item", "similar_item", "similar_item", "taste", "taste", "content.part", "content.part",
    "content", "covisitation", "covisitation", "item2vec", "sequence", "sequence", "popularity",
    "popularity_signal", "trend", "trend_signal", "freshness", "freshness_signal", "sessions", "regression",
    "query", "seed_item", "new_item", "exploration", "model", "other", "history", "context", "pin",
    "boost", "diversity",
)  # fmt: skip
_OTHER_KINDS: Final = (
    "popularity", "popularity_signal", "trend", "trend_signal", "freshness", "freshness_signal", "taste",
    "regression", "sequence", "covisitation", "similar_item", "content.part", "sessions", "diversity",
)  # fmt: skip
_NAMES_ITEM: Final = {"similar_item": 0.9, "covisitation": 0.8, "content": 0.5, "content.part": 0.5,
                      "item2vec": 0.5, "seed_item": 0.8, "sequence": 0.2, "other": 0.3}  # fmt: skip
_ACTIONS: Final = ("click", "click", "like", "view", "play", "purchase", "skip", "rate", "add_to_cart")
_PERSONAL: Final = (("past_items",), ("past_items", "actions"))
RETRY_SHARE: Final = 0.1
NEGATION_SHARE: Final = 0.07


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation without its system message, and the answer to it."""

    messages: tuple[Message, ...]
    answer: str


def example(chance: random.Random) -> Example:
    """Something to learn from."""
    if chance.random() < NEGATION_SHARE:
        return _negation(chance)
    while True:
        item = facts(chance)
        personal = chance.choice(_PERSONAL)
        brief = make_brief(item, "en", MAX_CHARACTERS, personal, TEMPLATES)
        told = item if "actions" in personal else _without_actions(item)
        wanted = answer(told, brief, chance)
        if check_answer(wanted, brief).complaints:
            continue  # two long titles take more room than there is
        asked = {"role": "user", "content": brief.user_message}
        if chance.random() >= RETRY_SHARE:
            return Example((asked,), wanted)
        wrong, complaints = _spoilt(wanted, brief, chance)
        if complaints:
            return Example(
                (
                    asked,
                    {"role": "assistant", "content": wrong},
                    {"role": "user", "content": complaint_message(complaints)},
                ),
                wanted,
            )


def facts(chance: random.Random) -> ItemFacts:
    """An item of a list, with titles that the demo has not."""
    first = _reason(chance.choice(_FIRST_KINDS), chance, chance.uniform(0.3, 0.9))
    left = 1.0 - first.share
    others = []
    for kind in chance.sample(_OTHER_KINDS, chance.choice((0, 1, 2, 3))):
        part = chance.uniform(0.05, 1.0) * left
        left -= part
        others.append(_reason(kind, chance, part))
    others.sort(key=lambda one: -one.share)
    attributes = {}
    category = ""
    if chance.random() < 0.7:
        (category, *_) = training_values(chance)
        attributes["category"] = (category,)
    if chance.random() < 0.7:
        attributes["tags"] = training_values(chance)
    return ItemFacts("item", training_title(chance), attributes, category, (first, *others))


def _reason(kind: str, chance: random.Random, share: float) -> ReasonFact:
    family, _, part = kind.partition(".")
    has_title = chance.random() < _NAMES_ITEM.get(kind, 0.0)
    has_action = family in ("similar_item", "history") and chance.random() < 0.9
    return ReasonFact(
        family,
        share,
        title=training_title(chance) if has_title else "",
        category=chance.choice((*training_values(chance), "")) if has_title else "",
        action=chance.choice(_ACTIONS) if has_action else None,
        modality=chance.choice(("text", "image", "audio", "video")) if part else None,
    )


def _without_actions(item: ItemFacts) -> ItemFacts:
    return replace(item, reasons=tuple(replace(one, action=None) for one in item.reasons))


def _spoilt(wanted: str, brief: Brief, chance: random.Random) -> tuple[str, tuple[Complaint, ...]]:
    """An answer as a model gets it wrong, and what is complained of; nothing where nothing is."""
    told = json.loads(wanted)
    match chance.randrange(4):
        case 0:
            words = told["text"].split()
            at = chance.randrange(len(words))
            words[at] = training_title(chance).split()[0]
            told["text"] = " ".join(words)
        case 1:
            told["facts"].append(chance.choice(("r7", "a9", "t")))
        case 2:
            told["text"] += chance.choice((" It is the best.", " Chosen by 3 people.", " Hurry."))
        case _:
            characters = list(told["text"])
            del characters[chance.randrange(len(characters))]
            told["text"] = "".join(characters)
    wrong = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return wrong, check_answer(wrong, brief).complaints


def _negation(chance: random.Random) -> Example:
    """What somebody asks for, and does not want."""
    wanted, *unwanted = (
        training_title(chance).lower().replace(",", "") for _ in range(chance.choice((1, 2, 2, 3)))
    )
    word = chance.choice(("no ", "without ", "but not "))
    separator = chance.choice((", ", " "))
    words = wanted + "".join(f"{separator}{word}{one}" for one in unwanted)
    told = json.dumps({"words": words}, ensure_ascii=False, separators=(",", ":"))
    told_apart = json.dumps(
        {"wanted": wanted, "unwanted": unwanted}, ensure_ascii=False, separators=(",", ":")
    )
    return Example(({"role": "user", "content": told},), told_apart)
