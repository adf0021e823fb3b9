"""Answers of models: what is said of the facts passes, and lies are found."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.explaining.chat_answers import LIES, answer
from tests.unit.explaining.samples import LAMP
from workers.explaining.brief import Brief, instructions, make_brief
from workers.explaining.facts import ItemFacts, ReasonFact
from workers.explaining.grounding import check_answer
from workers.explaining.templates import TemplateWriter

ALL_FIELDS = ("past_items", "actions")


def brief(item: ItemFacts = LAMP, language: str = "en", fields: tuple[str, ...] = ALL_FIELDS) -> Brief:
    return make_brief(item, language, 240, fields, TemplateWriter(language, 240))


def kinds(text: str, *facts: str, of: Brief | None = None, closed: bool = True) -> set[str]:
    """What is complained of."""
    content = json.dumps({"text": text, "facts": list(facts or ("r1",))})
    return {one.kind for one in check_answer(content, of or brief(), closed=closed).complaints}


@pytest.mark.parametrize(
    "text",
    [
        "Because you bought “Desk lamp, brass”.",
        'You bought "Desk lamp, brass", and this lamp is similar to it.',
        "You might like “Reading lamp”: it is similar to “Desk lamp, brass”, which you bought.",
        "Similar to «Desk lamp, brass», which you purchased, and popular with many people.",
        "This lamp by Lumen is like “Desk lamp, brass.”",
        "You bought “desk lamp, brass”, so this “Lumen” lamp is a close match.",
    ],
)
def test_what_the_facts_say_passes(text: str) -> None:
    assert kinds(text) == set()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Because you bought “Desk lamp, brass” 3 times.", "number"),
        ("Because you bought “Desk lamp, brass” twice.", "number"),
        ("Because you bought “Desk lamp, brass”. Only €5!", "claim"),
        ("Because you bought “Desk lamp, brass”. The best lamp.", "claim"),
        ("Because you bought “Desk lamp, brass”. It is dimmable.", "words"),
        ("Because you bought “Desk lamp”.", "title"),
        ("Because you bought “Desk lamp, brass”, like “Red boots”.", "title"),
        ("Because you bought Desk lamp, brass.", "words"),
        ("Because you bought “Desk lamp, brass”. Trending right now.", "words"),
        ("Because you played “Desk lamp, brass”.", "words"),
        ("Going by its pictures, like “Desk lamp, brass”.", "words"),
        ("“Desk lamp, brass”", "language"),
        ("Weil Sie „Desk lamp, brass“ gekauft haben.", "words"),
        ("因为您购买过“Desk lamp, brass”。", "language"),
        ("It might suit you.", "unsaid"),
        ("Because you bought\n“Desk lamp, brass”.", "markup"),
        ("Because you bought *“Desk lamp, brass”* [x](http://evil.example).", "markup"),
        ("Because you bought “Desk lamp, brass”\u202e.", "markup"),
        ("", "empty"),
        ("Because you bought “Desk lamp, brass”. " * 9, "length"),
    ],
)
def test_what_they_do_not_say_is_found(text: str, kind: str) -> None:
    found = kinds(text)
    assert kind in found or (kind == "markup" and found == set() and "\n" in text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Because you bought “Desk lamp, brass”. It is dimmable.", None),
        ("Because you bought “Desk lamp, brass”. Rated by 4,000 owners.", "number"),
        ("Because you bought “Desk lamp, brass”. On sale now.", "claim"),
        ("Because you bought “Desk lamp, brass”, like “Red boots”.", "title"),
        ("Parce que vous aimez la lumière « Desk lamp, brass »", "language"),
        (instructions()[:120], "leak"),
    ],
)
def test_an_open_vocabulary_still_checks_the_rest(text: str, kind: str | None) -> None:
    found = kinds(text, closed=False)
    assert (found == set()) if kind is None else (kind in found)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("You bought “Desk lamp”. You played “Blue Train”.", True),
        ("Similar to “Desk lamp”, which you bought, and “Blue Train”, which you played.", True),
        ("You bought “Blue Train”.", False),
        ("You bought “Reading lamp”, as it is like “Blue Train”.", False),
        ("Similar to “Desk lamp”. You bought this.", False),
    ],
)
def test_what_was_done_is_said_of_the_item_with_which_it_was_done(text: str, passes: bool) -> None:
    reasons = (
        ReasonFact("similar_item", 0.5, "Desk lamp", "", "purchase"),
        ReasonFact("similar_item", 0.4, "Blue Train", "", "play"),
    )
    told = brief(ItemFacts("i", "Reading lamp", reasons=reasons))
    facts = [f"r{at}" for at, one in enumerate(reasons, 1) if one.title in text]
    assert kinds(text, *facts, of=told) == (set() if passes else {"action"})


def test_where_actions_are_not_told_nothing_else_is_said_to_have_been_chosen() -> None:
    told = brief(fields=("past_items",))
    assert kinds("You chose “Desk lamp, brass”.", of=told) == set()
    assert "action" in kinds("You chose “Reading lamp”. Similar to “Desk lamp, brass”.", of=told)


def test_numbers_of_attributes_and_titles_may_be_said() -> None:
    item = ItemFacts(
        "i",
        "Route 66",
        {"size": ("42",), "price": ("1.5",)},
        "",
        (ReasonFact("similar_item", 1.0, "Catch-22", "book"),),
    )
    told = brief(item)
    assert kinds("“Route 66” is like “Catch-22”.", of=told) == set()
    assert kinds("Similar to “Catch-22”, with 42.", of=told) == set()
    assert kinds("Similar to “Catch-22”, with 421.", of=told) == {"number"}
    assert kinds("Similar to “Catch-22”, with 1.55.", of=told) == {"number"}
    assert "number" in kinds("Similar to “Catch-22”, with 66.", of=told)


@pytest.mark.parametrize(
    ("content", "passes"),
    [
        ('```json\n{"text": "Because you bought “Desk lamp, brass”.", "facts": ["r1"]}\n```', True),
        ('{"text": "Because you bought “Desk lamp, brass”.", "facts": []}', False),
        ('{"text": "Because you bought “Desk lamp, brass”.", "facts": ["t"]}', False),
        ('{"text": "Because you bought “Desk lamp, brass”."', False),
        ('{"text": 5, "facts": ["r1"]}', False),
        ('{"facts": ["r1"]}', False),
        ("[]", False),
        ("", False),
        ("{" * 10_000, False),
        ("Because you bought “Desk lamp, brass”.", False),
        ('{"text": "\\ud800", "facts": ["r1"]}', False),
    ],
)
def test_the_form_of_an_answer(content: str, passes: bool) -> None:
    assert (not check_answer(content, brief()).complaints) is passes


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_no_lie_passes(lie: str, language: str) -> None:
    told = brief(language=language)
    body = {
        "messages": [
            {"role": "system", "content": instructions()},
            {"role": "user", "content": told.user_message},
        ]
    }
    assert check_answer(answer("honest", body), told).complaints == ()
    assert check_answer(answer(lie, body), told).complaints


@given(st.text(max_size=400), st.lists(st.text(max_size=5), max_size=5), st.booleans())
def test_a_check_never_raises(text: str, facts: list[str], closed: bool) -> None:
    check_answer(text, brief(), closed=closed)
    check_answer(json.dumps({"text": text, "facts": facts}), brief(), closed=closed)


def test_what_a_person_did_is_told_only_where_a_setting_allows_it() -> None:
    nothing = brief(fields=()).user_message
    assert "Desk lamp" not in nothing
    assert "purchase" not in nothing
    assert "bought" not in nothing
    assert "Reading lamp" in nothing
    items = brief(fields=("past_items",)).user_message
    assert "Desk lamp, brass" in items
    assert "purchase" not in items
    assert "bought" not in items
    everything = brief(fields=ALL_FIELDS).user_message
    assert "purchase" in everything
    assert "lamp-1" not in everything


def test_alike_facts_share_their_words_and_others_do_not() -> None:
    assert brief().cache_key == brief().cache_key
    assert brief().cache_key != brief(fields=()).cache_key
    assert brief().cache_key != brief(language="de").cache_key
