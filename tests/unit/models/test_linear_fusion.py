"""The starting fusion: unit length, any subset, the same space and numbers everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.errors import DimensionError, EncoderOutputError, SettingError
from models.fusion import EncoderPart, EncoderSpec, FusionWeights, LinearFusion, bilinear_score
from models.fusion.interface import MODALITIES, Modality
from models.fusion.projection import orthonormal_projection

TEXT = EncoderSpec("text-128", "aa", 128)
IMAGE = EncoderSpec("image-64", "bb", 64)
AUDIO = EncoderSpec("audio-64", "cc", 64)
VIDEO = EncoderSpec(
    "video-128", "dd", 128, (EncoderPart("image", "bb", 0, 64), EncoderPart("audio", "cc", 64, 64))
)
ENCODERS: dict[Modality, EncoderSpec] = {"text": TEXT, "image": IMAGE, "audio": AUDIO, "video": VIDEO}
FUSION = LinearFusion(ENCODERS)


def unit(dimension: int, seed: int = 0) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


FEATURES = {
    modality: unit(encoder.dimension, seed) for seed, (modality, encoder) in enumerate(ENCODERS.items())
}
subsets = st.lists(st.sampled_from(MODALITIES), unique=True)
number = st.floats(-1e3, 1e3, width=32)


@given(
    st.dictionaries(st.sampled_from(MODALITIES), st.none()).flatmap(
        lambda chosen: st.fixed_dictionaries(
            {
                modality: arrays(np.float32, ENCODERS[modality].dimension, elements=number)
                for modality in chosen
            }
        )
    )
)
def test_whatever_is_present_the_vector_has_unit_length_or_is_none(
    features: dict[Modality, np.ndarray],
) -> None:
    fused = FUSION.fuse(features)
    if fused is None:
        ours = [feature for feature in features.values() if feature.any()]
        # Pictures and sounds may cancel out against a film; alone, nothing that is there is lost.
        assert len(ours) != 1
    else:
        assert fused.shape == (256,)
        assert fused.dtype == np.float32
        assert np.linalg.norm(fused.astype(np.float64)) == pytest.approx(1.0, abs=1e-5)


@given(subsets.filter(bool))
def test_f_of_i_times_w1_is_the_fused_vector(present: list[Modality]) -> None:
    features = {modality: FEATURES[modality] for modality in present}
    f = FUSION.features(features)
    fused = FUSION.fuse(features)
    user = unit(256, 9)
    assert f is not None
    assert fused is not None
    assert f.shape == (FUSION.feature_dimension,) == (384,)
    np.testing.assert_allclose(FUSION.w1() @ f, fused, atol=1e-6)
    score = bilinear_score(user, FUSION.w1(), f, bias=0.25)
    assert score == pytest.approx(float(user @ fused) + 0.25, abs=1e-5)


@given(st.permutations(MODALITIES))
def test_the_order_of_modalities_does_not_matter(order: list[Modality]) -> None:
    shuffled = FUSION.fuse({modality: FEATURES[modality] for modality in order})
    np.testing.assert_array_equal(shuffled, FUSION.fuse(FEATURES))


@given(subsets, st.floats(0.01, 100.0))
def test_the_length_of_a_feature_does_not_matter(present: list[Modality], factor: float) -> None:
    features = {modality: FEATURES[modality] for modality in present}
    longer = {modality: (feature * factor).astype(np.float32) for modality, feature in features.items()}
    first, second = FUSION.fuse(features), FUSION.fuse(longer)
    if first is None or second is None:
        assert not present
    else:
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_each_modality_alone_keeps_its_angles() -> None:
    for modality, encoder in ENCODERS.items():
        a, b = unit(encoder.dimension, 1), unit(encoder.dimension, 2)
        fused_a, fused_b = FUSION.fuse_batch([{modality: a}, {modality: b}])
        assert fused_a is not None
        assert fused_b is not None
        assert float(fused_a @ fused_b) == pytest.approx(float(a @ b), abs=1e-5)


def test_a_batch_gives_what_each_item_gives_alone() -> None:
    batch = [FEATURES, {}, {"text": FEATURES["text"]}, {"image": np.zeros(64, np.float32)}]
    together = FUSION.fuse_batch(batch)
    assert [vector is None for vector in together] == [False, True, False, True]
    for features, fused in zip(batch, together, strict=True):
        alone = FUSION.fuse(features)
        assert (alone is None and fused is None) or np.array_equal(alone, fused)
    assert FUSION.fuse_batch([]) == []


def test_a_film_meets_pictures_and_sounds_like_it() -> None:
    picture, sound = unit(64, 1), unit(64, 2)
    film = FUSION.fuse({"video": np.concatenate([picture, sound])})
    silent = FUSION.fuse({"video": np.concatenate([picture, np.zeros(64, np.float32)])})
    image = FUSION.fuse({"image": picture})
    audio = FUSION.fuse({"audio": sound})
    assert film is not None
    assert silent is not None
    assert image is not None
    assert audio is not None
    assert float(film @ image) == pytest.approx(np.sqrt(0.5), abs=1e-5)
    assert float(film @ audio) == pytest.approx(np.sqrt(0.5), abs=1e-5)
    assert float(silent @ image) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    "video",
    [
        replace(VIDEO, parts=()),
        replace(VIDEO, parts=(EncoderPart("image", "another", 0, 64), EncoderPart("audio", "cc", 64, 64))),
    ],
)
def test_a_video_encoder_of_its_own_is_not_taken_for_pictures(video: EncoderSpec) -> None:
    fusion = LinearFusion({**ENCODERS, "video": video})
    block = fusion.w1()[:, 256:384]
    assert not block[:128].any()
    np.testing.assert_allclose(block.T @ block, np.eye(128), atol=1e-5)
    film = fusion.fuse({"video": np.concatenate([unit(64, 1), np.zeros(64, np.float32)])})
    image = fusion.fuse({"image": unit(64, 1)})
    assert film is not None
    assert image is not None
    assert abs(float(film @ image)) < 0.6


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_projection_is_orthonormal_on_its_shorter_side(rows: int, columns: int) -> None:
    projection = orthonormal_projection(1, 0, rows, columns).astype(np.float64)
    gram = projection.T @ projection if rows >= columns else projection @ projection.T
    np.testing.assert_allclose(gram, np.eye(min(rows, columns)), atol=1e-6)


def test_a_projection_is_the_same_on_every_machine() -> None:
    expected = [
        [0.3968339, 0.5104359, 0.5995718, -0.0378444, -0.4701695],
        [-0.0374683, -0.5864586, -0.0937176, -0.2333779, -0.7690346],
        [0.5850117, -0.602249, 0.3994632, 0.1468535, 0.3375213],
    ]
    np.testing.assert_allclose(orthonormal_projection(1, 1, 3, 5), expected, atol=1e-6)


def test_an_encoder_of_another_dimension_is_projected() -> None:
    fusion = LinearFusion({"text": replace(TEXT, dimension=768), "image": replace(IMAGE, dimension=32)})
    text = fusion.fuse({"text": unit(768)})
    assert text is not None
    assert not text[128:].any()
    a, b = fusion.fuse_batch([{"image": unit(32, 1)}, {"image": unit(32, 2)}])
    assert a is not None
    assert b is not None
    assert float(a @ b) == pytest.approx(float(unit(32, 1) @ unit(32, 2)), abs=1e-5)


def test_the_same_models_have_the_same_space_and_any_change_another() -> None:
    def spec(modality: Modality, **changes: object) -> dict[Modality, EncoderSpec]:
        return {**ENCODERS, modality: replace(ENCODERS[modality], **changes)}  # type: ignore[arg-type]

    spaces = [
        LinearFusion(encoders, weights, seed).space
        for encoders, weights, seed in [
            (ENCODERS, None, 1),
            (spec("text", sha256="ab"), None, 1),
            (spec("image", name="other"), None, 1),
            (spec("audio", dimension=65), None, 1),
            (spec("video", parts=()), None, 1),
            (ENCODERS, FusionWeights(text=2.0), 1),
            (ENCODERS, None, 2),
            ({"text": TEXT}, None, 1),
        ]
    ]
    assert len(set(spaces)) == len(spaces)
    again = LinearFusion(dict(reversed(ENCODERS.items())), FusionWeights(text=1), 1)
    assert again.space == spaces[0] == "linear-9d6901b1"


def test_a_weight_of_zero_leaves_a_modality_out() -> None:
    fusion = LinearFusion(ENCODERS, FusionWeights(text=0.0, image=3.0))
    assert fusion.fuse({"text": FEATURES["text"]}) is None
    both = fusion.fuse({"text": FEATURES["text"], "image": FEATURES["image"]})
    np.testing.assert_array_equal(both, fusion.fuse({"image": FEATURES["image"]}))
    mixed = fusion.fuse({"image": FEATURES["image"], "audio": FEATURES["audio"]})
    assert mixed is not None
    assert np.linalg.norm(mixed[128:192]) == pytest.approx(3 * np.linalg.norm(mixed[192:]), rel=1e-5)


def test_what_does_not_fit_is_refused_with_its_shapes() -> None:
    with pytest.raises(DimensionError, match=r"text encoder text-128 gives \[128\]; the feature is \[64\]"):
        FUSION.fuse({"text": unit(64)})
    with pytest.raises(DimensionError, match=r"no audio encoder here; there is text"):
        LinearFusion({"text": TEXT}).fuse({"audio": unit(64)})
    with pytest.raises(DimensionError, match=r"the parts of video encoder video-128 have 64 numbers"):
        LinearFusion({**ENCODERS, "video": replace(VIDEO, parts=VIDEO.parts[:1])})
    with pytest.raises(DimensionError, match=r"100 from 64"):
        LinearFusion({**ENCODERS, "video": replace(VIDEO, parts=(EncoderPart("image", "bb", 64, 100),))})
    with pytest.raises(DimensionError, match=r"u \[256\], W₁ \[256, 384\] and f\(i\) \[128\]"):
        bilinear_score(unit(256), FUSION.w1(), unit(128), 0.0)
    with pytest.raises(SettingError, match="audio"):
        FusionWeights(audio=-1.0)
    for broken in (np.nan, np.inf):
        with pytest.raises(EncoderOutputError, match="not finite"):
            FUSION.fuse({"image": np.full(64, broken, np.float32)})


def test_a_large_finite_feature_does_not_overflow() -> None:
    fused = FUSION.fuse({"image": np.full(64, 3e38, np.float32)})
    assert fused is not None
    np.testing.assert_allclose(fused[128:192], np.full(64, 0.125), rtol=1e-6)
