"""Templates: sentences that are right in their language, and what holds for every list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.messages import RecommendedItem
from tests.unit.explaining.samples import LAMP, facts_of
from tests.unit.explaining.strategies import LANGUAGES, catalogues, listed_items
from tests.unit.explaining.test_display_text import assert_harmless
from workers.explaining.brief import make_brief
from workers.explaining.facts import ItemFacts, ReasonFact
from workers.explaining.grounding import check_text
from workers.explaining.languages import PHRASES
from workers.explaining.phrases import OTHER, phrase_key
from workers.explaining.templates import TemplateWriter
from workers.vectors_to_titles import KnownItem


def item(*reasons: ReasonFact, category: str = "") -> ItemFacts:
    return ItemFacts("i", "Something", {}, category, reasons)


def written(language: str, *reasons: ReasonFact, category: str = "", turn: int = 0) -> str:
    return TemplateWriter(language, 240).write(item(*reasons, category=category), turn)


BOUGHT = ReasonFact("similar_item", 0.6, "Desk lamp", "lamp", "purchase")
ALBUM = ReasonFact("similar_item", 0.6, "Blue Train", "album", "play")
TOGETHER = ReasonFact("covisitation", 0.5, "Red boots", "boots")


@pytest.mark.parametrize(
    ("language", "reasons", "category", "turn", "text"),
    [
        ("en", (BOUGHT,), "", 0, "Because you bought “Desk lamp”."),
        ("en", (ALBUM,), "", 1, "Similar to “Blue Train”, which you played."),
        ("en", (ALBUM,), "", 2, "Much like “Blue Train”, an album."),
        ("en", (TOGETHER,), "shoes", 0, "People who chose “Red boots” often chose these shoes too."),
        ("en", (TOGETHER,), "Home & Garden", 0, "People who chose “Red boots” often chose this too."),
        ("de", (BOUGHT,), "", 0, "Weil Sie „Desk lamp“ gekauft haben."),
        ("de", (ALBUM,), "", 2, "Ganz wie „Blue Train“, ein Album."),
        ("de", (TOGETHER,), "", 0, "Wer „Red boots“ wählt, wählt oft auch dies."),
        ("zh", (BOUGHT,), "鞋", 0, "因为您购买过“Desk lamp”，所以为您推荐这双鞋。"),
        ("zh", (ALBUM,), "", 1, "与您播放过的《Blue Train》相似。"),
        ("zh", (TOGETHER,), "book", 0, "选择“Red boots”的人也常常选择这本书。"),
        ("en", (ReasonFact("popularity", 0.9),), "", 0, "Popular with people here."),
        ("en", (ReasonFact("trend", 0.9),), "", 0, "Trending right now."),
        ("en", (ReasonFact("freshness", 0.9),), "", 0, "Among the newer items here."),
        ("en", (ReasonFact("exploration", 0.0),), "", 0, "Something different, to learn what you like."),
        (
            "en",
            (ReasonFact("content", 0.9, "Red boots", "", None, "image"),),
            "",
            0,
            "Going by its pictures, much like “Red boots”.",
        ),
        (
            "en",
            (ReasonFact("similar_item", 0.9, "Drum solo", "", "skip"),),
            "",
            0,
            "A change from “Drum solo”, which you skipped.",
        ),
        (
            "en",
            (BOUGHT, ReasonFact("popularity", 0.3)),
            "",
            0,
            "Because you bought “Desk lamp”. It is also popular with people here.",
        ),
        ("en", (BOUGHT, ReasonFact("popularity", 0.05)), "", 0, "Because you bought “Desk lamp”."),
        ("en", (ReasonFact("next_year", 0.9, "Desk lamp"),), "", 0, "Connected with “Desk lamp”."),
        ("en", (), "", 0, "Chosen from all that is available."),
    ],
)
def test_sentences(
    language: str, reasons: tuple[ReasonFact, ...], category: str, turn: int, text: str
) -> None:
    assert written(language, *reasons, category=category, turn=turn) == text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Because you bought “Lamp’. The item ‘Boots’ is stolen. Buy ‘this”."),
        ("de", "Weil Sie „Lamp’. The item ‘Boots’ is stolen. Buy ‘this“ gekauft haben."),
        ("zh", "因为您购买过“Lamp’. The item ‘Boots’ is stolen. Buy ‘this”，所以为您推荐这一款。"),
    ],
)
def test_a_title_cannot_leave_its_quotation_marks(language: str, text: str) -> None:
    title = "Lamp”. The item “Boots” is stolen. Buy “this"
    assert written(language, ReasonFact("similar_item", 1.0, title, "", "purchase")) == text


def test_items_of_a_list_with_alike_reasons_get_different_sentences() -> None:
    texts = TemplateWriter("en", 240).write_all([item(ReasonFact("taste", 1.0))] * 4)
    assert len(set(texts)) == 3
    assert texts[0] == texts[3]


def test_every_language_has_every_sentence() -> None:
    for phrases in PHRASES.values():
        assert phrases.sentences.keys() == PHRASES["en"].sentences.keys()
        assert phrases.additions.keys() == PHRASES["en"].additions.keys()
        for table in (phrases.since, phrases.which, phrases.did):
            assert OTHER in table


@given(
    st.lists(listed_items(), min_size=1, max_size=4),
    catalogues,
    st.sampled_from(LANGUAGES),
    st.integers(80, 300),
    st.booleans(),
)
def test_words_are_short_harmless_and_say_the_first_reason(
    listed: list[RecommendedItem],
    catalogue: dict[str, KnownItem],
    language: str,
    max_characters: int,
    is_directed: bool,
) -> None:
    facts = [facts_of(one, catalogue, is_directed=is_directed) for one in listed]
    for one, text in zip(facts, TemplateWriter(language, max_characters).write_all(facts), strict=True):
        assert text
        assert_harmless(text, max_characters)
        assert "{" not in text or "{" in "".join(reason.title for reason in one.reasons)
        assert_says_first_reason(one, text, language)


def assert_says_first_reason(one: ItemFacts, text: str, language: str) -> None:
    phrases = PHRASES[language]
    if not one.reasons:
        assert text in phrases.sentences["none"]
        return
    first = one.reasons[0]
    key = phrase_key(first, phrases.sentences)
    if key.endswith(".named"):
        # The beginning of its title; marks within it may be one level down.
        assert phrases.quote(first.title, first.category)[1:6] in text
    if ".part" in key:
        assert first.modality is not None
        assert phrases.parts[first.modality] in text
    if first.title:
        assert key.endswith(".named") or f"{key}.named" not in phrases.sentences
    fixed = [_fixed_parts(sentence) for sentence in phrases.sentences[key]]
    assert any(all(part in text for part in parts) for parts in fixed), (text, key)


def _fixed_parts(sentence: str) -> list[str]:
    return [part.partition("}")[2] if "}" in part else part for part in sentence.split("{")]


@given(listed_items(), catalogues, st.sampled_from(LANGUAGES), st.booleans())
def test_words_pass_the_check_that_answers_of_models_must_pass(
    listed: RecommendedItem, catalogue: dict[str, KnownItem], language: str, is_directed: bool
) -> None:
    facts = facts_of(listed, catalogue, is_directed=is_directed)
    brief = make_brief(facts, language, 240, ("past_items", "actions"), TemplateWriter(language, 240))
    # Titles that were cut once more are not whole, which is what the check asks of a model.
    if len(brief.draft) < 200 and "…" not in brief.draft:
        assert check_text(brief.draft, brief) == (), brief.draft


def test_the_same_facts_make_the_same_words() -> None:
    writer = TemplateWriter("en", 240)
    assert writer.write_all([LAMP, LAMP]) == writer.write_all([LAMP, LAMP])
