"""The 8-byte hash by which profiles and the index know an id."""

from __future__ import annotations

from hashlib import blake2b

HASH_BYTES = 8


def hash64(text: str) -> bytes:
    """BLAKE2b of the UTF-8 text, 8 bytes; two of 10⁶ ids collide with probability 3e-8.

    Read as a number it is little-endian, whatever the machine: ``numpy.frombuffer(h, "<u8")``.
    """
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()


def contains_hash(packed: bytes | bytearray, digest: bytes) -> bool:
    """Whether ``digest`` is one of the 8-byte hashes packed end to end in ``packed``."""
    position = packed.find(digest)
    while position != -1:
        if position % HASH_BYTES == 0:
            return True
        position = packed.find(digest, position + 1)
    return False
