"""The error tree of ``models``, by cause.

::

    ModelError
    ├── ManifestError            a manifest or its files are wrong: the installation must be mended
    │   ├── UnknownEncoderError      no registered folder holds an encoder of this name
    │   ├── GraphError               the ONNX file is not what its manifest says, or may not be loaded
    │   └── CanaryError              a model loads, and computes something else than it should
    ├── BatchError               some rows of a batch cannot be encoded
    │   ├── EncoderInputError        an argument is outside what the encoder's interface allows
    │   └── EncoderOutputError       the network failed on this input, or gave a vector that is not finite
    ├── MediaUnreadableError     no decoder could read the media
    ├── MediaTooLargeError       over a limit on bytes, pixels, seconds or frames
    ├── DimensionError           vectors or weights whose dimensions do not fit together
    ├── ProfileStateError        a stored profile cannot be read
    ├── EvaluationInputError     figures to evaluate do not fit together, or are out of their bounds
    ├── ListQueryError           a list was asked for in a way that cannot be answered
    ├── DatasetError             a data set to evaluate on is not there, or a line of it is wrong
    ├── SettingError             what steers a model is out of its bounds, or cannot be had here
    ├── ExportError              a model cannot be made an encoder, or its export is not faithful
    └── TrainingError            a training run cannot start or did not reach a usable result

Each carries a message for a person in ``detail``: what was wrong, where, and what to do.
``models`` stands alone, so callers translate these causes into their own: a dead-letter reason, an exit code.
"""

from __future__ import annotations


class ModelError(Exception):
    """Base of everything that ``models`` raises on purpose."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ManifestError(ModelError):
    """An encoder's manifest, or a file it names, is wrong. The message says what to change."""


class UnknownEncoderError(ManifestError):
    """No folder that was given holds an encoder of this name."""


class GraphError(ManifestError):
    """An ONNX graph differs from its manifest, or uses what Freshet does not load."""


class CanaryError(ManifestError):
    """A model loads, and computes something else than its manifest states, or nothing of use."""


class BatchError(ModelError):
    """Some rows of a batch cannot be encoded.

    ``rows`` are their indexes within the batch, so that a caller can leave them out and encode the rest;
    empty where the batch as a whole is wrong.
    """

    def __init__(self, detail: str, rows: tuple[int, ...] = ()) -> None:
        super().__init__(detail)
        self.rows = rows


class EncoderInputError(BatchError):
    """An encoder was given something that its interface does not allow: a wrong shape or dtype."""


class EncoderOutputError(BatchError):
    """A network failed on an input, or its vector is not finite."""


class MediaUnreadableError(ModelError):
    """Media that no decoder could read."""


class MediaTooLargeError(ModelError):
    """Media over a limit on bytes, pixels, seconds or frames."""


class DimensionError(ModelError):
    """Vectors or weights whose dimensions do not fit together. The message states the shapes."""


class ProfileStateError(ModelError):
    """A stored profile that cannot be read: truncated, or written by something else."""


class ListQueryError(ModelError):
    """A list asked for in a way that cannot be answered: a count or a filter out of bounds."""


class EvaluationInputError(ModelError):
    """Figures to evaluate that do not fit together, or are out of their bounds. The message says which."""


class SettingError(ModelError):
    """What steers a model is out of its bounds, or cannot be had here. The message names it."""


class DatasetError(ModelError):
    """A data set that is not there, or cannot be read. The message names the file, and the line."""


class ExportError(ModelError):
    """A model that cannot be made an encoder, or whose ONNX graph gives other vectors than it does."""


class TrainingError(ModelError):
    """A training run cannot start, or did not reach a usable result."""
