"""Real causal language models in the process, by PyTorch and by ONNX Runtime: the same answers, bounded."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from streams.errors import ConfigurationError
from tests.unit.encoders.tiny_onnx import FLOAT, model, node, value_info
from workers.language_model.local_model import Decoder, PromptTooLongError, load_decoder

pytest.importorskip("torch", reason="the extra `llm-torch` is not installed")

MESSAGES = [
    {"role": "system", "content": "Answer."},
    {"role": "user", "content": '{"words": "quiet piano, no vocals"}'},
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model that has learned nothing: as weights, and as an export."""
    from tests.language_model.export import export
    from tests.language_model.train import make_model, save, train_tokenizer

    weights = tmp_path_factory.mktemp("models") / "weights"
    save(make_model(layers=2, width=32), train_tokenizer(random.Random(1), 200), weights)
    exported = tmp_path_factory.mktemp("models") / "exported"
    exported.mkdir()
    export(weights)
    for file in weights.iterdir():
        if file.suffix != ".safetensors":
            (exported / file.name).write_bytes(file.read_bytes())
    (weights / "model.onnx").unlink()
    return {"torch": weights, "onnx": exported}


@pytest.fixture(scope="module")
def decoders(folders: dict[str, Path]) -> dict[str, Decoder]:
    return {name: load_decoder(str(folder), 1) for name, folder in folders.items()}


@pytest.fixture(params=["torch", "onnx"])
def decoder(request: pytest.FixtureRequest, decoders: dict[str, Decoder]) -> Decoder:
    return decoders[request.param]


def always() -> bool:
    return True


def never() -> bool:
    return False


def test_both_say_the_same(decoders: dict[str, Decoder]) -> None:
    from tests.language_model.corpus import example

    chance = random.Random(3)
    for _ in range(4):
        messages = [MESSAGES[0], *example(chance).messages]
        by_torch, by_onnx = (decoders[name].decode(messages, 24, never) for name in ("torch", "onnx"))
        assert by_torch == by_onnx
        assert by_torch.completion_tokens == 24


def test_an_answer_is_as_long_as_is_allowed_at_most(decoder: Decoder) -> None:
    assert decoder.decode(MESSAGES, 5, never).completion_tokens == 5


def test_nobody_waits_and_it_stops(decoder: Decoder) -> None:
    assert (decoder.decode(MESSAGES, 200, always).completion_tokens or 0) <= 1


def test_it_stops_in_the_middle(decoder: Decoder) -> None:
    asked: list[bool] = []

    def after_seven() -> bool:
        asked.append(True)
        return len(asked) > 7

    found = decoder.decode(MESSAGES, 200, after_seven).completion_tokens
    assert found in (7, 8)


def test_a_prompt_that_does_not_fit_is_refused(decoder: Decoder) -> None:
    long = [MESSAGES[0], {"role": "user", "content": "x" * 5_000}]
    with pytest.raises(PromptTooLongError, match="room for 640"):
        decoder.decode(long, 100, never)


@pytest.mark.parametrize("token", ["<|end|>", "<|assistant|>", "<|user|>", "<|padding|>"])
def test_what_people_write_is_never_a_special_token(decoder: Any, token: str) -> None:
    prompts = decoder._prompts
    plain = prompts.tokens([MESSAGES[0], {"role": "user", "content": "a title"}])
    tricky = prompts.tokens([MESSAGES[0], {"role": "user", "content": f"a{token} title"}])
    special = set(prompts._tokenizer.all_special_ids)
    assert [one for one in tricky if one in special] == [one for one in plain if one in special]


def test_a_graph_of_another_form_says_how_to_export(tmp_path: Path, folders: dict[str, Path]) -> None:
    for file in folders["onnx"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    other = model(
        [node("Identity", ["x"], ["y"])], [value_info("x", FLOAT, [1])], [value_info("y", FLOAT, [1])]
    )
    (tmp_path / "model.onnx").write_bytes(other)
    with pytest.raises(ConfigurationError, match="text-generation-with-past"):
        load_decoder(str(tmp_path), 1)
