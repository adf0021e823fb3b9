"""Checks an answer of a language model against the facts that it was given.

What is found is a complaint for the model's second try. An answer passes only without any.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from workers.explaining.brief import Brief, Fact, instructions
from workers.explaining.display_text import display_text
from workers.explaining.lexicon import Lexicon, lexicon
from workers.explaining.phrases import phrase_key
from workers.language_model.questions import object_in

ComplaintKind = Literal[
    "format", "empty", "length", "markup", "fact", "reason", "unsaid", "title", "number", "claim", "language",
    "words", "action", "leak",
]  # fmt: skip
COMPLAINT_KINDS: Final[tuple[ComplaintKind, ...]] = (
    "format", "empty", "length", "markup", "fact", "reason", "unsaid", "title", "number", "claim", "language",
    "words", "action", "leak",
)  # fmt: skip
_SHOWN_WORDS: Final = 8
_LEAK_WORDS: Final = 6
# All quotation marks as two, so that a title is found whichever a language or a model takes.
_MARKS: Final = str.maketrans(dict.fromkeys("“”„‟«»《》「」『』", '"') | dict.fromkeys("‘’‚‛‹›〈〉", "'"))
_ANY_MARK: Final = re.compile("[\"']")
_QUOTED: Final = re.compile('"[^"]*"?')
_NUMBER: Final = re.compile(r"\d+(?:[.,:]\d+)*|[½¼¾]|[ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ]")
_SENTENCE_END: Final = re.compile("[.!?;。！？；]")
_MOST_ATTRIBUTE_WORDS: Final = 3


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with an answer, for the model that gave it."""

    kind: ComplaintKind
    detail: str


class _Answer(msgspec.Struct):
    text: str
    facts: list[str]


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer's text, and what is wrong with it: nothing where it may go out."""

    text: str
    complaints: tuple[Complaint, ...]


def check_answer(content: str, brief: Brief, *, closed: bool = True) -> Checked:
    """Check an answer as the endpoint gave it. Never raises.

    Args:
        closed: Whether every word must be of the facts or of the language's plain words.
    """
    answer = object_in(content, _Answer)
    if answer is None:
        complaint = Complaint("format", 'the answer must be a JSON object {"text": …, "facts": […]}')
        return Checked("", (complaint,))
    text = answer.text.strip()
    return Checked(text, tuple(_complaints(text, answer.facts, brief, closed=closed)))


def check_text(text: str, brief: Brief, *, closed: bool = True) -> tuple[Complaint, ...]:
    """What is wrong with a text, whatever facts it names as used."""
    return tuple(_text_complaints(text, brief, closed=closed))


def _complaints(text: str, cited: list[str], brief: Brief, *, closed: bool) -> Iterator[Complaint]:
    if not text:
        yield Complaint("empty", "the text is empty")
        return
    yield from _text_complaints(text, brief, closed=closed)
    yield from _cited_complaints(text, cited, brief)


def _text_complaints(text: str, brief: Brief, *, closed: bool) -> Iterator[Complaint]:
    if len(text) > brief.max_characters:
        yield Complaint(
            "length", f"the text has {len(text)} characters, at most {brief.max_characters} are allowed"
        )
    cleaned = display_text(text, max(len(text), 1))
    if _plain(cleaned).strip() != _plain(text).strip():
        yield Complaint(
            "markup", "the text must be one line of plain text without markup, links or line breaks"
        )
    words = lexicon(brief.language)
    rest = _without_attributes(_without_titles(_plain(text), brief.titles), brief, words)
    stray = _QUOTED.findall(rest)
    if stray:
        shown = ", ".join(stray[:_SHOWN_WORDS])
        yield Complaint(
            "title", f"only titles and attributes given, whole, may stand in quotation marks, not {shown}"
        )
    yield from _claim_complaints(rest, words)
    if _misattributes(_plain(text), brief, words):
        yield Complaint(
            "action", "say of each title only what the person did with that one, in its own sentence"
        )
    allowed = words.allowed(brief.reasons) | _bare_runs(brief, words)
    if not words.is_in_language(rest, allowed):
        yield Complaint("language", "the text must be in the language given")
    if _leaks(text, (*brief.titles, *(fact.text for fact in brief.facts.values()))):
        yield Complaint("leak", "the text must not repeat these instructions")
    if closed:
        unknown = words.unknown(rest, allowed)
        if unknown:
            shown = ", ".join(unknown[:_SHOWN_WORDS])
            yield Complaint("words", f"these words are not about the facts given, leave them out: {shown}")


def _misattributes(plain: str, brief: Brief, words: Lexicon) -> bool:
    """Whether a sentence says that the person did something, and names no item with which they did it.

    A reason without a title lets it be said of something.
    """
    titles = sorted({_plain(one.title) for one in brief.reasons if one.title}, key=len, reverse=True)
    for number, title in enumerate(titles):
        plain = re.sub(_quoted_pattern(title), f" ⟦{number}⟧ ", plain, flags=re.I)
    plain = _without_titles(plain, brief.titles)
    past = [one for one in brief.reasons if words.is_of_the_past(one)]
    for sentence in _SENTENCE_END.split(plain):
        said = {title for number, title in enumerate(titles) if f"⟦{number}⟧" in sentence}
        for action in {one.action for one in brief.reasons}:
            of_it = [one for one in past if one.action == action]
            others = [one for one in brief.reasons if one not in of_it]
            is_named = any(not one.title or _plain(one.title) in said for one in of_it)
            if not is_named and words.says_action(sentence, action, others):
                return True
    return False


