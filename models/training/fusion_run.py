"""A fusion trained, measured beside the one in use, also without modalities, and written as a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from models.datasets.interactions import Histories
from models.fusion import EncoderSpec
from models.fusion.bundle import FusionInput, FusionManifest, write_fusion_manifest
from models.fusion.canary import check_fusion, make_samples, random_items
from models.fusion.trained import TrainedFusion
from models.offline.in_use import NOTHING_IN_USE, ModelInUse
from models.offline.quality import QualityMeasures, beside
from models.training.device import DeviceName, training_device
from models.training.fusion_export import export_fusion
from models.training.fusion_networks import FusionNetwork
from models.training.fusion_training import FusionSettings, FusionTraining
from models.training.offline_fusion import FusionModel

if TYPE_CHECKING:
    from models.offline.interface import Features, Interactions

MODEL_FILE = "model.onnx"
# Of each subset of modalities.
_SAMPLES = 1
_MEASURED_EVERY = 5


def train_fusion(
    train: Interactions,
    validation: Interactions,
    features: Features,
    inputs: Sequence[FusionInput],
    settings: Mapping[str, Any],
    seed: int,
    out: Path,
    checkpoint: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    in_use: ModelInUse = NOTHING_IN_USE,
    histories: Histories | None = None,
    device: DeviceName = "cpu",
) -> dict[str, Any]:
    """Train to the last epoch, measure on validation, and write ``manifest.json`` and ``model.onnx``.

    Args:
        train: Who took what.
        validation: What the same people took later; never learned from.
        features: Of all items.
        inputs: What each modality's features are of, in the order of ``features``.
        settings: As `FusionSettings`.
        seed: Of everything random.
        out: The folder of the bundle; made where it is not there.
        checkpoint: See `FusionTraining`; deleted once the bundle is written.
        on_progress: Told how many epochs are done, and of how many.
        in_use: What it is measured beside.
        histories: The times of what is behind ``train``; needed where settings have a window.
        device: Where it learns; see `training_device`.

    Returns:
        ``losses`` and ``validation`` (epoch, Recall@20) of the run, ``subsets`` (Recall@20 by modalities that
        are served), ``missing`` (Recall@20 by the share of features that are gone), what `beside` tells,
        ``onnx_cosine`` (the least), ``metrics``, ``space`` and what was learned from.

    Raises:
        TrainingError: There is nothing to measure by; see `FusionTraining` and `export_fusion`.
        SettingError: See `training_device`.
    """
    chosen = FusionSettings(**settings)
    where = training_device(device)
    measures = QualityMeasures(train, validation, features)
    # First of all, so that what cannot be measured is known before anything is trained.
    served = measures.measure_in_use(in_use)
    training = FusionTraining(chosen, train, features, seed, checkpoint, histories, where)
    measured: list[tuple[int, float]] = []

    def on_epoch(epoch: int, loss: float, network: FusionNetwork) -> bool:
        on_progress(epoch, training.epochs)
        if epoch % _MEASURED_EVERY == 0 and epoch < training.epochs:
            measured.append((epoch, measures.recall(FusionModel.of(network, train, features))))
        return False

    network = training.run(on_epoch)
    reached = measures.measure(FusionModel.of(network, train, features))
    compared, metrics_in_use = beside(reached, in_use.name, served)
    subsets, full = reached.values["subsets"], reached.values["recall@20"]
    measured.append((len(training.losses), full))
    metrics = {
        "recall@20": full,
        "ndcg@20": reached.values["ndcg@20"],
        **{f"recall@20 {name}": value for name, value in subsets.items()},
        **metrics_in_use,
    }
    out.mkdir(parents=True, exist_ok=True)
    graph, cosine = export_fusion(network, out / MODEL_FILE, seed)
    manifest = FusionManifest(
        method=chosen.method,
        dimension=chosen.dimension,
        inputs=tuple(inputs),
        graph=graph,
        data_sha256=data_fingerprint(train, features, histories if chosen.window_s is not None else None),
        settings={
            name: value
            for name, value in asdict(replace(chosen, epochs=training.epochs)).items()
            if value is not None
        },
        metrics=metrics,
        compared_with=in_use.name if metrics_in_use else "",
        seed=seed,
    )
    specs = {one.modality: EncoderSpec(one.encoder, one.encoder_sha256, one.dimension) for one in inputs}
    write_fusion_manifest(manifest, out)
    exported = TrainedFusion(out, specs)
    manifest = msgspec.structs.replace(
        manifest, samples=make_samples(exported, random_items(manifest, _SAMPLES, seed))
    )
    check_fusion(exported, manifest)
    write_fusion_manifest(manifest, out)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return {
        "method": chosen.method,
        "seed": seed,
        "data_sha256": manifest.data_sha256,
        "model_sha256": graph.sha256,
        "size_bytes": graph.size_bytes,
        "onnx_cosine": cosine,
        "losses": training.losses,
        "validation": measured,
        "subsets": subsets,
        "missing": reached.values["missing"],
        **compared,
        "metrics": metrics,
    }


def data_fingerprint(train: Interactions, features: Features, histories: Histories | None = None) -> str:
    """sha256 of the interactions and the features, which says whether two runs learned from the same.

    Args:
        histories: Where their times count.
    """
    digest = hashlib.sha256(repr(train.shape).encode())
    for array in (train.indptr.astype("<i8"), train.indices.astype("<i8")):
        digest.update(array.tobytes())
    for modality, rows in features.items():
        digest.update(f"{modality}{rows.shape}".encode())
        digest.update(np.ascontiguousarray(rows, "<f4").tobytes())
    if histories is not None:
        digest.update(histories.times_ms.astype("<i8").tobytes())
    return digest.hexdigest()
