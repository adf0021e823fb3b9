"""One suite for the four trained fusions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from models.errors import TrainingError  # noqa: E402
from models.training.fusion_export import MIN_COSINE, agreement, export_fusion  # noqa: E402
from models.training.fusion_networks import FUSION_METHODS, FusionNetwork, fusion_network  # noqa: E402

WIDTHS = {"text": 12, "image": 8, "audio": 6}
ITEMS = 5


@pytest.fixture(params=FUSION_METHODS)
def network(request: pytest.FixtureRequest) -> FusionNetwork:
    """With weights that are not those of the start, or what begins at zero would not be tested."""
    torch.manual_seed(3)
    rows = {modality: torch.randn(40, width) + 1 for modality, width in WIDTHS.items()}
    made = fusion_network(request.param, rows, dimension=16, hidden=10)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return made.eval()


def features() -> torch.Tensor:
    return torch.randn(ITEMS, sum(WIDTHS.values()), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("subset", range(1, 8))
def test_vectors_of_any_subset_are_finite_and_of_unit_length(network: FusionNetwork, subset: int) -> None:
    present = torch.tensor([[float(subset >> bit & 1) for bit in range(3)]]).repeat(ITEMS, 1)
    fused = network(features(), present)
    assert fused.shape == (ITEMS, 16)
    torch.testing.assert_close(fused.norm(dim=1), torch.ones(ITEMS))


def test_nothing_present_is_zeros(network: FusionNetwork) -> None:
    assert not network(features(), torch.zeros(ITEMS, 3)).any()


@pytest.mark.parametrize("filler", [0.0, 7.0, float("inf"), float("nan")])
def test_what_stands_in_the_place_of_an_absent_modality_does_not_matter(
    network: FusionNetwork, filler: float
) -> None:
    present = torch.tensor([[1.0, 0.0, 1.0]]).repeat(ITEMS, 1)
    other = features()
    other[:, 12:20] = filler
    torch.testing.assert_close(network(other, present), network(features(), present))


@pytest.mark.parametrize("modality", range(3))
def test_each_modality_matters_where_it_is_present(network: FusionNetwork, modality: int) -> None:
    present = torch.ones(ITEMS, 3)
    fewer = present.clone()
    fewer[:, modality] = 0
    assert (network(features(), present) - network(features(), fewer)).norm(dim=1).min() > 1e-3


def test_a_batch_gives_what_its_items_give_alone(network: FusionNetwork) -> None:
    present = torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]])
    together = network(features(), present)
    alone = torch.cat([network(features()[row : row + 1], present[row : row + 1]) for row in range(ITEMS)])
    torch.testing.assert_close(together, alone)


def test_the_length_of_a_feature_does_not_matter(network: FusionNetwork) -> None:
    present = torch.ones(ITEMS, 3)
    torch.testing.assert_close(network(50 * features(), present), network(features(), present))


def test_the_exported_graph_gives_the_same_vectors(network: FusionNetwork, tmp_path: Path) -> None:
    entry, cosine = export_fusion(network, tmp_path / "model.onnx")
    assert cosine >= MIN_COSINE
    assert (entry.opset, entry.inputs, entry.output) == (17, ("features", "present"), "fused")


def test_an_exported_graph_of_other_weights_does_not_pass(network: FusionNetwork, tmp_path: Path) -> None:
    export_fusion(network, tmp_path / "model.onnx")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    assert agreement(network, tmp_path / "model.onnx") < MIN_COSINE


def test_an_export_that_differs_is_refused(
    network: FusionNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.fusion_export.agreement", lambda *_: 0.9)
    with pytest.raises(TrainingError, match=r"0\.9"):
        export_fusion(network, tmp_path / "model.onnx")


def test_whitening_takes_away_what_all_items_share() -> None:
    rows = {"image": torch.randn(200, 8) * 0.1 + 5}
    made = fusion_network("concat", rows, dimension=8)
    fused = made.eval()(rows["image"], torch.ones(200, 1))
    assert fused.mean(0).norm() < 0.2
    assert np.isfinite(fused.detach().numpy()).all()
