"""``video-attention-128``: learned weights of a film's frames, on films made up of photographs of clothes.

The frames' vectors are the image encoder's and stay as they are; learned is how much each counts. There are
no films that may ship: a film is put together of views of photographs of one class, black and spoilt frames,
title cards, and a stretch of something else. The pooled vector is brought near to what the photographs
themselves have, and away from those of other films.

    python -m models.training.video --data DIR --out DIR
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import nn

from models.encoders.audio import AudioEncoder
from models.encoders.image import ImageEncoder
from models.encoders.loading import BUNDLED_FOLDER, load_encoder
from models.encoders.manifest import TrainingData, VideoManifest, VideoPreprocessing
from models.encoders.session import SessionSettings
from models.training.common import Floats, console, parse_arguments, progress_bar, write_manifest
from models.training.device import CPU, device_of
from models.training.labelled_media import Labelled, read_clothing, read_esc10
from models.training.video_films import (
    KNOWN,
    UNKNOWN,
    Films,
    FrameVectors,
    Kinds,
    frame_vectors,
    make_films,
    stored_vectors,
)
from models.training.video_network import FrameAttention, export_frame_attention, pooled
from models.training.video_quality import (
    Judged,
    Pool,
    evaluate,
    evaluate_sound,
    max_pool,
    mean_pool,
    subject_pool,
)

NAME = "video-attention-128"
IMAGE_ENCODER, AUDIO_ENCODER = "image-cnn-64", "audio-gru-64"
FRAMES = 8
EPOCHS = 40
BATCH_FILMS = 128
LEARNING_RATE = 1e-2
# Of the softmax over a batch's films: its inverse temperature, and its share in the loss.
CONTRAST_SCALE = 16.0
CONTRAST_WEIGHT = 0.2
# Networks that are trained beside the one that ships, to see what chance does.
OTHER_SEEDS = 2
DATASET = "clothing-dataset-small"


def main() -> None:
    """Trains, exports, evaluates, and writes the manifest."""
    arguments = parse_arguments(__doc__ or "", teachers=False)
    settings = SessionSettings(threads=arguments.threads)
    image = load_encoder(BUNDLED_FOLDER / IMAGE_ENCODER, settings)
    audio = load_encoder(BUNDLED_FOLDER / AUDIO_ENCODER, settings)
    assert isinstance(image, ImageEncoder)
    assert isinstance(audio, AudioEncoder)
    clothing = read_clothing(arguments.data)
    split = {
        part: judged(clothing, part, image, arguments.cache, arguments.seed)
        for part in ("train", "validation", "test")
    }
    epochs = arguments.epochs or EPOCHS
    networks = [
        train(split["train"], epochs, seed, f"{NAME}, seed {seed}", arguments.device)
        for seed in range(arguments.seed, arguments.seed + 1 + OTHER_SEEDS)
    ]
    folder: Path = arguments.out / NAME
    manifest = VideoManifest(
        name=NAME,
        dimension=image.dimension + audio.dimension,
        description="Frames in the image space, weighed by attention, beside the sound in the audio space.",
        source=f"python -m models.training.video, on {IMAGE_ENCODER} and {AUDIO_ENCODER}",
        licence="Apache-2.0",
        notice=f"See the manifests of {IMAGE_ENCODER} and {AUDIO_ENCODER}.",
        pooling=export_frame_attention(networks[0], folder / "pooling.onnx", arguments.storage),
        preprocessing=VideoPreprocessing(
            image_encoder=IMAGE_ENCODER, audio_encoder=AUDIO_ENCODER, frames=FRAMES
        ),
        trained_on=(
            TrainingData(
                dataset=DATASET,
                part=f"split `train`, films made up of {len(split['train'].labels)} photographs",
                licence="CC0-1.0",
            ),
        ),
    )
    write_manifest(manifest, arguments.out)
    learned, *others = (learned_pool(network) for network in networks)
    pools: dict[str, Pool] = {
        "": learned,
        "mean_": mean_pool,
        "max_": max_pool,
        "subject_": subject_pool,
    }
    quality = {
        name: figure
        for part in ("validation", "test")
        for name, figure in evaluate(pools, others, split["train"], split[part], part, arguments.seed).items()
    }
    clips = read_esc10(arguments.data)
    console.print(f"{AUDIO_ENCODER}: {len(clips.items)} clips")
    sounds = audio.encode(clips.items)
    quality |= evaluate_sound(learned, split["train"], split["test"], clips, sounds, "test", arguments.seed)
    write_manifest(msgspec.structs.replace(manifest, quality=quality), arguments.out)


def judged(clothing: Labelled, part: str, image: ImageEncoder, cache: Path | None, seed: int) -> Judged:
    """What films of one split are made of. Each split has pictures, views and fillers of its own."""
    chosen = clothing.parts == part
    photographs = Labelled(
        [item for item, inside in zip(clothing.items, chosen, strict=True) if inside],
        clothing.labels[chosen],
        clothing.parts[chosen],
        clothing.classes,
    )

    def vectors(kinds: Kinds, name: str) -> FrameVectors:
        random = np.random.default_rng([seed, *f"{part} {name}".encode()])
        path = cache / f"video-{part}-{name}.npz" if cache else None
        return stored_vectors(
            path, lambda: frame_vectors(photographs, image, kinds, random, f"{part}, {name} kinds")
        )

    known = vectors(KNOWN, "known")
    return Judged(known, known if part == "train" else vectors(UNKNOWN, "unknown"), photographs.labels)


def train(films_of: Judged, epochs: int, seed: int, title: str, device: torch.device = CPU) -> FrameAttention:
    """A network that has seen new films of every photograph in each epoch. The schedule is OneCycle AdamW.

    It learns on ``device``, and comes back to the CPU.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = FrameAttention(films_of.known.whole.shape[1]).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    count = len(films_of.labels)
    steps = epochs * (count // BATCH_FILMS)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.2)
    network.train()
    with progress_bar() as bar:
        task = bar.add_task(title, total=steps, note="")
        for _ in range(epochs):
            films = make_films(films_of.known, films_of.labels, random.permutation(count), random)
            for first in range(0, count - BATCH_FILMS + 1, BATCH_FILMS):
                rows = slice(first, first + BATCH_FILMS)
                distance, contrast = losses(network, films, rows)
                optimiser.zero_grad()
                (distance + CONTRAST_WEIGHT * contrast).backward()
                optimiser.step()
                schedule.step()
                bar.update(
                    task, advance=1, note=f"1-cos {distance.item():.3f} contrast {contrast.item():.3f}"
                )
    return network.cpu().eval()


def losses(network: FrameAttention, films: Films, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """How far pooled vectors are from their targets (1 - cosine), and how hard these are to tell from the
    targets of the batch's other films (InfoNCE, van den Oord et al. 2018, eq. 4)."""
    device = device_of(network)
    frames, present, targets = (
        torch.from_numpy(array[rows]).to(device) for array in (films.frames, films.present, films.targets)
    )
    given = pooled(frames, network(frames, present))
    cosines = given @ targets.T
    wanted = torch.arange(len(targets), device=device)
    return (1 - cosines.diagonal()).mean(), nn.functional.cross_entropy(CONTRAST_SCALE * cosines, wanted)


def learned_pool(network: FrameAttention) -> Pool:
    """The network as a function of films."""

    def pool(films: Films) -> Floats:
        frames, present = torch.from_numpy(films.frames), torch.from_numpy(films.present)
        with torch.inference_mode():
            return pooled(frames, network(frames, present)).numpy()

    return pool


if __name__ == "__main__":
    main()
