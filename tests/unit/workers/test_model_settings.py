"""Settings as models take them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from models.reranking import RerankSettings, Rule
from models.retrieval import FilterRange
from models.retrieval.item_filter import ItemFilter
from streams import cascade_settings
from streams.errors import ConfigurationError
from streams.settings import load_settings
from workers.model_settings import rerank_settings


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_are_the_same_on_both_sides() -> None:
    # But for the place that a deployment keeps for new items: `rerank` itself changes nothing by itself.
    assert rerank_settings(cascade_settings.RerankSettings()) == RerankSettings(new_item_slots=2)
    assert {field.name for field in fields(RerankSettings)} == set(
        cascade_settings.RerankSettings.model_fields
    )


def test_rules_of_a_file_come_to_the_model(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        """
        [rerank]
        diversity = 0.3
        max_per_attribute = {category = 4}
        exploration = "softmax"

        [[rerank.rules]]
        filter = {campaign = "spring", price = {max = 20}}
        effect = "pin"

        [[rerank.rules]]
        filter = {brand = ["a", "b"], sold_out = true, size = 1}
        effect = "bury"
        amount = 2
        """
    )
    assert rerank_settings(load_settings(file).rerank) == RerankSettings(
        diversity=0.3,
        max_per_attribute={"category": 4},
        new_item_slots=2,
        exploration="softmax",
        rules=(
            Rule(ItemFilter({"campaign": "spring", "price": FilterRange(max=20)}), "pin"),
            Rule(ItemFilter({"brand": ["a", "b"], "sold_out": True, "size": 1}), "bury", 2.0),
        ),
    )


@pytest.mark.parametrize(
    ("rerank", "named"),
    [
        ({"rules": [{"filter": {}, "effect": "pin"}]}, r"rerank\.rules\.0\.filter"),
        ({"rules": [{"filter": {"a": {}}, "effect": "pin"}]}, r"rerank\.rules\.0\.filter\.a"),
        ({"rules": [{"filter": {"a": 1}, "effect": "pin", "amount": 1}]}, "`pin` takes no amount"),
        ({"rules": [{"filter": {"a": 1}, "effect": "bury"}]}, "needs an amount"),
        ({"max_per_attribute": {"brand": 0}}, r"rerank\.max_per_attribute\.brand"),
        ({"exploration": "thompson"}, r"rerank\.exploration"),
        ({"temperature": 0}, r"rerank\.temperature"),
    ],
)
def test_what_is_wrong_is_named(rerank, named) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load_settings(rerank=rerank)
