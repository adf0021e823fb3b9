"""Titles to learn from. Those of the demo's catalogue are left out: it is what the model is tried on."""

from __future__ import annotations

import random
from functools import cache
from typing import Final

from deploy.demo.catalogue import load_catalogue
from deploy.demo.words import WORDS, title


def word_list(words: str) -> tuple[str, ...]:
    """Words that are separated by white space, in their order."""
    return tuple(words.split())


_FORMS: Final = ("picture", "sound", "both", "film", "read")
_DESCRIBING: Final = word_list(
    """
amber autumn big blue brass bright broken brown calm cedar clear cold copper crimson dark deep distant double
early eastern empty evening fair first five foggy forest forgotten four frozen gentle glass golden grand green
hidden high hollow iron ivory late lonely long lost low midnight modern morning mountain narrow new northern
oak old open pale paper plain proud quick quiet red river round royal rustic salt second secret shallow silent
silver simple slow small soft southern spring steady steep stone strange summer tall third thousand three tiny
twin two velvet warm western white wild winter wooden young
"""
)
_NAMING: Final = word_list(
    """
alarm apple arch atlas attic barn basket bay bell bench bicycle bird boat book bottle bowl bridge brush cabin
camera candle canyon carpet castle chair chant city clay cloud coast coffee compass corner cup curtain dance
desert desk door dream drum echo engine feather fence field film fish flame flute forest garden gate ghost
guitar harbour harvest hill horse house island jar journey kettle key kitchen ladder lake lamp lantern leaf
letter light lion map market meadow mirror moon museum needle night notebook ocean orchard owl page painter
path pencil phone piano pillow pocket pond poster radio rain river road robot roof room rope rose saddle sail
school shadow shelf ship shore song spoon stair star station storm story street table teapot tent theatre
thread tower train tree tunnel valley violin voice wagon wall watch water wave wheel wind window wolf yard
"""
)
_SYLLABLES: Final = word_list(
    """
ba be bo bri ca ce cho da de dro du el en fa fe fi ga ge gri ha he ho in ja jo ka ke ki la le lo lu ma me mi
mo na ne ni no or pa pe po qua ra re ri ro sa se shi so sta ta te ti to tra un va ve vi wa we xi ya ye yo za
"""
)


@cache
def held_out_titles() -> frozenset[str]:
    """Every title of the demo's catalogue."""
    catalogue = load_catalogue()
    return frozenset(item.title for item in (*catalogue.items, *catalogue.new_items))


def training_title(chance: random.Random) -> str:
    """A title that the demo's catalogue has not: of its kind, of plain words, or of made-up ones."""
    while True:
        kind = chance.random()
        found = _demo_like(chance) if kind < 0.4 else _plain(chance) if kind < 0.7 else _made_up(chance)
        if found not in held_out_titles():
            return found


def unseen_title(chance: random.Random) -> str:
    """A title of made-up words alone, as few of the training's have."""
    return _capital(" ".join(_word(chance) for _ in range(chance.randint(1, 4))))


def training_values(chance: random.Random) -> tuple[str, ...]:
    """Values of an attribute: labels of the demo, or other words."""
    labels = [*WORDS, chance.choice(_NAMING), _word(chance)]
    return tuple(dict.fromkeys(chance.choice(labels) for _ in range(chance.choice((1, 1, 1, 2)))))


def _demo_like(chance: random.Random) -> str:
    form = chance.choice(_FORMS)
    count = 1 if form in ("picture", "sound", "read") else 2
    return title(form, tuple(chance.sample(list(WORDS), count)), chance)


def _plain(chance: random.Random) -> str:
    words = [chance.choice(_DESCRIBING), chance.choice(_NAMING)]
    match chance.randrange(6):
        case 0:
            words.append(f"and {chance.choice(_NAMING)}")
        case 1:
            words = [f"The {words[0]}", words[1], f"of the {chance.choice(_NAMING)}"]
        case 2:
            words[-1] += f": {chance.choice(_DESCRIBING)} {chance.choice(_NAMING)}"
        case 3:
            words.append(str(chance.randrange(1, 2_050)))
        case 4:
            words[-1] += f" ({chance.randrange(1_920, 2_030)})"
    return _capital(" ".join(words))


def _made_up(chance: random.Random) -> str:
    words = [
        _word(chance) if chance.random() < 0.7 else chance.choice(_NAMING)
        for _ in range(chance.randint(1, 5))
    ]
    text = " ".join(_capital(word) if chance.random() < 0.4 else word for word in words)
    return _capital(text)


def _word(chance: random.Random) -> str:
    return "".join(chance.choice(_SYLLABLES) for _ in range(chance.randint(1, 4)))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
