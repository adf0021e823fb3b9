"""Which items the catalogue has: how many of each label, with which media, and which are held back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.demo.tastes import NOBODYS, PHOTOGRAPHS, TASTES


@dataclass(frozen=True, slots=True)
class Draft:
    """An item to be made.

    Attributes:
        form: picture, sound, both, film or read: see `words.title`.
        labels: What it is of; a picture's label comes before a sound's.
        has_text: Whether it has a title and a description.
        is_new: Held back, to be published in the middle of the demo.
    """

    form: str
    labels: tuple[str, ...]
    has_text: bool = True
    is_new: bool = False


# A photograph alone must be told from others by its content: the first image encoder is sure of shoes; other
# clothes come with words, with a sound, or as a film.
_NEW = (
    Draft("read", ("rain",)),
    Draft("read", ("rooster",)),
    Draft("read", ("helicopter",)),
    Draft("picture", ("shoes",), has_text=False),
    Draft("picture", ("shoes",), has_text=False),
    Draft("sound", ("fire",), has_text=False),
    Draft("sound", ("sea-waves",), has_text=False),
    Draft("sound", ("chainsaw",), has_text=False),
    Draft("film", ("shoes", "dog-bark"), has_text=False),
    Draft("film", ("shirt", "clock-tick"), has_text=False),
    Draft("picture", ("skirt",)),
    Draft("picture", ("dress",)),
    Draft("both", ("hat", "rooster")),
    Draft("sound", ("clock-tick",)),
    Draft("both", ("long-sleeve", "fire")),
    Draft("film", ("outerwear", "rain")),
)


def drafts() -> Iterator[Draft]:
    """The whole catalogue: 24 items of each taste, 8 of each label that is to nobody's, and the new ones."""
    for number, taste in enumerate(TASTES):
        yield from _of_taste(taste.labels, film_has_text=number % 2 == 0)
    for label in NOBODYS:
        form = _form(label)
        yield from (Draft(form, (label,), has_text=turn < 5) for turn in range(7))
        yield Draft("read", (label,))
    yield from (Draft(draft.form, draft.labels, draft.has_text, is_new=True) for draft in _NEW)


def _of_taste(labels: tuple[str, str], *, film_has_text: bool) -> Iterator[Draft]:
    first, second = labels
    is_mixed = _form(first) != _form(second)
    with_text, without_text = (5, 3) if is_mixed else (7, 3)
    for label in labels:
        for turn in range(with_text + without_text):
            yield Draft(_form(label), (label,), has_text=turn < with_text)
    yield from (Draft("both", labels) for _ in range(4 if is_mixed else 0))
    yield from (Draft("read", (label,)) for label in (first, second, first))
    if _form(first) == "picture":
        yield Draft("film", labels if is_mixed else (first,), has_text=film_has_text)
    else:
        yield Draft("read", (second,))


def _form(label: str) -> str:
    return "picture" if label in PHOTOGRAPHS else "sound"
