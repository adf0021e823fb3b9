"""The error tree, by cause.

::

    FreshetError
    ├── BadInputError            a message, a media file or a request that is wrong: dead letter, at once
    │   ├── MalformedError           not decodable at all
    │   ├── InvalidError             decodable, but against the contract
    │   ├── KeyMismatchError         the Kafka key differs from the id in the value
    │   ├── UnknownEncoderError      a caller's vector names an encoder that is not in use
    │   ├── MediaUnreadableError     the media cannot be decoded
    │   ├── MediaTooLargeError       over a limit on bytes, pixels, seconds or frames
    │   ├── UriNotAllowedError       outside the configured roots, hosts, schemes or addresses
    │   ├── UriUnreachableError      allowed, but not to be had within the deadline
    │   ├── DecoderCrashedError      the child process that decoded it died or ran out of time
    │   └── ModelFailedError         the network failed on this input
    ├── ModelRefusedError        a bundle of a model must not serve; what serves goes on
    ├── ConfigurationError       a setting, a manifest or an installation is wrong: stop and say what to do
    ├── DependencyDownError      Kafka, Redis or storage does not answer: pause and retry, no dead letter
    └── DefectError              Freshet itself is wrong: please report

Each carries a message for a person: what was wrong, where, and what to do.
"""

from __future__ import annotations

from typing import ClassVar, Literal

DeadLetterReason = Literal[
    "malformed",
    "invalid",
    "key_mismatch",
    "unknown_encoder",
    "media_unreadable",
    "media_too_large",
    "uri_not_allowed",
    "uri_unreachable",
    "decoder_crashed",
    "model_failed",
]


class FreshetError(Exception):
    """Base of everything that Freshet raises on purpose."""


class BadInputError(FreshetError):
    """An input that can never be processed as it is. ``reason`` is the contract's dead-letter reason."""

    reason: ClassVar[DeadLetterReason] = "invalid"

    def __init__(self, detail: str, *, attempts: int = 1) -> None:
        super().__init__(detail)
        self.detail = detail
        self.attempts = attempts


class MalformedError(BadInputError):
    """The bytes are not decodable: broken JSON, not UTF-8, nested too deeply."""

    reason = "malformed"


class InvalidError(BadInputError):
    """Decodable, but a field is missing, of the wrong type, or out of its range."""

    reason = "invalid"


class KeyMismatchError(BadInputError):
    """The Kafka key is not the id that the value names."""

    reason = "key_mismatch"


class UnknownEncoderError(BadInputError):
    """A caller-supplied vector names an encoder that this deployment does not use."""

    reason = "unknown_encoder"


class MediaUnreadableError(BadInputError):
    """Media that no decoder could read."""

    reason = "media_unreadable"


class MediaTooLargeError(BadInputError):
    """Media over a limit on bytes, pixels, seconds or frames."""

    reason = "media_too_large"


class UriNotAllowedError(BadInputError):
    """A URI that settings forbid."""

    reason = "uri_not_allowed"


class UriUnreachableError(BadInputError):
    """A URI that is allowed but did not answer within its deadline."""

    reason = "uri_unreachable"


class DecoderCrashedError(BadInputError):
    """The child process that decoded this input died, or was ended at its limit."""

    reason = "decoder_crashed"


class ModelFailedError(BadInputError):
    """The network raised on this input, or gave a vector that is not finite."""

    reason = "model_failed"


class ModelRefusedError(FreshetError):
    """A bundle of a model must not serve. The message says what is wrong with it."""


class ConfigurationError(FreshetError):
    """A setting, a manifest or an installation is wrong. The message says what to change."""


class DependencyDownError(FreshetError):
    """Kafka, Redis or storage does not answer. Work pauses and is tried again."""


class DefectError(FreshetError):
    """A defect of Freshet: an invariant does not hold."""
