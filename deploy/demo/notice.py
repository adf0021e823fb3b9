"""The NOTICE beside the catalogue: whose photographs and sounds these are, and what was changed."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.demo.sources import ClipCredit

_HEAD = """\
Photographs and sounds of the demo catalogue
============================================

Photographs (media/*.jpg, and the pictures in media/*.webm) are from `clothing-dataset-small` by Alexey
Grigorev and contributors (https://github.com/alexeygrigorev/clothing-dataset-small), dedicated to the public
domain under CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/). They were made smaller (at most
160 px a side) and encoded again as JPEG, without metadata.

Sounds (media/*.ogg, and the sound in media/*.webm) are from ESC-10, a part of "ESC: Dataset for Environmental
Sound Classification" by Karol J. Piczak (https://github.com/karolpiczak/ESC-10,
https://doi.org/10.7910/DVN/YDEPUT), licensed under Creative Commons Attribution 3.0 Unported
(https://creativecommons.org/licenses/by/3.0/). Changes: resampled from 44.1 to 16 kHz, encoded again as Opus,
cut to five seconds where longer, and for films to four and combined with photographs.

Films (media/*.webm) show photographs one after the other, with a clip as their sound.

Titles, descriptions, prices and dates are invented.

The clips, each with what it is derived from, as the set's README states it:

"""


def notice(credits_by_file: Mapping[str, ClipCredit]) -> str:
    """The text, with a line for each shipped file that has a clip in it."""
    lines = [
        f'{file}: ESC-10 {credit.file}, from "{credit.title}" by {credit.author} ({credit.licence}), '
        f"{credit.url}"
        for file, credit in sorted(credits_by_file.items())
    ]
    return _HEAD + "\n".join(lines) + "\n"
