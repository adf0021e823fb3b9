"""How much of a media file is decoded at most."""

from __future__ import annotations

import time
from dataclasses import dataclass

from models.errors import MediaTooLargeError

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Bounds on one media file. Over a bound on bytes, pixels or time is refused.

    Sound and video beyond ``max_seconds`` are not decoded, so that an endless stream ends.

    Attributes:
        max_bytes: size of the encoded file.
        max_pixels: width times height of an image, or of one frame of a video.
        max_seconds: how much of a sound or a video is taken, from its start.
        max_frames: video frames that may be decoded, those skipped on the way to a sampled one included.
        deadline_s: time that decoding may take, on the clock. It is looked at between frames and packets;
            a hard limit needs a process to kill.
    """

    max_bytes: int = 20 * MEBIBYTE
    max_pixels: int = 50_000_000
    max_seconds: float = 30.0
    max_frames: int = 2_000
    deadline_s: float = 15.0

    def check_bytes(self, data: bytes) -> None:
        """Refuses an encoded file that is too large.

        Raises:
            MediaTooLargeError: ``data`` is over ``max_bytes``.
        """
        if len(data) > self.max_bytes:
            raise MediaTooLargeError(f"{len(data):,} bytes, over the limit of {self.max_bytes:,} bytes")

    def check_pixels(self, width: int, height: int) -> None:
        """Refuses an image or a video frame that is too large.

        Raises:
            MediaTooLargeError: ``width * height`` is over ``max_pixels``.
        """
        if width * height > self.max_pixels:
            raise MediaTooLargeError(
                f"{width}×{height} pixels, over the limit of {self.max_pixels:,} pixels in all"
            )

    def start(self) -> Deadline:
        """The deadline of a decoding that starts now."""
        return Deadline(self.deadline_s, time.monotonic() + self.deadline_s)


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a decoding must be over, in seconds of ``time.monotonic``."""

    deadline_s: float
    ends_at_s: float

    def check(self) -> None:
        """Refuses to go on after the deadline.

        Raises:
            MediaTooLargeError: the time is up.
        """
        if time.monotonic() > self.ends_at_s:
            raise MediaTooLargeError(f"decoding takes longer than {self.deadline_s:g} s")
