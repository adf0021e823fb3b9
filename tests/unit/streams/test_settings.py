"""Settings: file, then variables, then flags; what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import ConfigurationError
from streams.settings import load_settings


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_flags_over_variables_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "freshet.toml").write_text(
        '[kafka]\nbootstrap_servers = "file:1"\nsession_timeout_s = 7\n[topics]\nprefix = "file."\n'
    )
    monkeypatch.setenv("FRESHET_KAFKA__BOOTSTRAP_SERVERS", "variable:1")
    monkeypatch.setenv("FRESHET_TOPICS__PREFIX", "variable.")
    settings = load_settings(topics={"prefix": "flag."})
    assert settings.kafka.session_timeout_s == 7
    assert settings.kafka.bootstrap_servers == "variable:1"
    assert settings.topics.prefix == "flag."


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[kafka]\nsession_timeout_s = -1\n", "kafka.session_timeout_s"),
        ("[kafka]\nbootstrap_server = 'x:1'\n", "kafka.bootstrap_server"),
        ("[kafak]\n", "kafak"),
        ("[profile.actions.play]\nweight = 1\nvalue_neutral = 1\nvalue_full = 1\n", "profile.actions.play"),
        ("[profile.actions.play]\nweight = 'much'\n", "profile.actions.play.weight"),
        ("not toml", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=named):
        load_settings(file)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        load_settings(tmp_path / "nowhere.toml")


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_REDIS__URL", "redis://:hunter2@host:1/0")
    monkeypatch.setenv("FRESHET_KAFKA__SASL_PASSWORD", "hunter2")
    assert "hunter2" not in repr(load_settings())


def test_an_action_that_is_set_leaves_the_others() -> None:
    actions = load_settings(
        profile={"actions": {"click": {"weight": 9}, "wink": {"weight": 1}}}
    ).profile.actions
    assert (actions["click"].weight, actions["wink"].weight) == (9, 1)
    assert actions["purchase"].weight == load_settings().profile.actions["purchase"].weight
