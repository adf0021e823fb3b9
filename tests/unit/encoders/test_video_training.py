"""What weighs frames begins at the mean, learns to look past fillers, and is exported as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("sklearn", reason="the extra `train` is not installed")
pytest.importorskip("onnx", reason="the extra `train` is not installed")

from models.encoders.frame_weights import FrameWeights  # noqa: E402
from models.encoders.session import SessionSettings  # noqa: E402
from models.training.common import unit  # noqa: E402
from models.training.video import learned_pool, train  # noqa: E402
from models.training.video_films import (  # noqa: E402
    FILLERS,
    MAX_FRAMES,
    VIEWS,
    Films,
    FrameVectors,
    make_films,
)
from models.training.video_network import FrameAttention, export_frame_attention  # noqa: E402
from models.training.video_quality import Judged, max_pool, mean_pool, subject_pool  # noqa: E402

DIMENSION, CLASSES, PHOTOGRAPHS = 8, 3, 256
LABELS = np.arange(PHOTOGRAPHS) % CLASSES


def tiny_world(seed: int = 0) -> FrameVectors:
    """Photographs around the first three axes; what is spoilt or filled in lies around others."""
    random = np.random.default_rng(seed)
    axes = np.eye(DIMENSION)

    def around(middle: Any, *shape: int) -> Any:
        return unit(middle + 0.1 * random.standard_normal((*shape, DIMENSION))).astype(np.float32)

    whole = around(axes[LABELS], PHOTOGRAPHS)
    views = np.stack([around(whole, PHOTOGRAPHS) for _ in range(VIEWS)], axis=1)
    spoilt = {"blur": around(0.3 * whole + axes[6], PHOTOGRAPHS)}
    return FrameVectors(whole, views, spoilt, {"black": around(axes[7], FILLERS)})


WORLD = tiny_world()


def films(count: int = 200, seed: int = 0, *, clean: bool = False) -> Films:
    random = np.random.default_rng(seed)
    return make_films(WORLD, LABELS, random.integers(0, PHOTOGRAPHS, count), random, clean=clean)


def test_a_film_is_mostly_its_subject() -> None:
    made = films(400)
    lengths, shown = made.present.sum(axis=1), made.subject.sum(axis=1)
    assert {*lengths} == set(range(1, MAX_FRAMES + 1))
    assert (shown >= 1).all()
    assert not (made.subject & ~made.present).any()
    assert not made.frames[~made.present].any()
    assert 0.4 < (shown / lengths).mean() < 0.9
    # frames nearest to an axis of another class: a stretch that is shorter than the subject's
    foreign = made.frames[:, :, :CLASSES].argmax(axis=2) != LABELS[made.owners][:, None]
    foreign &= made.present & (made.frames[:, :, :CLASSES].max(axis=2) > 0.7)
    assert foreign.any()
    assert (foreign.sum(axis=1) < np.maximum(shown, 1)).all()


def test_a_clean_film_is_nothing_else() -> None:
    made = films(50, clean=True)
    assert (made.subject == made.present).all()


def test_the_same_seed_makes_the_same_films() -> None:
    assert np.array_equal(films(20).frames, films(20).frames)
    assert not np.array_equal(films(20).frames, films(20, seed=1).frames)


def test_it_begins_at_the_mean() -> None:
    made = films()
    assert learned_pool(FrameAttention(DIMENSION))(made) == pytest.approx(mean_pool(made), abs=1e-6)


def test_it_learns_which_frames_are_the_film() -> None:
    network = train(Judged(WORLD, WORLD, LABELS), epochs=40, seed=0, title="test")
    made = films(seed=2)

    def nearness(pool: Any) -> float:
        return float((pool(made) * made.targets).sum(axis=1).mean())

    best = nearness(subject_pool)
    left = best - nearness(mean_pool)
    assert nearness(max_pool) < nearness(learned_pool(network))
    assert nearness(learned_pool(network)) > best - 0.5 * left
    assert left > 0.05


def test_the_graph_gives_what_the_network_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = FrameAttention(DIMENSION, hidden=4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    entry = export_frame_attention(network, tmp_path / "pooling.onnx", "float32")
    weights = FrameWeights(tmp_path, entry, DIMENSION, SessionSettings(batch_size=64))
    made = films(40)
    with torch.inference_mode():
        expected = network(torch.from_numpy(made.frames), torch.from_numpy(made.present)).numpy()
    given = weights.of(made.frames[made.present], made.present.sum(axis=1))
    assert expected.std() > 0.05
    assert given == pytest.approx(expected[made.present], abs=1e-5)
