"""Words from templates: the default, and what takes over where a language model cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from workers.explaining.display_text import shortened
from workers.explaining.facts import ItemFacts, ReasonFact
from workers.explaining.languages import PHRASES
from workers.explaining.phrases import of_action, phrase_key

NAME: Final = "template@1"
# A second reason that counts less than this beside the others is not worth a sentence.
ADDITION_SHARE: Final = 0.15
_MOVES_WORTH_ADDING: Final = frozenset({"diversity"})
# How far titles are cut, in turn, until the words are short enough.
_TITLE_CHARACTERS_WITH_ADDITION: Final = (80, 50, 30)
_TITLE_CHARACTERS: Final = (80, 50, 30, 16, 8)


class TemplateWriter:
    """Writes one or two sentences of one language for an item. Never raises, never longer than allowed.

    Args:
        language: A key of `workers.explaining.languages.PHRASES`.
        max_characters: Of the words for one item, at least 80.
    """

    def __init__(self, language: str, max_characters: int) -> None:
        self._phrases = PHRASES[language]
        self._max_characters = max_characters

    def write_all(self, items: Sequence[ItemFacts]) -> list[str]:
        """Words for each item of a list; items with alike reasons get different sentences in turn."""
        turns: dict[str, int] = {}
        texts = []
        for item in items:
            key = phrase_key(_main(item), self._phrases.sentences)
            turn = turns.get(key, 0)
            turns[key] = turn + 1
            texts.append(self.write(item, turn))
        return texts

    def write(self, item: ItemFacts, turn: int = 0) -> str:
        """Words for one item: its first reason, and a second one that also counts.

        Args:
            turn: Which of the reason's sentences to take.
        """
        main = _main(item)
        key = phrase_key(main, self._phrases.sentences)
        variants = self._phrases.sentences[key]
        sentence = variants[turn % len(variants)]
        addition = self._addition(item, key)
        if addition is not None:
            more, reason = addition
            for characters in _TITLE_CHARACTERS_WITH_ADDITION:
                text = self._phrases.space.join(
                    (
                        self._filled(sentence, item, main, characters),
                        self._filled(more, item, reason, characters),
                    )
                )
                if len(text) <= self._max_characters:
                    return text
        for characters in _TITLE_CHARACTERS:
            text = self._filled(sentence, item, main, characters)
            if len(text) <= self._max_characters:
                return text
        return shortened(text, self._max_characters)

    def _addition(self, item: ItemFacts, first_key: str) -> tuple[str, ReasonFact] | None:
        first = _main(item)
        for reason in item.reasons[1:]:
            if reason.share < ADDITION_SHARE and reason.kind not in _MOVES_WORTH_ADDING:
                continue
            key = phrase_key(reason, self._phrases.sentences)
            is_repeat = key.partition(".")[0] == first_key.partition(".")[0] and (
                first is None or reason.title in ("", first.title)
            )
            if not is_repeat and key in self._phrases.additions:
                return self._phrases.additions[key], reason
        return None

    def _filled(self, sentence: str, item: ItemFacts, reason: ReasonFact | None, characters: int) -> str:
        phrases = self._phrases
        action = None if reason is None else reason.action
        past = self._past(reason, characters)
        values = {
            "past": past,
            "like": phrases.like(past, "" if reason is None else reason.category),
            "since": _put(of_action(phrases.since, action), past),
            "which": _put(of_action(phrases.which, action), past),
            "did": of_action(phrases.did, action),
            "part": phrases.parts.get((reason.modality if reason else None) or "", ""),
            "this": phrases.this(item.category),
        }
        # Not str.format on what holds a title: braces in it would be read as ours.
        return _substituted(sentence, values)

    def _past(self, reason: ReasonFact | None, characters: int) -> str:
        if reason is None or not reason.title:
            return ""
        return self._phrases.quote(shortened(reason.title, characters), reason.category)


def _main(item: ItemFacts) -> ReasonFact | None:
    return item.reasons[0] if item.reasons else None


def _put(phrase: str, past: str) -> str:
    return phrase.replace("{past}", past)


def _substituted(sentence: str, values: dict[str, str]) -> str:
    parts = sentence.split("{")
    filled = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition("}")
        filled.append(values[name] + rest)
    return "".join(filled)
