"""Which words may be said, given the facts: the closed vocabulary that keeps claims out of answers.

Words of titles are not in it: a title may say anything, so it is said as a whole and in quotation marks, or
not at all. What a reason allows comes from the templates' sentences for its kind, so that what they can say
may be said, and the language's own list adds further forms of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from workers.explaining.facts import ReasonFact
from workers.explaining.phrases import NO_REASON, OTHER, Phrases, phrase_key

_PLACEHOLDER: Final = re.compile(r"\{[a-z]+\}")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HAN: Final = re.compile("[㐀-䶿一-鿿豈-﫿]+")
_LONGEST_PHRASE: Final = 24
_ALIKE: Final = frozenset({"similar_item", "content", "seed_item"})
# Reasons that come from what the person did.
_OF_THE_PAST: Final = frozenset({"similar_item", "content", "unlike", "taste", "history", "item2vec"})


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of one language.

    Attributes:
        phrases: Its templates.
        plain: Words that claim nothing: function words, and those of recommending itself.
        by_kind: Further words of a reason's kind.
        by_action: Further words of an action.
        by_modality: Further words of a modality.
        claims: What is never said unless an attribute says it: prices, praise, promises, urgency.
        numbers: Numbers in words.
        by_character: Written without spaces.
    """

    phrases: Phrases
    plain: frozenset[str]
    by_kind: Mapping[str, frozenset[str]]
    by_action: Mapping[str, frozenset[str]]
    by_modality: Mapping[str, frozenset[str]]
    claims: re.Pattern[str]
    numbers: re.Pattern[str]
    by_character: bool = False
    _allowed: dict[tuple[object, ...], frozenset[str]] = field(default_factory=dict)

    def words(self, text: str) -> list[str]:
        """The text's words in lower case; in Chinese its runs of characters."""
        if self.by_character:
            return _HAN.findall(text) + [word.casefold() for word in _WORD.findall(_HAN.sub(" ", text))]
        return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]

    def allowed(self, reasons: Sequence[ReasonFact]) -> frozenset[str]:
        """Every word that may be said with these reasons."""
        key = tuple(
            sorted({(one.kind, one.action or "", one.modality or "", bool(one.title)) for one in reasons})
        )
        found = self._allowed.get(key)
        if found is None:
            found = self.plain.union(*map(self.reason_words, reasons))
            if not key:
                found = found.union(*map(self._phrase_words, self.phrases.sentences[NO_REASON]))
            if len(self._allowed) < 10_000:  # actions are the deployment's own, but not without number
                self._allowed[key] = found
        return found

    def reason_words(self, reason: ReasonFact) -> frozenset[str]:
        """Words that this reason allows."""
        phrases = self.phrases
        key = phrase_key(reason, phrases.sentences)
        kinds = {key.partition(".")[0]}
        kinds |= _ALIKE if kinds & _ALIKE else set()
        sentences = [
            sentence
            for entry, variants in (
                *phrases.sentences.items(),
                *((k, (v,)) for k, v in phrases.additions.items()),
            )
            if entry.partition(".")[0] in kinds
            for sentence in variants
        ]
        words = frozenset().union(*map(self._phrase_words, sentences))
        words = words.union(*(self.by_kind.get(kind, frozenset()) for kind in kinds))
        if reason.action is not None or kinds & _OF_THE_PAST:
            words |= self._action_words(reason.action or OTHER)
        if reason.modality is not None:
            words |= self._phrase_words(phrases.parts.get(reason.modality, ""))
            words |= self.by_modality.get(reason.modality, frozenset())
        return words

    def is_of_the_past(self, reason: ReasonFact) -> bool:
        """Whether the reason is something that the person did."""
        return reason.action is not None or reason.kind in _OF_THE_PAST

    def says_action(self, text: str, action: str | None, other_reasons: Sequence[ReasonFact]) -> bool:
        """Whether the text says that the person did this with something.

        Args:
            action: None for any, which is said as having been chosen.
            other_reasons: Words that these allow say no such thing.
        """
        own = self._action_words(action or OTHER) - self.plain
        if action is not None:
            own -= self._action_words(OTHER)
        for reason in other_reasons:
            own -= self.reason_words(replace(reason, action=None, kind=_without_past(reason.kind)))
            if reason.action not in (None, action):
                own -= self._action_words(reason.action or OTHER)
        if self.by_character:
            return any(word in text for word in own)
        return not own.isdisjoint(self.words(text))

    def _action_words(self, action: str) -> frozenset[str]:
        phrases = self.phrases
        words = self.by_action.get(action, frozenset())
        for table in (phrases.since, phrases.which, phrases.did):
            words |= self._phrase_words(table.get(action, table[OTHER]))
        return words

    def unknown(self, text: str, allowed: frozenset[str]) -> list[str]:
        """The words of the text that may not be said, in order, each once."""
        found = [word for run in self.words(text) for word in self._uncovered(run, allowed)]
        return list(dict.fromkeys(found))

    def says(self, text: str, reason: ReasonFact) -> bool:
        """Whether the text has a word that this reason allows and plain words do not have."""
        own = self.reason_words(reason) - self.plain
        if self.by_character:
            return any(word in text for word in own)
        return not own.isdisjoint(self.words(text))

    def is_in_language(self, text: str, allowed: frozenset[str]) -> bool:
        """Whether the text, titles left out, is plausibly of this language: a quarter of its words are."""
        if self.by_character:
            letters = sum(character.isalpha() for character in text)
            return letters > 0 and sum(map(len, _HAN.findall(text))) * 2 >= letters
        words = self.words(text)
        return bool(words) and sum(word in allowed for word in words) * 4 >= len(words)

    def is_run(self, value: str) -> bool:
        """Whether it is written without spaces: only the words around it tell where it begins."""
        return self.by_character and _HAN.fullmatch(value) is not None

    def _phrase_words(self, phrase: str) -> frozenset[str]:
        if self.by_character:
            runs = [run for part in _PLACEHOLDER.split(phrase) for run in _HAN.findall(part)]
            return frozenset(runs)
        return frozenset(self.words(_PLACEHOLDER.sub(" ", phrase)))

    def _uncovered(self, run: str, allowed: frozenset[str]) -> list[str]:
        if not self.by_character or not _HAN.match(run):
            return [] if run in allowed else [run]
        left: list[str] = []
        start, gap = 0, ""
        while start < len(run):
            for length in range(min(_LONGEST_PHRASE, len(run) - start), 0, -1):
                if run[start : start + length] in allowed:
                    left += [gap] if gap else []
                    gap = ""
                    start += length
                    break
            else:
                gap += run[start]
                start += 1
        return left + ([gap] if gap else [])


def _without_past(kind: str) -> str:
    """A kind whose words do not say that the person chose something."""
    return OTHER if kind.partition(".")[0] in _OF_THE_PAST else kind


def word_set(words: str) -> frozenset[str]:
    """Words that are separated by white space."""
    return frozenset(words.split())


@cache
def lexicon(language: str) -> Lexicon:
    """The words of a language that templates know."""
    from workers.explaining.languages.chinese_words import CHINESE_WORDS
    from workers.explaining.languages.english_words import ENGLISH_WORDS
    from workers.explaining.languages.german_words import GERMAN_WORDS

    return {"en": ENGLISH_WORDS, "de": GERMAN_WORDS, "zh": CHINESE_WORDS}[language]
