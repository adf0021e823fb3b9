"""What it costs to store the weights of the bundled encoders in fewer bits.

    python -m tests.benchmarks.encoder_precision quality --data DIR --encoders FOLDER [--json OUT]
    python -m tests.benchmarks.encoder_precision speed --encoders FOLDER

FOLDER holds image-cnn-64, audio-gru-64 and video-attention-128 in float32, as the training commands write
them with `--storage float32`. Each storage is compared with them. `quality`: bytes, cosines of vectors with
those of float32 (photographs of validation and test; clips; four films), and figures of the manifests;
validation is to choose by. The audio encoder that ships has seen the clips of its probe, so these figures say
what storage changes, not how good it is. `speed`: to load and check, and items/s, of processor time on one
thread, turn about.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from models.encoders.audio import AudioEncoder
from models.encoders.encoder import Encoder
from models.encoders.frame_weights import FrameWeights
from models.encoders.image import ImageEncoder
from models.encoders.loading import load_encoder
from models.encoders.manifest import Measurement
from models.encoders.session import SessionSettings
from models.encoders.video import VideoEncoder
from models.export.fidelity import fidelity
from models.preprocessing.image import fit_square
from models.training.common import Floats, linear_probe, neighbour_accuracy, unit
from models.training.convert_weights import convert
from models.training.image import DATASET, SIZE_PX
from models.training.labelled_media import Labelled, read_clothing, read_esc10
from models.training.video import AUDIO_ENCODER, IMAGE_ENCODER, NAME, judged
from models.training.video_films import Films
from models.training.video_quality import Pool, evaluate, evaluate_sound, max_pool, mean_pool, subject_pool
from models.training.weight_storage import STORAGES, Storage
from tests.unit.encoders import golden
from workers.cli.output import console, table, write_json

NAMES = (IMAGE_ENCODER, AUDIO_ENCODER, NAME)
SEED = 7
BATCH = 16
STARTS = 15
ROUNDS = 5

Quality = dict[str, Measurement]


class Stored(NamedTuple):
    """The three encoders with their weights in one storage, and the bytes of their graphs."""

    image: ImageEncoder
    audio: AudioEncoder
    video: VideoEncoder
    pooling: FrameWeights
    size_bytes: Mapping[str, int]


class Measured(NamedTuple):
    """Vectors by which storages are compared, and figures."""

    vectors: Floats
    quality: Quality


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints a table for each encoder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("quality", "speed"))
    parser.add_argument("--data", type=Path, help="folder of the evaluation data")
    parser.add_argument("--encoders", type=Path, required=True, help="folder of encoders in float32")
    parser.add_argument("--json", type=Path, help="file for all figures of quality")
    arguments = parser.parse_args(argv)
    with TemporaryDirectory() as temporary:
        stored = {
            storage: _stored(arguments.encoders, Path(temporary) / storage, storage) for storage in STORAGES
        }
        if arguments.what == "speed":
            _show_speed(stored, Path(temporary))
        elif arguments.data is None:
            parser.error("quality needs --data")
        else:
            found = _qualities(stored, arguments.data)
            if arguments.json:
                write_json(found, arguments.json)


def _stored(encoders: Path, out: Path, storage: Storage) -> Stored:
    settings = SessionSettings()
    manifests = {name: convert(encoders / name, out, storage) for name in NAMES}
    image, audio, video = (load_encoder(out / name, settings) for name in NAMES)
    assert isinstance(image, ImageEncoder)
    assert isinstance(audio, AudioEncoder)
    assert isinstance(video, VideoEncoder)
    assert video.manifest.pooling
    pooling = FrameWeights(out / NAME, video.manifest.pooling, image.dimension, settings)
    sizes = {name: sum(one.size_bytes for one in manifest.files) for name, manifest in manifests.items()}
    return Stored(image, audio, video, pooling, sizes)


def _qualities(stored: Mapping[Storage, Stored], data: Path) -> dict[str, dict[str, Quality]]:
    clothing, clips = read_clothing(data), read_esc10(data)
    measures: dict[str, Callable[[Stored], Measured]] = {
        IMAGE_ENCODER: lambda one: _image_quality(one.image, clothing),
        AUDIO_ENCODER: lambda one: _audio_quality(one.audio, clips),
        NAME: lambda one: _video_quality(one, clothing, clips),
    }
    qualities: dict[str, dict[str, Quality]] = {}
    for name, measure in measures.items():
        measured = {storage: measure(one) for storage, one in stored.items()}
        qualities[name] = {storage: one.quality for storage, one in measured.items()}
        plain = measured["float32"]
        rows: list[tuple[object, ...]] = [("bytes", *(one.size_bytes[name] for one in stored.values()))]
        alike = [fidelity(one.vectors, plain.vectors) for one in measured.values()]
        rows.append(("least cosine", *(round(one.least_cosine, 6) for one in alike)))
        rows.append(("mean cosine", *(round(one.mean_cosine, 6) for one in alike)))
        rows.append(("rank correlation of cosines", *(round(one.rank_correlation, 6) for one in alike)))
        for figure in plain.quality:
            rows.append((figure, *(one.quality[figure].value for one in measured.values())))
        console().print(table((name, *stored), [tuple(str(cell) for cell in row) for row in rows]))
    return qualities


def _image_quality(encoder: ImageEncoder, clothing: Labelled) -> Measured:
    vectors = encoder.encode([fit_square(photograph, SIZE_PX, "stretch") for photograph in clothing.items])
    train = clothing.parts == "train"
    quality = {}
    for part in ("validation", "test"):
        judged_rows = clothing.parts == part
        for metric, score in (("linear_probe", linear_probe), ("neighbours_10", neighbour_accuracy)):
            value = score(
                vectors[train], clothing.labels[train], vectors[judged_rows], clothing.labels[judged_rows]
            )
            quality[f"{metric}_{part}"] = Measurement(
                value=round(value, 4), dataset=f"{DATASET}, split {part}", method="fitted on split train"
            )
    return Measured(vectors[~train], quality)


def _audio_quality(encoder: AudioEncoder, clips: Labelled) -> Measured:
    vectors = encoder.encode(clips.items)
    quality = {}
    for metric, score in (("linear_probe", linear_probe), ("neighbours_10", neighbour_accuracy)):
        values = []
        for fold in sorted(set(clips.parts)):
            test = clips.parts == fold
            values.append(score(vectors[~test], clips.labels[~test], vectors[test], clips.labels[test]))
        quality[f"seen_{metric}_5_fold"] = Measurement(
            value=round(float(np.mean(values)), 4),
            dataset="ESC-10, 5 folds",
            method="by the network that ships, which has seen all clips",
        )
    return Measured(vectors, quality)


def _video_quality(stored: Stored, clothing: Labelled, clips: Labelled) -> Measured:
    split = {
        part: judged(clothing, part, stored.image, None, SEED) for part in ("train", "validation", "test")
    }
    pools: dict[str, Pool] = {
        "": learned_pool(stored.pooling),
        "mean_": mean_pool,
        "max_": max_pool,
        "subject_": subject_pool,
    }
    quality: Quality = {}
    for part in ("validation", "test"):
        quality |= evaluate(pools, [], split["train"], split[part], part, SEED)
    sounds = stored.audio.encode(clips.items)
    quality |= evaluate_sound(pools[""], split["train"], split["test"], clips, sounds, "test", SEED)
    return Measured(stored.video.encode(golden.inputs(stored.video)), quality)


def learned_pool(weights: FrameWeights) -> Pool:
    """The graph that weighs frames, as a function of films."""

    def pool(films: Films) -> Floats:
        counts = films.present.sum(axis=1)
        weighed = np.zeros(films.present.shape, np.float32)
        weighed[films.present] = weights.of(films.frames[films.present], counts)
        return unit((films.frames * weighed[:, :, None]).sum(axis=1))

    return pool


def _show_speed(stored: Mapping[Storage, Stored], folder: Path) -> None:
    plain = stored["float32"]
    for index, name in enumerate(NAMES):
        items = golden.inputs((plain.image, plain.audio, plain.video)[index]) * (BATCH // 4)
        starts: dict[Storage, list[float]] = {storage: [] for storage in stored}
        rates: dict[Storage, list[float]] = {storage: [] for storage in stored}
        for _ in range(STARTS):
            for storage in stored:
                starts[storage].append(1e3 * _seconds(partial(load_encoder, folder / storage / name)))
        for _ in range(ROUNDS):
            for storage, one in stored.items():
                encoder: Encoder[Any] = (one.image, one.audio, one.video)[index]
                rates[storage].append(len(items) / _seconds(partial(encoder.encode, items), times=20))
        console().print(
            table(
                (name, "ms to load and check", "items/s"),
                [(one, round(median(starts[one]), 1), round(median(rates[one]), 1)) for one in stored],
            )
        )


def _seconds(work: Callable[[], Any], times: int = 1) -> float:
    """Of processor time, for one."""
    began_s = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began_s) / times


if __name__ == "__main__":
    main()
