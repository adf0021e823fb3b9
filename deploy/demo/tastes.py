"""What the demo's items are of, and what its simulated people like."""

from __future__ import annotations

from dataclasses import dataclass

# Labels of items, and what the data sets call them.
PHOTOGRAPHS = {
    "dress": "dress",
    "hat": "hat",
    "long-sleeve": "longsleeve",
    "outerwear": "outwear",
    "trousers": "pants",
    "shirt": "shirt",
    "shoes": "shoes",
    "shorts": "shorts",
    "skirt": "skirt",
    "t-shirt": "t-shirt",
}
SOUNDS = {
    "baby-cry": "Baby cry",
    "chainsaw": "Chainsaw",
    "clock-tick": "Clock tick",
    "dog-bark": "Dog bark",
    "fire": "Fire crackling",
    "helicopter": "Helicopter",
    "rain": "Rain",
    "rooster": "Rooster",
    "sea-waves": "Sea waves",
    "sneeze": "Person sneeze",
}


@dataclass(frozen=True, slots=True)
class Taste:
    """What some people like: items with any of these labels."""

    name: str
    labels: tuple[str, str]

    def likes(self, labels: frozenset[str]) -> bool:
        """Whether an item with these labels is to this taste."""
        return not labels.isdisjoint(self.labels)


TASTES = (
    Taste("dog walks", ("shoes", "dog-bark")),
    Taste("rainy days", ("outerwear", "rain")),
    Taste("days at the sea", ("shorts", "sea-waves")),
    Taste("country mornings", ("hat", "rooster")),
    Taste("evenings by the fire", ("long-sleeve", "fire")),
    Taste("office hours", ("shirt", "clock-tick")),
    Taste("dresses and skirts", ("dress", "skirt")),
    Taste("loud machines", ("helicopter", "chainsaw")),
)
NOBODYS = ("t-shirt", "trousers", "baby-cry", "sneeze")
"""Labels of items that are to no taste: they are there to be left out of lists."""
