"""Grounded sentences about an item, other than the templates': what the model learns to write."""

from __future__ import annotations

import random
from typing import Final

import msgspec

from workers.explaining.brief import Brief
from workers.explaining.facts import ItemFacts, ReasonFact
from workers.explaining.languages.english import ENGLISH
from workers.explaining.phrases import of_action, phrase_key

# Reason → ways to say it of the item, {x}. The other placeholders are those of the templates.
_SAYINGS: Final[dict[str, tuple[str, ...]]] = {
    "similar_item.named": (
        "Since {since}, you may also like {x}.",
        "You may enjoy {x} because {since}.",
        "We picked {x} because {since}.",
        "{X} is much like {past}.",
        "{X} and {past} have much in common.",
        "As {since}, {x} may be one to try.",
    ),
    "similar_item": (
        "{X} is similar to {did}.",
        "You may like {x} because of {did}.",
        "{X} has much in common with {did}.",
    ),
    "unlike.named": ("{X} is a change from {which}.", "{X} is quite unlike {which}."),
    "unlike": ("{X} is a change from {did}.", "{X} is quite unlike {did}."),
    "seed_item.named": ("{X} goes well with {past}.", "{X} is similar to {past}, which you started from."),
    "seed_item": ("{X} is similar to the items you started from.",),
    "query": ("{X} matches what you asked for.", "{X} is close to what you described."),
    "taste": (
        "{X} fits your usual taste.",
        "{X} is close to what you tend to choose.",
        "Going by your earlier choices, {x} suits you well.",
        "We suggest {x}, as it matches your taste.",
    ),
    "history": ("{X} fits what you have done here before.",),
    "content.part.named": (
        "The {part} of {x} reminded us of {past}.",
        "Going by its {part}, {x} is close to {past}.",
        "You may like {x}: its {part} is much like {past}.",
    ),
    "content.part": (
        "The {part} of {x} is close to your taste.",
        "Going by its {part}, {x} is a match for your taste.",
        "You may like {x} because its {part} fits your taste.",
    ),
    "content.named": ("{X} resembles {past}.", "We suggest {x}, as it resembles {past}."),
    "content": ("{X} resembles what you tend to choose.",),
    "covisitation.named": (
        "People who chose {past} often chose {x} as well.",
        "{X} is often chosen together with {past}.",
    ),
    "covisitation": ("{X} is often chosen together with items of yours.",),
    "item2vec.named": ("{X} often turns up alongside {past}.",),
    "item2vec": ("{X} often turns up alongside items you have chosen.",),
    "sequence.named": ("After {past}, a likely next step is {x}.",),
    "sequence": (
        "After your latest choices, a likely next step is {x}.",
        "{X} follows on from your latest choices.",
    ),
    "popularity": ("{X} is popular with many people here.", "Many people here have chosen {x}."),
    "trend": ("{X} is trending right now.", "Right now more and more people are choosing {x}."),
    "freshness": ("{X} is among the newer items here.", "{X} is newer than most items here."),
    "popularity_signal": ("How popular it is speaks for {x}.", "Its popularity speaks for {x}."),
    "trend_signal": ("How its popularity is developing speaks for {x}.",),
    "freshness_signal": ("How long it has been here speaks for {x}.",),
    "sessions": ("In other people’s histories, {x} is often found near your latest choices.",),
    "regression": ("{X} goes with your choices as a whole.", "Your choices taken together point to {x}."),
    "new_item": ("{X} is new here, shown so that people can discover it.",),
    "exploration": (
        "{X} is something different, to learn what you like.",
        "To explore beyond your usual path, try {x}.",
    ),
    "diversity": ("{X} is here for variety in your list.",),
    "pin": ("{X} is highlighted here for everybody.",),
    "boost": ("{X} is given more prominence here at present.",),
    "context": ("{X} fits the moment.",),
    "model": ("Many small signals together speak for {x}.", "{X} is a good overall match for you."),
    "other.named": ("{X} is connected with {past}.",),
    "other.part": ("The {part} of {x} counted in ranking it for you.",),
    "other": ("{X} is ranked high for you among all that is available.",),
}
# What may follow for a second reason; it needs no title.
_ALSO: Final[dict[str, str]] = {
    "taste": "It also suits your taste.",
    "popularity": "It is popular with people here, too.",
    "trend": "It is trending at the moment, too.",
    "freshness": "It is also among the newer items here.",
    "sequence": "It also follows on from your latest choices.",
    "regression": "It also goes with your choices as a whole.",
    "content.part": "Its {part} is close to your taste, too.",
    "similar_item.named": "It is also similar to {past}.",
    "covisitation.named": "It is often chosen together with {past}, too.",
}
_ALSO_SHARE: Final = 0.15


def answer(item: ItemFacts, brief: Brief, chance: random.Random) -> str:
    """An answer as a model should give it: the text and the ids of the facts that it says, as JSON.

    Args:
        item: With what of the person may be told.
        brief: Of the same item.
    """
    first, *others = item.reasons
    facts = ["r1"]
    named = "this"
    if item.title and chance.random() < 0.8:
        named = ENGLISH.quote(item.title, item.category)
        facts.insert(0, "t")
    text = _said(chance.choice(_SAYINGS[phrase_key(first, _SAYINGS)]), first, named)
    if chance.random() < 0.25:
        attribute = next((one for one in brief.facts.values() if one.fact_id.startswith("a")), None)
        if attribute is not None:
            text = f"In {attribute.text}: {text}"
            facts.append(attribute.fact_id)
    for number, other in enumerate(others, 2):
        also = _ALSO.get(phrase_key(other, _SAYINGS))
        if also is not None and other.kind != first.kind and other.share >= _ALSO_SHARE:
            text += f" {_said(also, other, named)}"
            facts.append(f"r{number}")
            break
    return msgspec.json.encode({"text": text, "facts": facts}).decode()


def _said(saying: str, reason: ReasonFact, named: str) -> str:
    past = ENGLISH.quote(reason.title, reason.category) if reason.title else ""
    values = {
        "x": named,
        "X": named[:1].upper() + named[1:],
        "past": past,
        "since": of_action(ENGLISH.since, reason.action).replace("{past}", past),
        "which": of_action(ENGLISH.which, reason.action).replace("{past}", past),
        "did": of_action(ENGLISH.did, reason.action),
        "part": ENGLISH.parts.get(reason.modality or "", ""),
    }
    first, *rest = saying.split("{")
    parts = [first]
    for one in rest:
        name, _, after = one.partition("}")
        parts.append(values[name] + after)
    return "".join(parts)
