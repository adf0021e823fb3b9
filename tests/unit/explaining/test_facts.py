"""Facts of a listed item: what speaks for it, in order, with the titles that are known."""

from __future__ import annotations

from streams.messages import Reason
from tests.unit.explaining.samples import facts_of, known, listed
from workers.explaining.facts import ReasonFact

CATALOGUE = {
    "lamp-1": known("Reading <b>lamp</b>", category="lamp", tags=["brass", "warm"], price=89.0, brand=True),
    "lamp-2": known("Desk lamp", category="lamp"),
}


def test_reasons_come_by_their_part_of_what_speaks_for_the_item() -> None:
    item = listed(
        "lamp-1",
        Reason(kind="popularity", contribution=0.1),
        Reason(kind="bias", contribution=0.5),
        Reason(kind="similar_item", contribution=0.4, item_id="lamp-2", action="click"),
        Reason(kind="content.image", contribution=-0.2, item_id="lamp-2"),
    )
    facts = facts_of(item, CATALOGUE)
    assert facts.reasons == (
        ReasonFact("similar_item", 0.4, "Desk lamp", "lamp", "click"),
        ReasonFact("popularity", 0.1),
    )


def test_of_a_ranker_that_learns_it_is_not_said_in_which_direction_popularity_speaks() -> None:
    item = listed(
        "lamp-1", Reason(kind="popularity", contribution=0.4), Reason(kind="taste", contribution=0.2)
    )
    assert [one.kind for one in facts_of(item, CATALOGUE).reasons] == ["popularity", "taste"]
    learned = facts_of(item, CATALOGUE, is_directed=False)
    assert [one.kind for one in learned.reasons] == ["popularity_signal", "taste"]


def test_a_dotted_kind_says_its_modality() -> None:
    item = listed("lamp-1", Reason(kind="content.image", contribution=1.0, item_id="lamp-2"))
    assert facts_of(item, CATALOGUE).reasons == (
        ReasonFact("content", 1.0, "Desk lamp", "lamp", None, "image"),
    )


def test_moves_that_decide_come_first_and_the_others_last() -> None:
    item = listed(
        "lamp-1",
        Reason(kind="diversity", contribution=0.0),
        Reason(kind="taste", contribution=1.0),
        Reason(kind="exploration", contribution=0.0),
        Reason(kind="cap", contribution=0.0),
    )
    assert [one.kind for one in facts_of(item, CATALOGUE).reasons] == ["exploration", "taste", "diversity"]


def test_attributes_are_those_allowed_as_clean_words() -> None:
    facts = facts_of(listed("lamp-1"), CATALOGUE)
    assert facts.title == "Reading lamp"
    assert facts.category == "lamp"
    assert facts.attributes == {"category": ("lamp",), "tags": ("brass", "warm")}
    assert facts_of(listed("lamp-1"), CATALOGUE, ("price",)).attributes == {"price": ("89",)}


def test_what_is_not_known_has_no_title() -> None:
    facts = facts_of(listed("gone", Reason(kind="similar_item", contribution=1.0, item_id="gone-2")), {})
    assert (facts.title, facts.attributes) == ("", {})
    assert facts.reasons == (ReasonFact("similar_item", 1.0),)
