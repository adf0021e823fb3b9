"""Where networks learn: asked for by name, and all of a run's numbers are there.

Without a GPU two stand-ins tell tensors of another device from the CPU's: PyTorch's device `meta`, which
computes shapes only, for whole runs; and its fake tensors, which refuse what a GPU would, for networks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

from models.errors import SettingError  # noqa: E402
from models.training.common import parse_arguments  # noqa: E402
from models.training.device import training_device  # noqa: E402
from models.training.distillation import distil  # noqa: E402
from models.training.fusion_networks import FUSION_METHODS, FusionMethod, fusion_network  # noqa: E402
from models.training.fusion_training import FusionSettings, FusionTraining, embed, item_inputs  # noqa: E402
from models.training.user_network import UserNetwork  # noqa: E402
from models.training.user_training import UserModelSettings, UserTraining  # noqa: E402
from models.training.video_network import FrameAttention, pooled  # noqa: E402
from tests.unit.fusion.tastes import tastes  # noqa: E402
from tests.unit.user_models.walks import vectors, walks  # noqa: E402
from workers.cli.running import CONFIGURATION, run  # noqa: E402

META, CPU = torch.device("meta"), torch.device("cpu")
DATA = tastes()
FUSION = FusionSettings(dimension=16, hidden=16, epochs=2, batch_people=300, negatives=64)
PEOPLE = UserModelSettings(hidden=16, epochs=2, batch_windows=32, negatives=8)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def far_device(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """A device that computes nothing: what comes back from it is ones."""
    monkeypatch.setattr(torch.Tensor, "item", lambda tensor: 1.0)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: torch.ones(tensor.shape, dtype=tensor.dtype))
    return META


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [training_device(name).type for name in ("cpu", "cuda", "auto")] == ["cpu", "cuda", "cuda"]


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_one_that_is_asked_for_is_missed() -> None:
    assert training_device("auto") == training_device("cpu") == CPU
    with pytest.raises(SettingError, match="finds no GPU"):
        training_device("cuda")


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    "command",
    [
        ["train", "fusion", "--out", "out"],
        ["train", "user-model", "--out", "out"],
        ["evaluate", "offline"],
    ],
)
def test_a_command_misses_it_before_it_reads_anything(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--dataset", "no such folder", "--device", "cuda"]) == CONFIGURATION
    assert "finds no GPU" in capsys.readouterr().err


@pytest.mark.usefixtures("no_gpu")
def test_a_script_for_encoders_misses_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["script", "--data", "data", "--out", "out", "--device"]
    monkeypatch.setattr("sys.argv", [*given, "cuda"])
    with pytest.raises(SystemExit):
        parse_arguments("a script", teachers=False)
    assert "finds no GPU" in capsys.readouterr().err


@pytest.mark.parametrize("method", FUSION_METHODS)
def test_all_of_a_fusions_run_is_on_its_device(method: FusionMethod, far_device: torch.device) -> None:
    settings = FusionSettings(method, 16, 16, epochs=1, batch_people=600, negatives=64, popularity=0.5)
    seen: list[str] = []

    def on_epoch(epoch: int, loss: float, network: torch.nn.Module) -> bool:
        seen.append(next(network.parameters()).device.type)
        assert embed(network, item_inputs(DATA.features)).shape == (len(DATA.features["image"]), 16)
        return False

    network = FusionTraining(settings, DATA.train, DATA.features, 1, device=far_device).run(on_epoch)
    assert seen == ["meta"]
    assert next(network.parameters()).device == CPU


def test_all_of_a_user_models_run_is_on_its_device(far_device: torch.device) -> None:
    given = UserTraining(PEOPLE, walks(), vectors(), 1, views=lambda seed: [vectors()], device=far_device)
    seen: list[str] = []
    network = given.run(lambda *found: bool(seen.append(next(found[2].parameters()).device.type)))
    assert seen == ["meta", "meta"]
    assert next(network.parameters()).device == CPU


def test_all_of_a_distillation_is_on_its_device(far_device: torch.device) -> None:
    student = distil(
        torch.nn.Linear(5, 3),
        torch.ones(8, 5),
        np.ones((8, 3), np.float32),
        np.arange(8) % 2,
        lambda rows, generator: rows,
        epochs=1,
        batch_size=4,
        device=far_device,
    )
    assert next(student.parameters()).device == CPU


def test_networks_make_what_they_need_on_the_device_of_what_they_are_given() -> None:
    with FakeTensorMode():
        with torch.device("cuda"):
            people, frames = UserNetwork(8, 16), FrameAttention(8)
            rows = {"text": torch.ones(4, 3), "image": torch.ones(4, 2)}
            fusions = [fusion_network(method, rows, 8, 8) for method in FUSION_METHODS]
            several, one, told = torch.ones(2, 5, 8), torch.ones(5, 8), torch.ones(5, 6)
            pairs, present = torch.ones(2, 5, 5), torch.ones(2, 5).bool()
            features, has = torch.ones(6, 5), torch.ones(6, 2)
        made = [people(several, pairs, pairs, present), people.newest(one, told)]
        made.append(pooled(several, frames(several, present)))
        made += [fusion(features, has) for fusion in fusions]
    assert {vector.device.type for vector in made} == {"cuda"}


Training = Callable[[Path | None], FusionTraining | UserTraining]


def a_fusion(file: Path | None) -> FusionTraining:
    return FusionTraining(FUSION, DATA.train, DATA.features, 1, file)


def a_user_model(file: Path | None) -> UserTraining:
    return UserTraining(PEOPLE, walks(), vectors(), 1, file)


@pytest.mark.parametrize("training", [a_fusion, a_user_model])
def test_a_run_that_was_stopped_on_a_gpu_goes_on_without_one(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = training(None)
    whole.run()
    file = tmp_path / "checkpoint.pt"
    with monkeypatch.context() as patch:
        # As a GPU's tensors are marked in files.
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        training(file).run(lambda epoch, loss, network: epoch == 1)
    resumed = training(file)
    resumed.run()
    assert resumed.losses == whole.losses
