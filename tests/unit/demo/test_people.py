"""Simulated people: deterministic, and true to their taste as far as their rates say."""

from collections import Counter

from deploy.demo.tastes import TASTES, Taste
from workers.demo.people import ERRS, TAKES, TURNS_DOWN, Person, crowd

TASTE = Taste("cats and birds", ("cat", "bird"))
SHELVES = {f"cat-{n}": frozenset({"cat"}) for n in range(20)} | {
    f"stone-{n}": frozenset({"stone"}) for n in range(180)
}
CATS = [item_id for item_id in SHELVES if item_id.startswith("cat")]
STONES = [item_id for item_id in SHELVES if item_id.startswith("stone")]


def test_the_same_seed_and_lists_give_the_same_acts() -> None:
    one, same, other = (Person("ana", TASTE, seed) for seed in (1, 1, 2))
    acts = [[person.act(CATS, SHELVES) for _ in range(15)] for person in (one, same, other)]
    assert acts[0] == acts[1]
    assert acts[0] != acts[2]


def test_two_people_with_one_seed_differ() -> None:
    ana, ben = Person("ana", TASTE, 1), Person("ben", TASTE, 1)
    assert [ana.act(CATS, SHELVES) for _ in range(10)] != [ben.act(CATS, SHELVES) for _ in range(10)]


def test_what_is_liked_is_taken_at_the_stated_rate() -> None:
    actions = Counter(Person(f"p{n}", TASTE, 3).act(["cat-1"], SHELVES).action for n in range(4_000))
    # A tenth looks at the shelves, where a tenth is cats.
    assert abs((actions["click"] + actions["like"]) / 4_000 - 0.9 * TAKES - 0.1 * 0.6) < 0.05
    assert actions["like"] > 0


def test_what_is_not_liked_is_turned_down_or_clicked_by_mistake_now_and_then() -> None:
    acts = [Person(f"p{n}", TASTE, 3).act(["stone-1"], SHELVES) for n in range(8_000)]
    from_list = [act for act in acts if act.from_list]
    actions = Counter(act.action for act in from_list)
    assert abs(actions["skip"] / len(from_list) - TURNS_DOWN) < 0.02
    assert abs(actions["click"] / len(from_list) - ERRS) < 0.015
    assert actions["view"] > 0.8 * len(from_list)


def test_no_item_is_acted_on_twice_but_for_a_look() -> None:
    person = Person("ana", TASTE, 5)
    acted = [act.item_id for act in (person.act(CATS, SHELVES) for _ in range(200)) if act.action != "view"]
    assert len(acted) == len(set(acted)) > 5


def test_without_a_list_they_browse() -> None:
    acts = [Person(f"p{n}", TASTE, 1).act([], SHELVES) for n in range(50)]
    assert not any(act.from_list for act in acts)
    assert {act.item_id for act in acts} <= set(SHELVES)


def test_an_item_that_is_not_on_the_shelves_yet_is_not_liked() -> None:
    person = Person("ana", TASTE, 1)
    assert person.act(["cat-unheard-of"], SHELVES).action in ("view", "skip", "click", "like")
    taken = [Person(f"p{n}", TASTE, 1).act(["cat-unheard-of"], SHELVES) for n in range(200)]
    assert sum(act.item_id == "cat-unheard-of" and act.action == "like" for act in taken) == 0


def test_only_the_first_ten_of_a_list_are_looked_at() -> None:
    shown = [*STONES[:10], *CATS]
    acts = [Person(f"p{n}", TASTE, 1).act(shown, SHELVES) for n in range(300)]
    assert {act.item_id for act in acts if act.from_list} <= set(STONES[:10])


def test_a_crowd_has_people_of_every_taste_under_names_of_their_own() -> None:
    people = crowd(7)
    assert len({person.user_id for person in people}) == len(people) == 6 * len(TASTES)
    assert set(Counter(person.taste for person in people).values()) == {6}
    many = crowd(7, people_per_taste=20)
    assert len({person.user_id for person in many}) == 160


def test_thinking_takes_about_the_mean() -> None:
    person = Person("ana", TASTE, 1)
    times = [person.think_s(2.0) for _ in range(1_000)]
    assert all(1.0 <= time <= 3.0 for time in times)
    assert abs(sum(times) / 1_000 - 2.0) < 0.1
