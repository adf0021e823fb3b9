"""A user's own ONNX file, brought by a folder with a manifest, as the image encoder of a stream."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.encoders import EncoderRegistry
from models.preprocessing.image import decode_image
from tests.conftest import KafkaServer, RedisServer
from tests.integration.stream.bench import Stream, item_ids
from tests.integration.stream.media_server import MediaServer
from tests.integration.stream.stack import contribution, running, unit

NAME, DIMENSION, SIZE_PX = "mobilenet-v1", 1_024, 224
PICTURES = ("shoes-*.jpg", "dress-*.jpg", "skirt-*.jpg")


@pytest.fixture
def encoders(shared_dir: Path, tmp_path: Path) -> Path:
    """A folder of encoders with MobileNet in it."""
    weights = shared_dir / "weights" / "mobilenet_v1_embedding.onnx"
    if not weights.exists():
        pytest.skip(f"no {weights}")
    folder = tmp_path / "encoders" / NAME
    folder.mkdir(parents=True)
    graph = Path(shutil.copyfile(weights, folder / "model.onnx")).read_bytes()
    manifest = {
        "modality": "image",
        "name": NAME,
        "dimension": DIMENSION,
        "source": "google-coral/test_data",
        "licence": "Apache-2.0",
        "graph": {
            "file": "model.onnx",
            "sha256": hashlib.sha256(graph).hexdigest(),
            "size_bytes": len(graph),
            "opset": 17,
            "inputs": ["image"],
            "output": "embedding",
        },
        "preprocessing": {"size_px": SIZE_PX, "layout": "nhwc", "dtype": "uint8"},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder.parent


def cosines(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    return vectors @ vectors.T


def test_a_users_own_image_encoder(
    kafka: KafkaServer,
    redis_server: RedisServer,
    topic_prefix: str,
    tmp_path: Path,
    media_server: MediaServer,
    media_folder: Path,
    encoders: Path,
) -> None:
    roles = ("text", "image", "fuse", "recommend")
    with (
        Stream(
            kafka.bootstrap_servers,
            redis_server.url,
            topic_prefix,
            tmp_path,
            media={"file_roots": [str(media_folder)]},
            encoders={"folders": [str(encoders)], "image": NAME},
        ) as stream,
        running(stream, media_server, media_folder, *roles) as stack,
    ):
        for pattern in PICTURES:
            medium = {"kind": "image", "uri": stack.file_uri(pattern)}
            stack.publish_item(pattern, attributes={"tag": "own"}, media=[medium])
        twin = stack.file_uri(PICTURES[0])
        stack.publish_item("twin", attributes={"tag": "own"}, media=[{"kind": "image", "uri": twin}])
        found = [unit(stack.await_modalities(pattern, "image")) for pattern in PICTURES]
        files = [stack.file(pattern).read_bytes() for pattern in PICTURES]
        stack.await_listed("own", *PICTURES, "twin")
        answer = stack.ask("somebody", seed_items=[PICTURES[0]], filter={"tag": "own"})
    assert item_ids(answer)[0] == "twin"
    assert contribution(answer["items"][0], "seed_item") == pytest.approx(1, abs=0.01)
    # The projection to the fused space keeps angles about as they are among MobileNet's own vectors.
    encoder = EncoderRegistry([encoders]).get(NAME)
    own = encoder.encode(np.stack([decode_image(data, SIZE_PX, fit="stretch") for data in files]))
    assert own.shape == (len(PICTURES), DIMENSION)
    assert cosines(np.stack(found)) == pytest.approx(cosines(own), abs=0.25)
