"""From a graph to a folder that settings can name: checked, measured, quantised and centred on the way."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from models.encoders.encoder import Encoder
from models.encoders.loading import BUNDLED_FOLDER, load_encoder
from models.encoders.manifest import (
    MANIFEST_FILE,
    Measurement,
    TextManifest,
    decode_manifest,
    encode_manifest,
)
from models.encoders.onnx_structure import read_structure
from models.errors import BatchError, ExportError
from models.export.fidelity import MIN_COSINE, fidelity
from models.export.prepared import About, Added, Prepared, Reference
from models.export.samples import Sample, made_up, read_sample

GRAPH_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
_COMPARED_WITH_MODEL = 32
_MAX_NAME = 64
# More would take gigabytes, as attention is computed as a whole.
_LONGEST_WORDS = 1_024

OnStep = Callable[[str], None]


def encoder_name(wanted: str) -> str:
    """A name as manifests allow it, from that of a model: ``Org/My_Model`` becomes ``my-model``."""
    plain = re.sub(r"[^a-z0-9.]+", "-", wanted.rsplit("/", 1)[-1].lower())
    return plain.strip("-.")[:_MAX_NAME].rstrip("-.") or "encoder"


def require_free(name: str, out: Path) -> None:
    """Raises ExportError where ``out``, or Freshet itself, has an encoder of this name, or ``out`` is one."""
    if (out / MANIFEST_FILE).exists():
        raise ExportError(f"{out} is an encoder itself. Name the folder that holds it.")
    for taken in (out / name, BUNDLED_FOLDER / name):
        if taken.exists():
            raise ExportError(
                f"There is an encoder {name} at {taken}. Features carry the name of their encoder, so "
                "give this "
                "one another with --name."
            )


def write_encoder(
    prepared: Prepared,
    about: About,
    out: Path,
    *,
    quantise: Callable[[bytes], bytes] | None = None,
    sample: Path | None = None,
    on_step: OnStep = lambda what: None,
) -> Added:
    """Check the graph, measure it, and write ``out/NAME``; nothing is left there where anything is wrong.

    Args:
        prepared: The graph, and what it is compared with.
        about: Its name and origin.
        out: The folder that holds the encoder's folder; made where it is not there.
        quantise: Makes it smaller; what that costs is measured. None leaves it as it is.
        sample: Items of the person's own; see `read_sample`. The encoder is then centred on their mean.
        on_step: Told what is being done.

    Raises:
        ExportError: There is an encoder of this name, or the graph gives other vectors than the model.
        ManifestError: The graph is not one that workers load; the message says why.
    """
    require_free(about.name, out)
    out.mkdir(parents=True, exist_ok=True)
    # Two levels down, where nothing looks for encoders.
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=out) as work:
        bench = _Bench(prepared, about, Path(work), on_step)
        folder = bench.build(quantise, sample)
        manifest = bench.manifest
        shutil.move(folder, out / about.name)
    return Added(
        name=manifest.name,
        modality=manifest.modality,
        dimension=manifest.dimension,
        size_bytes=sum(entry.size_bytes for entry in manifest.files),
        folder=out / about.name,
        licence=manifest.licence,
        quality=manifest.quality,
        note=prepared.note,
    )


class _Bench:
    """The steps of `write_encoder`, in a folder of their own."""

    def __init__(self, prepared: Prepared, about: About, work: Path, on_step: OnStep) -> None:
        self._prepared = prepared
        self._about = about
        self._work = work
        self._on_step = on_step
        self._quality: dict[str, Measurement] = {}

    def build(self, quantise: Callable[[bytes], bytes] | None, sample: Path | None) -> Path:
        self._on_step("loading it as a worker does")
        encoder = self._place(self._prepared.graph)
        items = made_up(encoder) if sample is None else read_sample(sample, encoder)
        if self._prepared.reference is not None:
            self._compare(encoder, self._prepared.reference, items)
        encoder = self._centred(encoder, self._prepared.graph, items)
        if quantise is not None:
            self._on_step("quantising")
            small = quantise(self._prepared.graph)
            encoder = self._measured_loss(encoder, self._centred(self._place(small), small, items), items)
        # Once more, as it will be read.
        folder = self._work / self._about.name
        self._write_manifest(folder, encoder.manifest.output_mean)
        self.manifest = load_encoder(folder).manifest
        return folder

    def _place(self, graph: bytes, mean: tuple[float, ...] = ()) -> Encoder[Any]:
        folder = self._work / self._about.name
        folder.mkdir(exist_ok=True)
        (folder / GRAPH_FILE).write_bytes(graph)
        if self._prepared.tokenizer is not None:
            (folder / TOKENIZER_FILE).write_bytes(self._prepared.tokenizer)
        self._write_manifest(folder, mean)
        return load_encoder(folder)

    def _write_manifest(self, folder: Path, mean: tuple[float, ...]) -> None:
        preprocessing = dict(self._prepared.preprocessing)
        if self._prepared.tokenizer is not None:
            preprocessing["tokenizer"] = _entry(folder / TOKENIZER_FILE)
        data = (folder / GRAPH_FILE).read_bytes()
        graph = _entry(folder / GRAPH_FILE) | {
            "opset": read_structure(data, str(folder / GRAPH_FILE)).opset,
            "inputs": self._prepared.inputs,
            "output": self._prepared.output,
        }
        fields = {
            "modality": self._prepared.modality,
            "name": self._about.name,
            "dimension": self._prepared.dimension,
            "source": self._about.source,
            "licence": self._about.licence,
            "description": self._about.description,
            "notice": self._prepared.note,
            "output_mean": mean,
            "quality": self._quality,
            "preprocessing": preprocessing,
        } | ({"graphs": [graph]} if self._prepared.modality == "audio" else {"graph": graph})
        # Read as a manifest is, so that what is wrong with a field is said as it always is.
        manifest = decode_manifest(msgspec.json.encode(fields), f"the manifest of {self._about.name}")
        (folder / MANIFEST_FILE).write_bytes(encode_manifest(manifest))

    def _compare(self, encoder: Encoder[Any], reference: Reference, sample: Sample) -> None:
        self._on_step("comparing with PyTorch")
        items = list(sample.items[:_COMPARED_WITH_MODEL])
        if isinstance(encoder.manifest, TextManifest):
            # One that is cut: a limit beyond the network's positions would fail at the first long item.
            items.append("word " * min(encoder.manifest.preprocessing.max_tokens, _LONGEST_WORDS))
        try:
            ours = encoder.encode(items)
        except BatchError as error:
            raise ExportError(f"{self._about.name}: the graph fails on the sample: {error.detail}") from error
        found = fidelity(ours, reference(items))
        if not found.least_cosine >= MIN_COSINE:
            raise ExportError(
                f"{self._about.name}: the ONNX graph gives other vectors than PyTorch: the least cosine is "
                f"{found.least_cosine:.6f}, and {MIN_COSINE} is asked for. It is not written."
            )
        self._quality["cosine_with_pytorch"] = Measurement(
            value=round(found.least_cosine, 6),
            dataset=f"{min(len(sample.items), _COMPARED_WITH_MODEL)} of {sample.what}",
            method="least cosine of vectors in float32 with the model's own, before centring",
        )

    def _centred(self, encoder: Encoder[Any], graph: bytes, sample: Sample) -> Encoder[Any]:
        if not sample.is_own:
            return encoder
        self._on_step("centring")
        mean = encoder.mean_output(sample.items)
        return self._place(graph, tuple(float(number) for number in mean))

    def _measured_loss(self, whole: Encoder[Any], small: Encoder[Any], sample: Sample) -> Encoder[Any]:
        self._on_step("measuring what int8 costs")
        found = fidelity(small.encode(sample.items), whole.encode(sample.items))
        for name, value, method in (
            ("int8_mean_cosine", found.mean_cosine, "with float32, the mean over items"),
            ("int8_least_cosine", found.least_cosine, "with float32, the least over items"),
            (
                "int8_rank_correlation",
                found.rank_correlation,
                "Spearman's, of cosines of pairs with float32's",
            ),
        ):
            self._quality[name] = Measurement(value=round(value, 6), dataset=sample.what, method=method)
        return small


def _entry(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
