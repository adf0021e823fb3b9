"""Exit codes and messages: one for each cause, and never a traceback for a person's mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from models.errors import ManifestError, MediaUnreadableError
from streams.errors import ConfigurationError, DefectError, DependencyDownError, InvalidError, MalformedError
from workers.cli import running
from workers.cli.group import COMMANDS, freshet
from workers.cli.running import run


@pytest.fixture
def fail_with(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make `freshet topics list` raise."""

    def arrange(error: BaseException) -> None:
        def raise_it(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr("streams.topic_admin.list_topics", raise_it)

    return arrange


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidError("wrong field"), 1),
        (MalformedError("no JSON"), 1),
        (MediaUnreadableError("no picture"), 1),
        (ConfigurationError("wrong setting"), 2),
        (ManifestError("wrong manifest"), 2),
        (DependencyDownError("Kafka is away"), 3),
        (DefectError("cannot be"), 70),
        (ZeroDivisionError("division by zero"), 70),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 0),
    ],
)
def test_each_cause_has_its_exit_code(
    fail_with: Any, capfd: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    fail_with(error)
    assert run(["topics", "list"]) == code
    shown = capfd.readouterr().err
    assert str(error) in shown
    assert "Traceback" not in shown


def test_a_defect_shows_its_traceback_where_it_is_asked_for(
    fail_with: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(ZeroDivisionError("division by zero"))
    assert run(["topics", "list"]) == 70
    assert "--debug" in capsys.readouterr().err
    assert run(["topics", "list", "--debug"]) == 70
    assert "raise_it" in capsys.readouterr().err


def test_an_error_does_not_show_a_password(fail_with: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fail_with(DependencyDownError("no answer from redis://ann:hunter2@host:6379"))
    assert run(["topics", "list"]) == 3
    shown = capsys.readouterr().err
    assert "hunter2" not in shown
    assert "@host:6379" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pubish"], "Did you mean `publish`?"),
        (["publish", "people", "-"], "'people' is not one of 'items', 'events'"),
        (["topics", "list", "-o", "kafka.bogus=1"], "`kafka.bogus`"),
        (["topics", "list", "-o", "bogus"], "section.name=value"),
        (["topics", "list", "--prefix", "no spaces"], "`topics.prefix`"),
        (["topics", "list", "--config", "missing.toml"], "missing.toml"),
        (["worker", "texts"], "'texts' is not one of"),
        (["dead-letters", "replay"], "--all"),
        (["up", "--kafka-port", "99999"], "99999"),
        (["up", "--bootstrap-servers", "h:1", "--kafka-port", "9"], "--kafka-port is for an embedded server"),
        (["up", "--scale", "text=0"], "ROLE=N"),
    ],
)
def test_mistakes_of_usage_and_configuration(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_settings_file_that_is_no_toml_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "freshet.toml"
    file.write_text("[kafka\n")
    assert run(["topics", "list", "--config", str(file)]) == 2
    assert "settings cannot be read" in capsys.readouterr().err


def test_help_names_every_command_and_imports_none_of_them() -> None:
    code = (
        "import sys\n"
        "try:\n"
        "    from workers.cli import main\n"
        "    main(['--help'])\n"
        "finally:\n"
        "    print(sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
    for slow in ("pydantic", "kafka", "aiokafka", "faust", "numpy", "onnxruntime", "rich", "redis"):
        assert f"'{slow}'" not in done.stderr


def test_every_command_explains_itself_and_takes_the_common_flags() -> None:
    def commands(command: click.Command) -> list[click.Command]:
        below = command.commands.values() if isinstance(command, click.Group) else ()
        return [command, *(found for one in below for found in commands(one))]

    context = click.Context(freshet)
    for name in COMMANDS:
        top = freshet.get_command(context, name)
        assert top is not None
        for command in commands(top):
            assert command.help, command.name
            options = {option for one in command.params for option in one.opts}
            assert {"--config", "--bootstrap-servers", "--redis-url", "--prefix", "-o"} <= options


def test_flags_count_wherever_they_stand_and_the_last_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("streams.topic_admin.list_topics", lambda settings: seen.append(settings) or [])
    monkeypatch.setenv("FRESHET_TOPICS__PREFIX", "variable.")
    monkeypatch.setenv(
        "FRESHET_FLAGS", '{"topics": {"prefix": "parent."}, "kafka": {"request_timeout_s": 7}}'
    )
    for arguments in (
        ["--prefix", "a.", "topics", "list"],
        ["topics", "list", "--prefix", "b."],
        ["--prefix", "a.", "topics", "list", "--prefix", "b.", "-o", 'media.file_roots=["/x"]'],
        ["topics", "list"],
    ):
        assert run(arguments) == 0
    assert [settings.topics.prefix for settings in seen] == ["a.", "b.", "b.", "parent."]
    assert [str(root) for root in seen[2].media.file_roots] == ["/x"]
    assert {settings.kafka.request_timeout_s for settings in seen} == {7.0}


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("freshet, version ")


def test_every_error_of_ours_has_a_code() -> None:
    assert running.exit_code_of(ManifestError("x")) == 2
