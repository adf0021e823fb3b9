"""The settings files that the guide shows can be used as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.settings import load_settings
from workers.experiments import Experiment
from workers.model_settings import cascade_settings, rerank_settings

GUIDE = Path(__file__).parents[3] / "docs" / "guide"


@pytest.mark.parametrize("page", ["reranking.md", "experiments.md"])
def test_a_settings_file_of_the_guide_works(page: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```", (GUIDE / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        file = tmp_path / "freshet.toml"
        file.write_text(block)
        settings = load_settings(file)
        assert [rerank_settings(arm.rerank) for arm in Experiment(settings).arms]
        assert settings.rerank.rules or settings.experiment.arms


def test_the_settings_files_of_the_cascades_page_work(tmp_path: Path) -> None:
    text = (GUIDE / "cascade.md").read_text("utf-8")
    read = []
    for block in re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        file = tmp_path / "freshet.toml"
        file.write_text(block)
        read.append(cascade_settings(load_settings(file)))
    assert {one.interactions.segment_by for one in read} == {"country", ""}
    assert {"click": 1.0, "purchase": 3.0} in [one.objectives for one in read]
