"""Titles and descriptions, from templates over an item's labels: varied, and no more than is known."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """How to speak of a label: ``one`` thing with its article, the ``kind`` in general, and about it."""

    one: str
    kind: str
    about: tuple[str, str, str]


WORDS = {
    "dress": Words(
        "a dress",
        "dresses",
        ("One garment from shoulder to hem.", "Worn alone or with a belt.", "For a party or for every day."),
    ),
    "hat": Words(
        "a hat",
        "hats",
        ("Headwear against sun and wind.", "Caps, beanies and brims.", "The last thing before the door."),
    ),
    "long-sleeve": Words(
        "a long-sleeved top",
        "long-sleeved tops",
        ("A sweater or pullover down to the wrists.", "Warm arms on cool evenings.", "Knitwear and jerseys."),
    ),
    "outerwear": Words(
        "a jacket or coat",
        "jackets and coats",
        ("Outerwear for wind and weather.", "The layer over all others.", "With a zip or with buttons."),
    ),
    "trousers": Words(
        "a pair of trousers",
        "trousers",
        ("Pants and jeans down to the ankle.", "Two legs and a waistband.", "Denim, cotton or wool."),
    ),
    "shirt": Words(
        "a shirt",
        "shirts",
        ("With a collar and a row of buttons.", "Ironed for the office.", "Shirts and blouses."),
    ),
    "shoes": Words(
        "a pair of shoes",
        "shoes",
        ("Footwear, left and right.", "Sneakers, boots and sandals.", "For the way there and back."),
    ),
    "shorts": Words(
        "a pair of shorts",
        "shorts",
        ("They end above the knee.", "For hot days and bare legs.", "Summer trousers, cut short."),
    ),
    "skirt": Words(
        "a skirt",
        "skirts",
        ("From the waist downwards.", "Pleated, straight or flared.", "It goes with any top."),
    ),
    "t-shirt": Words(
        "a T-shirt",
        "T-shirts",
        ("Short sleeves, no collar.", "Plain or printed cotton.", "A tee for any day."),
    ),
    "baby-cry": Words(
        "a crying baby",
        "crying babies",
        ("An infant that wants something.", "Loud, from a small person.", "Every parent knows it."),
    ),
    "chainsaw": Words(
        "a chainsaw",
        "chainsaws",
        ("A motor saw at work.", "Two-stroke engine and chain.", "Heard from the edge of the wood."),
    ),
    "clock-tick": Words(
        "a ticking clock",
        "ticking clocks",
        ("Tick after tick.", "A clockwork that counts the seconds.", "The sound of a quiet office."),
    ),
    "dog-bark": Words(
        "a barking dog",
        "barking dogs",
        ("A dog has noticed something.", "Man's best friend, at full voice.", "Bark after bark."),
    ),
    "fire": Words(
        "a crackling fire",
        "crackling fires",
        ("Wood burning in the hearth.", "Flames and sparks.", "Made for a cold evening."),
    ),
    "helicopter": Words(
        "a helicopter",
        "helicopters",
        ("Rotor blades overhead.", "An aircraft that can stand still.", "It passes, and is gone."),
    ),
    "rain": Words(
        "falling rain",
        "rain",
        ("Drops on roofs and leaves.", "Wet weather, heard from inside.", "A steady shower."),
    ),
    "rooster": Words(
        "a crowing rooster",
        "roosters",
        ("A cock crows at dawn.", "The alarm clock of the farm.", "From the hen house."),
    ),
    "sea-waves": Words(
        "waves of the sea",
        "sea waves",
        ("Surf on the beach.", "The ocean comes and goes.", "Water over sand and stones."),
    ),
    "sneeze": Words(
        "somebody who sneezes",
        "sneezes",
        ("Bless you.", "It comes without a warning.", "A nose and a tickle."),
    ),
}

_PICTURE = (
    "{One}, photographed at home",
    "Photograph of {one}",
    "{One} from somebody's wardrobe",
    "Second-hand: {one}",
    "{One} laid out for a picture",
)
_SOUND = (
    "The sound of {one}",
    "Field recording: {one}",
    "Listen: {one}",
    "{One}, recorded on the spot",
    "Five seconds of {one}",
)
_BOTH = ("{One}, and {other}", "{One} with the sound of {other}", "Picture and sound: {one}, {other}")
_FILM = ("Short film: {one}", "{One} in a few seconds", "A film of {kind}")
_FILM_BOTH = ("Short film: {one}, {other}", "{One} and {other}, a film", "A film of {kind} with {other}")
_READ = (
    "A few words on {kind}",
    "In praise of {kind}",
    "What to know about {kind}",
    "{Kind}: a short note",
    "A reader's guide to {kind}",
)
_FORMS = {"picture": _PICTURE, "sound": _SOUND, "both": _BOTH, "film": _FILM, "read": _READ}


def title(form: str, labels: tuple[str, ...], rng: random.Random) -> str:
    """A title. ``form``: picture, sound, both, film or read; ``labels``: what it is of, at most two."""
    first, other = WORDS[labels[0]], WORDS[labels[-1]]
    forms = _FILM_BOTH if form == "film" and len(labels) == 2 else _FORMS[form]
    filled = rng.choice(forms).format(
        one=first.one, One=_capital(first.one), kind=first.kind, Kind=_capital(first.kind), other=other.one
    )
    return _capital(filled)


def description(labels: tuple[str, ...], rng: random.Random) -> str:
    """Two sentences about each label."""
    return " ".join(sentence for label in labels for sentence in rng.sample(WORDS[label].about, 2))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
