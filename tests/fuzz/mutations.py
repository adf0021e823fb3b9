"""Broken inputs from well-formed ones, by a seed: the short form, which needs no instrumented interpreter."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

# Lengths and counts are where decoders go wrong.
_NUMBERS = tuple(
    number.to_bytes(size, order)  # type: ignore[arg-type]
    for size in (1, 2, 4, 8)
    for number in (0, 1, (1 << (8 * size - 1)) - 1, 1 << (8 * size - 1), (1 << (8 * size)) - 1)
    for order in ("big", "little")
)


def mutated(seeds: Sequence[bytes], count: int, seed: int, max_bytes: int) -> Iterator[bytes]:
    """Yield ``count`` inputs, each a seed changed in one to four places."""
    source = random.Random(seed)
    for _ in range(count):
        data = bytearray(source.choice(seeds))
        for _ in range(source.randint(1, 4)):
            _change(data, source, seeds)
        yield bytes(data[:max_bytes])


def _change(data: bytearray, source: random.Random, seeds: Sequence[bytes]) -> None:
    at = source.randrange(len(data) + 1)
    end = min(len(data), at + source.choice((1, 2, 4, 16, 256)))
    match source.randrange(6):
        case 0:
            del data[at:end]
        case 1:
            del data[at:]
        case 2:
            data[at:end] = source.randbytes(end - at)
        case 3:
            number = source.choice(_NUMBERS)
            data[at : at + len(number)] = number
        case 4:
            data[at:at] = data[at:end] * source.choice((1, 3, 50))
        case _:
            other = source.choice(seeds)
            cut = source.randrange(len(other) + 1)
            data[at:] = other[cut:]
