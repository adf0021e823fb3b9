"""The roles run as the image runs them: unprivileged, from a file system that they cannot write to.

No container engine is needed: `bare_root.sh` makes the same conditions. Where that needs rights that the
tests do not have, roles run as the tests' own user, who may write neither to the packages nor to the
working folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy import die_with_parent
from tests.conftest import KafkaServer, RedisServer
from tests.container.containerfile import REPOSITORY, environment, last, user_and_group
from tests.integration.stream.bench import Stream
from tests.integration.stream.test_bad_media import inline, png

BARE_ROOT = Path(__file__).with_name("bare_root.sh")
PACKAGES = ("streams", "models", "workers", "deploy")
# In the new root; what the image installs is there.
INSTALLED = Path("/opt/packages")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64")
READY_TIMEOUT_S = 180.0
MAY_UNSHARE = (
    os.getuid() == 0
    and shutil.which("unshare") is not None
    and subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False
    ).returncode
    == 0
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The packages, in a folder that is not to be written to."""
    if MAY_UNSHARE:
        yield INSTALLED
        return
    copy = tmp_path_factory.mktemp("installed")
    for name in PACKAGES:
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    folders = [copy, *(one for one in copy.rglob("*") if one.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield copy
    for folder in folders:
        folder.chmod(0o755)


def contained(packages: Path, folder: Path, variables: Mapping[str, str], *command: str) -> list[str]:
    """A command, to be run as the image runs it.

    Args:
        packages: The fixture.
        folder: An empty one.
        variables: Beside those that the image sets.
        command: What comes after the image's name on an engine's command line.
    """
    bin_folder = Path(sys.prefix) / "bin"
    settings = environment() | {
        "PATH": f"{bin_folder}:/usr/bin:/bin",
        "PYTHONPATH": str(packages),
        **variables,
    }
    assigned = [f"{name}={value}" for name, value in settings.items()]
    # `freshet` of this environment; which packages it finds, PYTHONPATH says.
    what = [*last("ENTRYPOINT").words(), *command]
    if not MAY_UNSHARE:
        folder.chmod(0o555)
        return [
            "setpriv",
            "--no-new-privs",
            "env",
            "--chdir",
            str(folder),
            "--ignore-environment",
            *assigned,
            *what,
        ]
    shown = {path: path for path in (*SYSTEM, sys.base_prefix, sys.prefix)}
    shown |= {str(REPOSITORY / name): str(packages / name) for name in PACKAGES}
    mounts = [f"{source}={target}" for source, target in shown.items()]
    identity = [str(number) for number in user_and_group()]
    working = last("WORKDIR").text
    return [
        *("unshare", "--mount", "sh", str(BARE_ROOT), str(folder), *identity, working, *mounts, "--"),
        *(*assigned, *what),
    ]


class Role:
    """A role that runs contained; its log on a file."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self.process = die_with_parent.spawn(command, stdout=output, stderr=subprocess.STDOUT)

    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text(encoding="utf-8")

    def get(self, path: str) -> str:
        """An answer of its health endpoint; empty where it says no, or nothing."""
        found = re.search(r"http://127\.0\.0\.1:\d+", self.log())
        if found is None:
            return ""
        try:
            with urllib.request.urlopen(found[0] + path, timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return ""

    def await_ready(self) -> None:
        """Wait until it says that it works."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.get("/ready"):
            assert self.process.poll() is None, f"{self.name} ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"{self.name} is not ready:\n{self.log()}"
            time.sleep(0.1)

    def status(self) -> dict[str, str]:
        """What the kernel says of its process."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def stop(self) -> int:
        """As an engine does; its exit status."""
        self.process.send_signal(signal.Signals[last("STOPSIGNAL").text])
        return self.process.wait(60)


def test_help_is_shown(packages: Path, tmp_path: Path) -> None:
    command = contained(packages, tmp_path, {}, *last("CMD").words())
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "worker" in ran.stdout
    assert not ran.stderr


def test_roles_get_ready_work_and_stop(
    packages: Path, kafka: KafkaServer, redis_server: RedisServer, topic_prefix: str, tmp_path: Path
) -> None:
    """Media are decoded in child processes there, too; and the folder of bundles need not exist, for fuse."""
    with Stream(kafka.bootstrap_servers, redis_server.url, topic_prefix, tmp_path) as stream:
        sections: dict[str, Any] = stream.sections | {"worker": {"log_format": "json"}}
        variables = {f"FRESHET_{name.upper()}": json.dumps(values) for name, values in sections.items()}
        roles = []
        try:
            for name in ("image", "fuse"):
                folder = tmp_path / name
                folder.mkdir()
                command = contained(packages, folder, variables, "worker", name)
                roles.append(Role(name, command, tmp_path / f"{name}.log"))
            for role in roles:
                role.await_ready()
                status = role.status()
                assert status["NoNewPrivs"] == "1"
                if MAY_UNSHARE:
                    assert set(status["Uid"].split()) == {str(user_and_group()[0])}
                    assert {int(status[one], 16) for one in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
            item = {"item_id": "lamp", "media": [inline("image", png("RGB", 64))]}
            stream.publish("items", item, "lamp").get(timeout=120)
            stream.read("item-features", bool, decode=bytes)
            assert [role.stop() for role in roles] == [0, 0], "\n".join(role.log() for role in roles)
        finally:
            for role in roles:
                role.process.kill()
                role.process.wait()


@pytest.mark.skipif(not MAY_UNSHARE, reason="the tests may not make mount namespaces")
def test_nothing_can_be_written_but_in_tmp(packages: Path, tmp_path: Path) -> None:
    """So that the tests above mean something."""
    tried = "import os, sys; print([folder for folder in sys.argv[1:] if os.access(folder, os.W_OK)])"
    command = contained(packages, tmp_path, {})[:-1]
    folders = ["/", "/tmp", last("WORKDIR").text, *(str(packages / name) for name in PACKAGES), sys.prefix]
    ran = subprocess.run(
        [*command, "python", "-c", tried, *folders], capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == "['/tmp']", ran.stderr
