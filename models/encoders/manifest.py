"""What an encoder's ``manifest.json`` says, and how it is read.

One folder is one encoder: its manifest, and beside it the ONNX files (and the tokenizer) that the manifest
names. Unknown fields are ignored, so that a newer manifest still loads.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from models.errors import ManifestError

MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 4 << 20

Modality = Literal["text", "image", "audio", "video"]
MODALITIES: tuple[Modality, ...] = ("text", "image", "audio", "video")

PlainFileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
EncoderName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Positive = Annotated[int, Meta(ge=1)]
NonEmpty = Annotated[str, Meta(min_length=1)]
Three = tuple[float, float, float]


class FileEntry(Struct, frozen=True, kw_only=True):
    """A file beside the manifest. ``file`` is a plain name: nothing outside the folder can be named."""

    file: PlainFileName
    sha256: Sha256
    size_bytes: Positive


class GraphEntry(FileEntry, frozen=True, kw_only=True):
    """One ONNX graph: the opset of its default domain, the names of its inputs and of the output to read."""

    opset: Positive
    inputs: Annotated[tuple[NonEmpty, ...], Meta(min_length=1, max_length=3)]
    output: NonEmpty


class Measurement(Struct, frozen=True, kw_only=True):
    """A measured figure: its value, the data set and part it was measured on, and how."""

    value: float
    dataset: NonEmpty
    method: str = ""


class TrainingData(Struct, frozen=True, kw_only=True):
    """Data that the weights have seen: which part of which set, under which licence."""

    dataset: NonEmpty
    part: NonEmpty
    licence: NonEmpty
    notice: str = ""


class TextPreprocessing(Struct, frozen=True, kw_only=True):
    """How cleaned text becomes token ids (int64 ``[n, tokens]``).

    ``graph.inputs`` are the names of the ids, of the attention mask and of the token types, in this order;
    the last two may be absent. ``pooling`` says what the graph leaves to do: ``none`` for an output
    ``[n, d]``, ``mean`` (over the attention mask) or ``first`` for an output ``[n, tokens, d]``.
    ``prefix`` is put before every text, where the network was trained with one.
    """

    tokenizer: FileEntry
    max_tokens: Annotated[int, Meta(ge=1, le=8192)] = 512
    special_tokens: bool = True
    prefix: Annotated[str, Meta(max_length=256)] = ""
    pooling: Literal["none", "mean", "first"] = "none"


class ImagePreprocessing(Struct, frozen=True, kw_only=True):
    """What the graph expects of an RGB image of ``size_px`` x ``size_px`` pixels.

    With ``dtype`` float32 a pixel is scaled to [0, 1], then ``(x - mean) / std`` per channel.
    ``fit`` is how a photograph comes to be square: ``stretch`` it, ``crop`` its centre, or ``pad`` it.
    """

    size_px: Annotated[int, Meta(ge=1, le=2048)]
    layout: Literal["nhwc", "nchw"] = "nchw"
    dtype: Literal["uint8", "float32"] = "float32"
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)
    fit: Literal["stretch", "crop", "pad"] = "stretch"


class AudioPreprocessing(Struct, frozen=True, kw_only=True):
    """How mono sound in [-1, 1] is cut for the first graph; the clip's vector is the mean over its windows.

    A clip shorter than a window is padded with silence; what is left over at the end is a window of its own
    where it fills at least half of one. At most ``max_windows``, evenly spaced over the clip, are encoded.
    """

    sample_rate_hz: Annotated[int, Meta(ge=1000, le=192_000)] = 16_000
    window_samples: Annotated[int, Meta(ge=1, le=19_200_000)]
    hop_samples: Positive
    max_windows: Positive = 240


class VideoPreprocessing(Struct, frozen=True, kw_only=True):
    """A video is ``frames`` frames sampled over its length, for the image encoder, and its sound track."""

    image_encoder: EncoderName
    audio_encoder: EncoderName
    frames: Annotated[int, Meta(ge=1, le=256)] = 8


class EncoderManifest(Struct, frozen=True, kw_only=True, tag_field="modality"):
    """What every modality's manifest states.

    ``output_mean`` (``dimension`` numbers) is subtracted from the graph's output before it is brought to unit
    length; graphs that centre their own output leave it out. Raises ``ValueError`` from msgspec where a field
    is out of its range.
    """

    modality: ClassVar[Modality]

    name: EncoderName
    dimension: Annotated[int, Meta(ge=1, le=8192)]
    source: NonEmpty
    licence: NonEmpty
    description: str = ""
    notice: str = ""
    output_mean: tuple[float, ...] = ()
    quality: dict[str, Measurement] = {}
    trained_on: tuple[TrainingData, ...] = ()

    def __post_init__(self) -> None:
        if self.output_mean and len(self.output_mean) != self.dimension:
            raise ValueError(
                f"`output_mean` has {len(self.output_mean)} numbers, `dimension` is {self.dimension}"
            )

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Every file that must lie beside the manifest."""
        return ()


