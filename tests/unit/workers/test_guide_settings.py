"""The settings files that the guide shows can be used as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.settings import load_settings
from workers.experiments import Experiment
from workers.model_settings import rerank_settings

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
