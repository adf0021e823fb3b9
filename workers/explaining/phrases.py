"""What a language brings to the templates: sentences by reason, and its grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from workers.explaining.facts import ReasonFact

NEGATIVE_ACTIONS: Final = frozenset({"dislike", "skip"})
OTHER: Final = "other"
NO_REASON: Final = "none"
# Kinds that liken the item to another one: where they say in what, that is said.
_LIKENESS: Final = frozenset({"similar_item", "content", "taste", "history"})


@dataclass(frozen=True, slots=True)
class Phrases:
    """Sentences of one language.

    A key is the reason's kind (or `unlike`, `content`, `other`, `none`), with `.part` where the reason says
    in which modality, and `.named` where it names an item whose title is known. Placeholders:

    - ``{past}``: that title, in quotation marks; ``{like}``: the same, with what kind of thing it is
    - ``{since}``, ``{which}``: what the person did with it, as a clause and as a noun phrase with the title
    - ``{did}``: a noun phrase for that without a title
    - ``{part}``: the modality; ``{this}``: the listed item, by its category

    Attributes:
        language: BCP 47.
        sentences: Each key's variants: the items of a list take one after the other.
        additions: What may follow as a second sentence.
        since: Action → clause with ``{past}``; `other` stands for an action of the deployment's own.
        which: Action → noun phrase with ``{past}``.
        did: Action → noun phrase without a title.
        parts: Modality → its word.
        quote: Of a title and its category: the title in quotation marks, marks within it one level down.
        like: Of a quoted title and its category.
        this: Of a category.
        space: Between two sentences.
    """

    language: str
    sentences: Mapping[str, tuple[str, ...]]
    additions: Mapping[str, str]
    since: Mapping[str, str]
    which: Mapping[str, str]
    did: Mapping[str, str]
    parts: Mapping[str, str]
    quote: Callable[[str, str], str]
    like: Callable[[str, str], str]
    this: Callable[[str], str]
    space: str = " "


def phrase_key(reason: ReasonFact | None, known: Mapping[str, object]) -> str:
    """The key of ``known`` that says most of the reason, and nothing else."""
    if reason is None:
        return NO_REASON
    kind = reason.kind
    is_likeness = kind in _LIKENESS
    if reason.action in NEGATIVE_ACTIONS and (is_likeness or kind == "item2vec"):
        kind = "unlike"
    elif is_likeness and reason.modality is not None:
        kind = "content.part"
    elif kind == "history" and reason.title:
        kind = "similar_item"
    elif kind not in known and f"{kind}.named" not in known:
        kind = f"{OTHER}.part" if reason.modality is not None and not reason.title else OTHER
    named = f"{kind}.named"
    return named if reason.title and named in known else kind


def of_action(phrases: Mapping[str, str], action: str | None) -> str:
    """The phrase of an action, or that of any."""
    return phrases.get(action or OTHER, phrases[OTHER])


def nested(title: str, inner: Mapping[str, str]) -> str:
    """The title with the marks that will enclose it changed to those of a quotation within a quotation.

    So a title cannot end its own quotation and go on in our words.
    """
    return title.translate({ord(mark): other for mark, other in inner.items()})
