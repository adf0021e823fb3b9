"""Arms and their settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streams.errors import ConfigurationError
from streams.settings import Settings, load_settings
from workers.experiments import Experiment
from workers.model_settings import rerank_settings

PEOPLE = [f"person-{number}" for number in range(200)]
FILE = """
[rerank]
diversity = 0.1
no_repeat_hours = 12
max_per_attribute = {brand = 3}

[experiment]
name = "novelty"

[experiment.arms.bold]
share = 0.3
rerank = {diversity = 0.6, max_per_attribute = {category = 2}}

[experiment.arms.wide]
share = 0.2
recommend = {ranker = "cascade", candidates = 800}
sources = {trending = 0}
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "freshet.toml"
    file.write_text(FILE)
    return load_settings(file)


def test_each_arm_has_its_settings_over_those_of_all(settings: Settings) -> None:
    control, bold, wide = Experiment(settings).arms
    assert [(arm.experiment, arm.name) for arm in (control, bold, wide)] == [
        ("novelty", "control"),
        ("novelty", "bold"),
        ("novelty", "wide"),
    ]
    assert (control.recommend, control.sources, control.rerank) == (
        settings.recommend,
        settings.sources,
        settings.rerank,
    )
    assert (bold.rerank.diversity, bold.rerank.no_repeat_hours) == (0.6, 12)
    assert bold.rerank.max_per_attribute == {"category": 2}
    assert (bold.recommend, bold.sources) == (settings.recommend, settings.sources)
    assert (wide.recommend.ranker, wide.recommend.candidates, wide.sources.trending) == ("cascade", 800, 0)
    assert wide.rerank == settings.rerank


def test_every_process_puts_a_person_into_the_same_arm(settings: Settings, tmp_path: Path) -> None:
    program = (
        "from streams.settings import load_settings\nfrom workers.experiments import Experiment\n"
        "experiment = Experiment(load_settings())\n"
        "print(*(experiment.arm_of(f'person-{n}').name for n in range(200)))"
    )
    root = Path(__file__).parents[3]
    other = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    own = Experiment(settings)
    names = [own.arm_of(person).name for person in PEOPLE]
    assert set(names) == {"control", "bold", "wide"}
    assert other.stdout.split() == names


def test_without_arms_everybody_has_the_settings_of_all() -> None:
    settings = load_settings()
    arm = Experiment(settings).arm_of("anna")
    assert (arm.experiment, arm.name, arm.rerank) == (None, None, settings.rerank)


def test_the_name_is_the_salt_where_none_is_given() -> None:
    def arms(**experiment: str) -> list[str | None]:
        settings = load_settings(experiment={**experiment, "arms": {"a": {"share": 0.5}}})
        return [Experiment(settings).arm_of(person).name for person in PEOPLE]

    assert arms(name="one") != arms(name="two")
    assert arms(name="one") == arms(name="two", salt="one")


@pytest.mark.parametrize(
    ("arm", "named"),
    [
        ({"rerank": {"diversity": 3}}, r"experiment\.arms\.bold\.rerank\.diversity"),
        ({"rerank": {"divercity": 0.3}}, r"experiment\.arms\.bold\.rerank\.divercity"),
        ({"sources": {"trending": "many"}}, r"experiment\.arms\.bold\.sources\.trending"),
        ({"recommend": {"list_count": 0}}, r"experiment\.arms\.bold\.recommend\.list_count"),
        (
            {"recommend": {"popularity_half_life_days": 3}},
            r"recommend\.popularity_half_life_days`: .*all people",
        ),
        (
            {"rerank": {"rules": [{"filter": {"a": 1}, "effect": "boost"}]}},
            r"experiment\.arms\.bold\.rerank\.rules\.0.*amount above 0",
        ),
    ],
)
def test_a_wrong_override_is_named(arm, named) -> None:
    settings = load_settings(experiment={"name": "n", "arms": {"bold": {"share": 0.1, **arm}}})
    with pytest.raises(ConfigurationError, match=named):
        Experiment(settings)


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ({"name": "n", "arms": {"a": {"share": 0.6}, "b": {"share": 0.5}}}, "sum to 1.1"),
        ({"name": "n", "arms": {"control": {"share": 0.1}}}, "`control`"),
        ({"arms": {"a": {"share": 0.1}}}, "needs a `name`"),
        ({"name": "n", "arms": {"a": {"share": 0}}}, r"experiment\.arms\.a\.share"),
        ({"name": "n", "arms": {"a": {"share": 0.1, "fusion": {}}}}, r"experiment\.arms\.a\.fusion"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused(experiment, words) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_settings(experiment=experiment)


def test_shares_that_sum_to_one_but_for_rounding_are_taken() -> None:
    arms = {str(number): {"share": 0.1} for number in range(10)}
    experiment = Experiment(load_settings(experiment={"name": "n", "arms": arms}))
    assert "control" not in {experiment.arm_of(person).name for person in PEOPLE}
    assert rerank_settings(experiment.arm_of("anna").rerank).diversity == 0
