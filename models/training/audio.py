"""``audio-gru-64``: log-mel frames and a recurrent network, distilled from YAMNet on the ESC-10 clips.

Windows of the clips, at other speeds and mixed with each other, go through the teacher; its vectors, brought
to 64 numbers by PCA, are what the student learns, together with the class labels. The network that ships has
seen all clips; what it is worth is measured by five more, each trained without one fold and judged on it.

    python -m models.training.audio --data DIR --weights DIR --out DIR
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.encoders.manifest import AudioManifest, AudioPreprocessing, Measurement, TrainingData
from models.training.audio_network import SAMPLE_RATE_HZ, FrameNetwork, MelPower
from models.training.audio_views import (
    HOP_SAMPLES,
    VIEWS,
    WHOLE_VIEWS,
    WINDOW_SAMPLES,
    Views,
    taught_views,
)
from models.training.common import (
    Floats,
    console,
    export_module,
    linear_probe,
    neighbour_accuracy,
    parse_arguments,
    principal_axes,
    unit,
    write_manifest,
)
from models.training.device import CPU
from models.training.distillation import CentredUnit, distil
from models.training.labelled_media import Labelled, read_esc10

NAME = "audio-gru-64"
DIMENSION = 64
EPOCHS = 10
NOTICE = (
    "Trained on ESC-10 by Karol J. Piczak (K. J. Piczak, ESC: Dataset for Environmental Sound "
    "Classification, 2015), CC BY 3.0, resampled to 16 kHz mono; the clips are from freesound.org. "
    "Teacher: YAMNet (tensorflow/models, Apache-2.0). None of its weights are here."
)


def main() -> None:
    """Trains, exports, evaluates, and writes the manifest."""
    arguments = parse_arguments(__doc__ or "")
    clips = read_esc10(arguments.data)
    views = taught_views(clips, arguments.weights, arguments.cache, arguments.seed)
    epochs = arguments.epochs or EPOCHS
    everything = np.ones(len(clips.items), bool)
    shipped, mean = train(views, everything, epochs, arguments.seed, NAME, arguments.device)
    folder: Path = arguments.out / NAME
    entry = export_module(
        CentredUnit(nn.Sequential(MelPower(), shipped), mean),
        torch.zeros((2, WINDOW_SAMPLES)),
        "samples",
        folder / "model.onnx",
        arguments.storage,
    )
    manifest = AudioManifest(
        name=NAME,
        dimension=DIMENSION,
        description="Log-mel frames, convolutions, a bidirectional GRU; distilled from YAMNet on ESC-10.",
        source="python -m models.training.audio",
        licence="Apache-2.0",
        notice=NOTICE,
        graphs=(entry,),
        preprocessing=AudioPreprocessing(
            sample_rate_hz=SAMPLE_RATE_HZ, window_samples=WINDOW_SAMPLES, hop_samples=HOP_SAMPLES
        ),
        trained_on=(
            TrainingData(
                dataset="ESC-10",
                part="all 400 clips and their labels, all five folds",
                licence="CC-BY-3.0",
                notice=NOTICE,
            ),
        ),
    )
    write_manifest(manifest, arguments.out)
    quality = cross_validate(clips, views, epochs, arguments.seed, arguments.device)
    write_manifest(msgspec.structs.replace(manifest, quality=quality), arguments.out)


def train(
    views: Views,
    chosen: NDArray[np.bool_],
    epochs: int,
    seed: int,
    title: str,
    device: torch.device = CPU,
) -> tuple[FrameNetwork, Tensor]:
    """A student that has seen the ``chosen`` clips [clips] alone, and its mean output over them."""
    torch.manual_seed(seed)
    rows = np.repeat(chosen, VIEWS)
    taught = views.taught[rows]
    mean, axes = principal_axes(taught, DIMENSION)
    network = FrameNetwork(DIMENSION)
    distil(
        network,
        torch.from_numpy(views.log_power[rows]),
        unit((taught - mean) @ axes),
        views.labels[rows],
        augment,
        epochs=epochs,
        seed=seed,
        title=title,
        device=device,
    )
    return network, window_vectors(network, views)[rows].mean(0)


def window_vectors(network: nn.Module, views: Views) -> Tensor:
    """The network's output for every view [n, DIMENSION], not centred."""
    with torch.inference_mode():
        chunks = torch.from_numpy(views.log_power).split(256)
        return torch.cat([network(chunk.float().exp()) for chunk in chunks])


def clip_vectors(windows: Floats) -> Floats:
    """The mean over each clip's own windows [clips, d]."""
    return windows.reshape(-1, VIEWS, windows.shape[1])[:, :WHOLE_VIEWS].mean(axis=1)


def cross_validate(
    clips: Labelled, views: Views, epochs: int, seed: int, device: torch.device = CPU
) -> dict[str, Measurement]:
    """For each fold, a student that has not seen it, and figures on it; the teacher's beside them."""
    scores: dict[str, list[float]] = {}
    teacher = clip_vectors(views.taught)
    for fold in sorted(set(clips.parts)):
        test = clips.parts == fold
        network, mean = train(views, ~test, epochs, seed, f"without fold {fold}", device)
        own = unit(clip_vectors((window_vectors(network, views) - mean).numpy()))
        for who, rows in (("", own), ("teacher_", teacher)):
            for metric, score in (("linear_probe", linear_probe), ("neighbours_10", neighbour_accuracy)):
                value = score(rows[~test], clips.labels[~test], rows[test], clips.labels[test])
                scores.setdefault(f"{who}{metric}_5_fold", []).append(value)
        figures = ", ".join(f"{name} {values[-1]:.3f}" for name, values in scores.items())
        console.print(f"fold {fold}: {figures}")
    return {
        name: Measurement(
            value=round(float(np.mean(values)), 4),
            dataset="ESC-10, 5 folds",
            method=(
                "networks in float32 that have not seen the fold judged; the one shipped has seen all clips"
            ),
        )
        for name, values in scores.items()
    }


def augment(log_power: Tensor, generator: torch.Generator) -> Tensor:
    """Mel energies at any level from -30 to +6 dB; now and then without their end, as in a clip shorter than
    a window; with a band of frequencies and a stretch of time silenced (SpecAugment, Park et al., 2019)."""
    count, frames, bands = log_power.shape

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((count, 1, 1), generator=generator)

    gain = 10 ** (uniform(-30, 6) / 10)
    time, band = torch.arange(frames)[None, :, None], torch.arange(bands)[None, None, :]
    kept = time < frames * (1 - 0.7 * uniform(-2, 1).clamp_min(0))
    for places, size, widest in ((time, frames, 16), (band, bands, 10)):
        first, width = uniform(0, size), uniform(0, widest)
        kept = kept & ((places < first) | (places >= first + width))
    return log_power.float().exp() * gain * kept


if __name__ == "__main__":
    main()
