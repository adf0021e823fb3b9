"""Simulated people: deterministic, and true to their taste as far as their rates say."""

from collections import Counter

from deploy.demo.tastes import TASTES, Taste
from workers.demo.people import BROWSES, ERRS, LOOKS_AROUND, TAKES, Person, crowd

TASTE = Taste("cats and birds", ("cat", "bird"))
SHELVES = {f"cat-{n}": frozenset({"cat"}) for n in range(20)} | {
    f"stone-{n}": frozenset({"stone"}) for n in range(180)
}
CATS = [item_id for item_id in SHELVES if item_id.startswith("cat")]
STONES = [item_id for item_id in SHELVES if item_id.startswith("stone")]


def warm(user_id: str = "ana", seed: int = 1) -> Person:
    """Somebody who has looked around, and has met nothing of what the tests show."""
    person = Person(user_id, TASTE, seed)
    for _ in range(LOOKS_AROUND):
        person.act([], {"old": frozenset({"stone"})})
    return person


def test_the_same_seed_and_lists_give_the_same_acts() -> None:
    one, same, other = (Person("ana", TASTE, seed) for seed in (1, 1, 2))
    acts = [[person.act(CATS, SHELVES) for _ in range(15)] for person in (one, same, other)]
    assert acts[0] == acts[1]
    assert acts[0] != acts[2]


def test_two_people_with_one_seed_differ() -> None:
    ana, ben = Person("ana", TASTE, 1), Person("ben", TASTE, 1)
    assert [ana.act(CATS, SHELVES) for _ in range(10)] != [ben.act(CATS, SHELVES) for _ in range(10)]


def test_at_first_they_look_around_whatever_they_are_shown() -> None:
    person = Person("ana", TASTE, 1)
    acts = [person.act(CATS, SHELVES) for _ in range(LOOKS_AROUND + 20)]
    assert not any(act.from_list for act in acts[:LOOKS_AROUND])
    assert any(act.from_list for act in acts[LOOKS_AROUND:])


def test_without_a_list_they_browse() -> None:
    acts = [warm(f"p{n}").act([], SHELVES) for n in range(50)]
    assert not any(act.from_list for act in acts)
    assert {act.item_id for act in acts} <= set(SHELVES)


def test_what_is_liked_is_taken_at_the_stated_rate() -> None:
    acts = [warm(f"p{n}").act(["cat-1"], SHELVES) for n in range(4_000)]
    taken = [act for act in acts if act.item_id == "cat-1" and act.action in ("click", "like")]
    assert abs(len(taken) / 4_000 - (1 - BROWSES) * TAKES) < 0.04
    assert {act.action for act in taken} == {"click", "like"}


def test_what_is_not_liked_is_turned_down_and_clicked_by_mistake_now_and_then() -> None:
    stones = {item_id: SHELVES[item_id] for item_id in STONES}
    acts = [warm(f"p{n}").act(STONES[:1], stones) for n in range(6_000)]
    from_list = [act for act in acts if act.from_list]
    errors = sum(act.action == "click" for act in from_list)
    assert 0 < errors / len(acts) < 2 * ERRS
    # Where the shelves have nothing either, what they were shown goes.
    assert all(act.action in ("click", "skip") for act in from_list)
    assert len(from_list) > 0.25 * len(acts)


def test_a_list_of_what_they_know_already_is_not_turned_down() -> None:
    person = warm()
    acts = [person.act(["cat-1"], {"cat-1": frozenset({"cat"})}) for _ in range(30)]
    assert "skip" not in {act.action for act in acts}
    assert acts[-1].action == "view"


def test_no_item_is_acted_on_twice_but_for_a_look() -> None:
    person = Person("ana", TASTE, 5)
    acted = [act.item_id for act in (person.act(CATS, SHELVES) for _ in range(200)) if act.action != "view"]
    assert len(acted) == len(set(acted)) > 5


def test_an_item_that_is_not_on_the_shelves_yet_is_not_liked() -> None:
    acts = [warm(f"p{n}").act(["cat-unheard-of"], SHELVES) for n in range(200)]
    assert not any(act.item_id == "cat-unheard-of" and act.action == "like" for act in acts)


def test_only_the_first_ten_of_a_list_are_looked_at() -> None:
    shown = [*STONES[:10], *CATS]
    acts = [warm(f"p{n}").act(shown, SHELVES) for n in range(300)]
    from_list = {act.item_id for act in acts if act.from_list}
    assert from_list
    assert from_list <= set(STONES[:10])


def test_a_crowd_has_people_of_every_taste_under_names_of_their_own() -> None:
    people = crowd(7)
    assert len({person.user_id for person in people}) == len(people) == 8 * len(TASTES)
    assert set(Counter(person.taste for person in people).values()) == {8}
    many = crowd(7, people_per_taste=20)
    assert len({person.user_id for person in many}) == 160


def test_thinking_takes_about_the_mean() -> None:
    person = Person("ana", TASTE, 1)
    times = [person.think_s(2.0) for _ in range(1_000)]
    assert all(1.0 <= time <= 3.0 for time in times)
    assert abs(sum(times) / 1_000 - 2.0) < 0.1
