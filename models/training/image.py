"""``image-cnn-64``: a small convolutional network distilled from MobileNet v1 on photographs of clothes.

The teacher sees views of the training photographs (whole, and cropped, mirrored, recoloured); its vectors,
brought to 64 numbers by PCA, are what the student learns from the same views at a lower resolution, together
with the class labels of the training split.

    python -m models.training.image --data DIR --weights DIR --out DIR
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.encoders.loading import load_encoder
from models.encoders.manifest import ImageManifest, ImagePreprocessing, Measurement, TrainingData
from models.onnx_runtime import ort
from models.preprocessing.image import fit_square
from models.training.common import (
    Floats,
    export_module,
    linear_probe,
    neighbour_accuracy,
    parse_arguments,
    principal_axes,
    progress_bar,
    unit,
    write_manifest,
)
from models.training.distillation import CentredUnit, distil
from models.training.image_network import ImageNetwork
from models.training.image_views import random_view
from models.training.labelled_media import Labelled, read_clothing

NAME = "image-cnn-64"
DIMENSION = 64
SIZE_PX = 96
TEACHER_PX = 224
BILINEAR = Image.Resampling.BILINEAR  # as the teacher was trained
VIEWS = 5
EPOCHS = 16
DATASET = "clothing-dataset-small"


def main() -> None:
    """Trains, exports, evaluates, and writes the manifest."""
    arguments = parse_arguments(__doc__ or "")
    clothing = read_clothing(arguments.data)
    pixels, owners, taught = _taught(clothing, arguments.weights, arguments.cache, arguments.seed)
    train = clothing.parts[owners] == "train"
    mean, axes = principal_axes(taught[train], DIMENSION)
    targets = unit((taught - mean) @ axes)
    student = distil(
        ImageNetwork(DIMENSION).to(memory_format=torch.channels_last),
        torch.from_numpy(pixels[train]),
        targets[train],
        clothing.labels[owners[train]],
        augment,
        epochs=arguments.epochs or EPOCHS,
        seed=arguments.seed,
        title=NAME,
        device=arguments.device,
    )
    whole = np.arange(0, len(pixels), VIEWS)  # each photograph's first view is the photograph itself
    seen = torch.from_numpy(pixels[whole][clothing.parts == "train"])
    with torch.inference_mode():
        outputs = torch.cat([student(chunk) for chunk in seen.split(64)])
    folder: Path = arguments.out / NAME
    entry = export_module(
        CentredUnit(student, outputs.mean(0)),
        torch.zeros((2, SIZE_PX, SIZE_PX, 3), dtype=torch.uint8),
        "image",
        folder / "model.onnx",
        arguments.storage,
    )
    manifest = ImageManifest(
        name=NAME,
        dimension=DIMENSION,
        description=(
            "Depthwise-separable convolutions, distilled from MobileNet v1 on photographs of clothes."
        ),
        source="python -m models.training.image",
        licence="Apache-2.0",
        notice=(
            "Teacher: MobileNet v1 1.0 224 (google-coral/test_data, Apache-2.0). "
            "None of its weights are here."
        ),
        graph=entry,
        preprocessing=ImagePreprocessing(size_px=SIZE_PX, layout="nhwc", dtype="uint8", fit="stretch"),
        trained_on=(
            TrainingData(
                dataset=DATASET,
                part=f"split `train`, {int((clothing.parts == 'train').sum())} photographs and their labels",
                licence="CC0-1.0",
            ),
        ),
    )
    write_manifest(manifest, arguments.out)
    vectors = load_encoder(folder).encode(list(pixels[whole]))
    quality = evaluate(vectors, taught[whole], targets[whole], clothing)
    write_manifest(msgspec.structs.replace(manifest, quality=quality), arguments.out)


def evaluate(vectors: Floats, teacher: Floats, targets: Floats, clothing: Labelled) -> dict[str, Measurement]:
    """Figures on splits that training has not seen, the teacher's beside them."""
    quality = {}
    for part in ("validation", "test"):
        train, test = clothing.parts == "train", clothing.parts == part
        for who, rows in (("", vectors), ("teacher_", teacher), ("teacher_pca64_", targets)):
            for metric, score in (("linear_probe", linear_probe), ("neighbours_10", neighbour_accuracy)):
                value = score(rows[train], clothing.labels[train], rows[test], clothing.labels[test])
                quality[f"{who}{metric}_{part}"] = Measurement(
                    value=round(value, 4), dataset=f"{DATASET}, split {part}", method="fitted on split train"
                )
    return quality


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Mirrored by chance, colour moved a little: what the teacher's vector hardly depends on."""
    mirrored = torch.rand(len(pixels), generator=generator) < 0.5
    x = torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels).to(torch.float32)
    gain = 1 + 0.15 * (2 * torch.rand((len(x), 1, 1, 3), generator=generator) - 1)
    return (x * gain).clamp(0, 255)


def _taught(
    clothing: Labelled, weights: Path, cache: Path | None, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], Floats]:
    """Views [n, SIZE_PX, SIZE_PX, 3], the photograph of each, and the teacher's vectors [n, 1024]."""
    owners = np.repeat(np.arange(len(clothing.items)), VIEWS)
    stored = cache / "image.npz" if cache else None
    if stored and stored.exists():
        loaded = np.load(stored)
        return loaded["pixels"], owners, loaded["taught"]
    rng = np.random.default_rng(seed)
    teacher_size = (TEACHER_PX, TEACHER_PX)
    session = ort.InferenceSession(weights / "mobilenet_v1_embedding.onnx", _one_thread())
    pixels = np.zeros((len(owners), SIZE_PX, SIZE_PX, 3), np.uint8)
    taught = np.zeros((len(owners), 1024), np.float32)
    with progress_bar() as bar:
        task = bar.add_task("teacher on views", total=len(clothing.items), note="")
        for number, (photograph, part) in enumerate(zip(clothing.items, clothing.parts, strict=True)):
            first = number * VIEWS
            # only training photographs need more than one view
            count = VIEWS if part == "train" else 1
            views = [photograph] + [random_view(photograph, rng) for _ in range(count - 1)]
            big = np.stack([np.asarray(view.resize(teacher_size, BILINEAR)) for view in views])
            taught[first : first + count] = session.run(["embedding"], {"image": big})[0]
            pixels[first : first + count] = [fit_square(view, SIZE_PX, "stretch") for view in views]
            bar.update(task, advance=1)
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        np.savez(stored, pixels=pixels, taught=taught)
    return pixels, owners, taught


def _one_thread() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return options


if __name__ == "__main__":
    main()