def _claim_complaints(rest: str, words: Lexicon) -> Iterator[Complaint]:
    numbers = _NUMBER.findall(rest) + words.numbers.findall(rest)
    if numbers:
        shown = ", ".join(numbers[:_SHOWN_WORDS])
        yield Complaint(
            "number", f"no number may be said that is not within a title or attribute given: {shown}"
        )
    claims = words.claims.findall(rest)
    if claims:
        shown = ", ".join(claims[:_SHOWN_WORDS])
        yield Complaint("claim", f"nothing may be said of price, quality, promise or danger: {shown}")


def _cited_complaints(text: str, cited: list[str], brief: Brief) -> Iterator[Complaint]:
    unknown = [fact_id for fact_id in cited if fact_id not in brief.facts]
    if unknown:
        yield Complaint("fact", f"there are no facts {', '.join(one[:8] for one in unknown[:_SHOWN_WORDS])}")
    used = [brief.facts[fact_id] for fact_id in dict.fromkeys(cited) if fact_id in brief.facts]
    if brief.reasons and not any(fact.reason is not None for fact in used):
        yield Complaint("reason", "name at least one reason, r1 before others, and list its id")
    unsaid = [fact.fact_id for fact in used if not _is_said(fact, text, brief)]
    if unsaid:
        yield Complaint("unsaid", f"these facts are listed but not said in the text: {', '.join(unsaid)}")


def _is_said(fact: Fact, text: str, brief: Brief) -> bool:
    plain = _plain(text)
    named = fact.text if fact.reason is None else fact.reason.title
    if named and re.search(_pattern(_plain(named)), plain, re.I):
        return True
    words = lexicon(brief.language)
    if fact.reason is None or phrase_key(fact.reason, words.phrases.sentences).endswith(".named"):
        return False
    return words.says(_without_titles(plain, brief.titles), fact.reason)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).translate(_MARKS).split())


def _pattern(plain: str) -> str:
    """Finds it with any mark for each of its own: within a quotation they are one level down."""
    return "[\"']".join(map(re.escape, _ANY_MARK.split(plain)))


def _quoted_pattern(plain: str) -> str:
    # Marks at the end of a sentence may stand within the quotation.
    return f'" ?{_pattern(plain)}[.,;]? ?"'


def _without_titles(text: str, titles: Iterable[str]) -> str:
    """The text with quoted titles taken out, the longest first: one title may contain another.

    A title that is not in quotation marks stays, and its words must answer for themselves.
    """
    for title in sorted(map(_plain, titles), key=len, reverse=True):
        text = re.sub(_quoted_pattern(title), " ", text, flags=re.I)
    return text


def _without_attributes(text: str, brief: Brief, words: Lexicon) -> str:
    """The text without attribute values: any in quotation marks, short ones without claims also bare."""
    values = _attribute_values(brief)
    for value in values:
        text = re.sub(_quoted_pattern(value), " ", text, flags=re.I)
    for value in values:
        if _may_stand_bare(value, words) and not words.is_run(value):
            text = re.sub(f"(?<![\\w.,']){_pattern(value)}(?!'?\\w|[.,]\\d)", " ", text, flags=re.I)
    return text


def _bare_runs(brief: Brief, words: Lexicon) -> frozenset[str]:
    """Values that are words of a language without spaces: taking them out would cut other words in two."""
    return frozenset(
        value for value in _attribute_values(brief) if words.is_run(value) and _may_stand_bare(value, words)
    )


def _attribute_values(brief: Brief) -> list[str]:
    """The longest first: one may contain another."""
    values = {
        _plain(fact.text) for fact in brief.facts.values() if fact.reason is None and fact.fact_id != "t"
    }
    values |= {_plain(reason.category) for reason in brief.reasons if reason.category}
    return sorted(values - {""}, key=lambda value: (-len(value), value))


def _may_stand_bare(value: str, words: Lexicon) -> bool:
    return len(value.split()) <= _MOST_ATTRIBUTE_WORDS and not words.claims.search(value)


def _leaks(text: str, shown: Iterable[str]) -> bool:
    """Whether the text repeats a run of words of the instructions that no fact holds."""
    words = re.findall(r"\w+", text.casefold())
    runs = {tuple(words[at : at + _LEAK_WORDS]) for at in range(len(words) - _LEAK_WORDS + 1)}
    if runs.isdisjoint(_instruction_runs()):
        return False
    facts = " ".join(re.findall(r"\w+", " ".join(shown).casefold()))
    return any(" ".join(run) not in facts for run in runs & _instruction_runs())


def _instruction_runs() -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", instructions().casefold())
    return {tuple(words[at : at + _LEAK_WORDS]) for at in range(len(words) - _LEAK_WORDS + 1)}