class TextManifest(EncoderManifest, frozen=True, kw_only=True, tag="text"):
    """A text encoder: a tokenizer and one graph."""

    modality: ClassVar[Modality] = "text"

    graph: GraphEntry
    preprocessing: TextPreprocessing

    @property
    def files(self) -> tuple[FileEntry, ...]:
        return (self.graph, self.preprocessing.tokenizer)


class ImageManifest(EncoderManifest, frozen=True, kw_only=True, tag="image"):
    """An image encoder: one graph with one input."""

    modality: ClassVar[Modality] = "image"

    graph: GraphEntry
    preprocessing: ImagePreprocessing

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_inputs(self.graph, 1)

    @property
    def files(self) -> tuple[FileEntry, ...]:
        return (self.graph,)


class AudioManifest(EncoderManifest, frozen=True, kw_only=True, tag="audio"):
    """An audio encoder: one or more graphs, each fed by the one before, the first by windows of samples."""

    modality: ClassVar[Modality] = "audio"

    graphs: Annotated[tuple[GraphEntry, ...], Meta(min_length=1, max_length=4)]
    preprocessing: AudioPreprocessing

    def __post_init__(self) -> None:
        super().__post_init__()
        for graph in self.graphs:
            _require_inputs(graph, 1)

    @property
    def files(self) -> tuple[FileEntry, ...]:
        return self.graphs


class VideoManifest(EncoderManifest, frozen=True, kw_only=True, tag="video"):
    """A composite of an image and an audio encoder.

    ``pooling`` is the graph that weighs the frames (see ``models.encoders.frame_weights``); its inputs are
    the frames' vectors and which of them are there, in this order. Without it all frames count alike.
    """

    modality: ClassVar[Modality] = "video"

    pooling: GraphEntry | None = None
    preprocessing: VideoPreprocessing

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pooling:
            _require_inputs(self.pooling, 2)

    @property
    def files(self) -> tuple[FileEntry, ...]:
        return (self.pooling,) if self.pooling else ()


AnyManifest = TextManifest | ImageManifest | AudioManifest | VideoManifest
_DECODER: msgspec.json.Decoder[AnyManifest] = msgspec.json.Decoder(AnyManifest)


def _require_inputs(graph: GraphEntry, count: int) -> None:
    if len(graph.inputs) != count:
        raise ValueError(
            f"the graph {graph.file} must name exactly {'one input' if count == 1 else f'{count} inputs'}, "
            f"not {len(graph.inputs)}"
        )


def decode_manifest(data: bytes, where: str) -> AnyManifest:
    """The manifest in ``data`` (JSON). ``where`` names it in the error.

    Raises:
        ManifestError: not JSON, a field missing or out of its range.
    """
    try:
        return _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise ManifestError(f"{where}: {_plain(str(error))}. Correct the field in the manifest.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"{where} is not valid JSON: {error}. Correct the file.") from error


def read_manifest(folder: Path) -> AnyManifest:
    """The manifest of the encoder in ``folder``; its files are looked at when the encoder is loaded.

    Raises:
        ManifestError: there is no manifest, or it is wrong.
    """
    path = folder / MANIFEST_FILE
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ManifestError(f"{path} is over {MAX_MANIFEST_BYTES} bytes: that is no manifest.")
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"No readable manifest at {path} ({error.strerror}). An encoder is a folder that holds "
            f"{MANIFEST_FILE} and the files it names."
        ) from error
    return decode_manifest(data, str(path))


def encode_manifest(manifest: EncoderManifest) -> bytes:
    """The manifest as indented JSON, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def _plain(message: str) -> str:
    """msgspec's path notation (``$.graph.file``) in a person's words."""
    return re.sub(r"\$\.?([\w.\[\]]*)", lambda match: match.group(1) or "the top level", message)


_Manifest = TypeVar("_Manifest", bound=Struct)


def read_bundle_manifest(folder: Path, kind: type[_Manifest], what: str, command: str) -> _Manifest:
    """The manifest of a trained model in a folder.

    Args:
        folder: Which.
        kind: The struct that it is.
        what: The model in words, such as "a fusion", for errors.
        command: What writes such folders, for errors.

    Raises:
        ManifestError: It is not there, too large, or not what such a manifest is.
    """
    path = folder / MANIFEST_FILE
    try:
        with path.open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read ({error.strerror}). Name the folder that `{command}` wrote."
        ) from error
    if len(text) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"{path} has more than {MAX_MANIFEST_BYTES} bytes: it is no manifest of {what}")
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"{path} is no manifest of {what}: {error}") from error


def write_bundle_manifest(manifest: Struct, folder: Path) -> None:
    """Writes the manifest of a trained model beside its graph."""
    (folder / MANIFEST_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
