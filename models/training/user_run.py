"""A sequence model of people trained, measured beside the other user models, and written as a bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from models.errors import DatasetError, TrainingError
from models.evaluation.full_ranking import rank_all
from models.evaluation.splits import Split, hold_out_items
from models.evaluation.user_metrics import accuracy
from models.fusion import Fusion
from models.offline.in_use import NOTHING_IN_USE, ModelInUse
from models.offline.interface import Features, FitContext
from models.offline.quality import METRICS, QualityMeasures, beside
from models.offline.user_models import NO_TIMES, Fuse, OfflineUserModel, fused
from models.training.device import DeviceName, training_device
from models.training.missing_modalities import views_without
from models.training.offline_user import SequenceModel, TorchUserModel
from models.training.user_export import export_user_model, make_samples
from models.training.user_network import UserNetwork
from models.training.user_training import UserModelSettings, UserTraining, data_fingerprint
from models.user import DecayedMean, MultiInterest, UserModel
from models.user.bundle import UserModelManifest, write_user_manifest
from models.user.sequence import SequenceUserModel

MODEL_FILE = "model.onnx"
_SAMPLES = 2
_MEASURED_EVERY = 5

OnProgress = Callable[[str, int, int], None]


def train_user_model(
    parts: Split,
    features: Features,
    fusion: Fusion,
    settings: Mapping[str, Any],
    seed: int,
    out: Path,
    new_items: float = 0.1,
    checkpoint: Path | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
    in_use: ModelInUse = NOTHING_IN_USE,
    device: DeviceName = "cpu",
) -> dict[str, Any]:
    """Train to the last epoch, measure on validation, and write ``manifest.json`` and ``model.onnx``.

    The test part is not looked at.

    Args:
        parts: Learned from is ``train``, measured by ``validation``.
        features: Of all items.
        fusion: Makes vectors of them: the model serves in its space.
        settings: As `UserModelSettings`.
        seed: Of everything random.
        out: The folder of the bundle; made where it is not there.
        new_items: The share of items to hold out and rank as new ones, by a model that is trained once more
            without them; 0: none.
        checkpoint: See `UserTraining`; deleted once the bundle is written.
        on_progress: Told what is being done, how much of it is done, and of how much.
        in_use: What it is measured beside.
        device: Where it learns; see `training_device`.

    Returns:
        ``losses`` and ``validation`` (epoch, Recall@20) of the run, ``models`` (metrics of validation by user
        model, that of the sequence model as it serves), what `beside` tells, ``new_items`` as ``models`` or
        None, ``onnx_cosine`` (the least), ``metrics``, ``space`` and what was learned from.

    Raises:
        TrainingError: There are no times, see `UserTraining` and `export_user_model`.
        SettingError: See `training_device`.
    """
    chosen = UserModelSettings(**settings)
    where = training_device(device)

    def fuse(given: Features) -> Any:
        return fused(fusion, given)

    histories = parts.histories
    if histories is None:
        raise TrainingError(NO_TIMES)
    # First of all, so that what cannot be measured is known before anything is trained.
    models = {
        "decayed-mean": _measured(DecayedMean(), parts, features, fuse),
        "multi-interest": _measured(MultiInterest(), parts, features, fuse),
    }
    measures = QualityMeasures(parts.train, parts.validation, features, histories)
    served = measures.measure_in_use(
        in_use, lambda done, total: on_progress("measuring the model in use", done, total)
    )
    vectors = fuse(features)
    training = UserTraining(
        chosen, histories, vectors, seed, checkpoint, views_without(fuse, features), where
    )
    measured: list[tuple[int, float]] = []

    def on_epoch(epoch: int, loss: float, network: UserNetwork) -> bool:
        on_progress("training", epoch, chosen.epochs)
        if epoch % _MEASURED_EVERY == 0 and epoch < chosen.epochs:
            model = TorchUserModel(network, chosen.history_entries)
            measured.append((epoch, _measured(model, parts, features, fuse)["recall@20"]))
        return False

    network = training.run(on_epoch)
    out.mkdir(parents=True, exist_ok=True)
    graph, cosine = export_user_model(network, out / MODEL_FILE, seed)
    manifest = UserModelManifest(
        space=fusion.space,
        dimension=fusion.dimension,
        history_entries=chosen.history_entries,
        graph=graph,
        data_sha256=data_fingerprint(histories, vectors),
        settings=asdict(chosen),
        seed=seed,
        samples=make_samples(network, _SAMPLES, seed),
    )
    write_user_manifest(manifest, out)
    sequence = OfflineUserModel(SequenceUserModel(out), fuse)
    sequence.fit(parts.train, features, FitContext(0, histories=histories))
    reached = measures.measure(sequence, lambda done, total: on_progress("measuring", done, total))
    compared, metrics_in_use = beside(reached, in_use.name, served)
    models["sequence"] = {metric: reached.values[metric] for metric in METRICS}
    measured.append((len(training.losses), models["sequence"]["recall@20"]))
    learned = {"device": device, **settings}
    of_new = _of_new_items(parts, features, fuse, learned, seed, new_items, on_progress)
    metrics = {f"{name} {metric}": value for name, own in models.items() for metric, value in own.items()}
    metrics |= metrics_in_use
    metrics.update({f"sequence recall@20 {name}": value for name, value in reached.values["subsets"].items()})
    for name, own in (of_new or {}).items():
        metrics.update({f"{name} {metric} of new items": value for metric, value in own.items()})
    compared_with = in_use.name if metrics_in_use else ""
    write_user_manifest(msgspec.structs.replace(manifest, metrics=metrics, compared_with=compared_with), out)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return {
        "method": manifest.method,
        "space": manifest.space,
        "seed": seed,
        "protocol": parts.protocol,
        "data_sha256": manifest.data_sha256,
        "model_sha256": graph.sha256,
        "size_bytes": graph.size_bytes,
        "onnx_cosine": cosine,
        "losses": training.losses,
        "validation": measured,
        "models": models,
        **compared,
        "new_items": of_new,
        "metrics": metrics,
    }


def _measured(model: UserModel, parts: Split, features: Features, fuse: Fuse) -> dict[str, float]:
    """A user model that has learned, on validation."""
    return _ranked(OfflineUserModel(model, fuse), parts, features, FitContext(0, histories=parts.histories))


def _ranked(
    model: OfflineUserModel, parts: Split, features: Features, context: FitContext
) -> dict[str, float]:
    model.fit(parts.train, features, context)
    rankings = rank_all(model.scores, parts.validation, parts.train, depth=1)
    if not len(rankings):
        raise TrainingError("validation has nothing that people had not taken before: nothing to measure by")
    found = accuracy(rankings, (20,))
    return {metric: float(found[metric].mean()) for metric in METRICS}


def _of_new_items(
    parts: Split,
    features: Features,
    fuse: Fuse,
    settings: Mapping[str, Any],
    seed: int,
    share: float,
    on_progress: OnProgress,
) -> dict[str, dict[str, float]] | None:
    """Metrics of items that nobody had taken, ranked among all; None where there are too few of them."""
    if not share:
        return None
    nothing = parts.test - parts.test
    try:
        cold = hold_out_items(replace(parts, test=nothing), share).split
    except DatasetError:
        return None
    cold = replace(cold, validation=cold.test)
    models: dict[str, OfflineUserModel] = {
        "decayed-mean": OfflineUserModel(DecayedMean(), fuse),
        "multi-interest": OfflineUserModel(MultiInterest(), fuse),
        "sequence": SequenceModel(fuse=fuse, **settings),
    }
    context = FitContext(
        seed,
        on_progress=lambda done, total: on_progress("training without new items", done, total),
        histories=cold.histories,
    )
    return {name: _ranked(model, cold, features, context) for name, model in models.items()}
