"""What embedded servers have in common, with tiny servers in place of Kafka and Redis."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded import EmbeddedKafka, EmbeddedRedis
from deploy.embedded.ports import free_port, is_free
from deploy.embedded.server import EmbeddedServer
from streams.errors import ConfigurationError, DefectError, DependencyDownError

LISTEN = """
import os, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    with server.accept()[0] as connection:
        try:
            connection.sendall(b"%d" % os.getpid())
        except OSError:
            pass
"""


class TinyServer(EmbeddedServer):
    name = "Tiny"
    program = LISTEN

    def _command(self) -> list[str]:
        return [sys.executable, "-c", self.program, str(self.port)]

    def _answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5.0) as connection:
            try:
                return connection.recv(20) == b"%d" % self.pid
            except TimeoutError:
                return False


class SilentServer(TinyServer):
    def _run_in_data_dir(self, command: list[str]) -> subprocess.Popen[bytes]:
        process = super()._run_in_data_dir(command)
        # However long it takes to come up: what is timed is that it does not answer.
        while "listening" not in self.log_path.read_text():
            time.sleep(0.01)
        return process

    def _answers(self) -> bool:
        return False


class FailingServer(TinyServer):
    program = "import sys; sys.exit('the disk is on fire')"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_it_starts_stops_and_starts_again_on_the_same_port(tmp_path: Path) -> None:
    server = TinyServer(tmp_path / "data")
    with server:
        port, first = server.port, server.pid
        assert not is_free(port)
    assert not server.is_running
    assert is_free(port)
    with server:
        assert server.port == port
        assert server.pid != first


def test_kill_leaves_nothing_and_it_can_start_again(tmp_path: Path) -> None:
    with TinyServer(tmp_path) as server:
        pid = server.pid
        server.kill()
        assert not server.is_running
        assert not Path(f"/proc/{pid}").exists()
        server.start()
        assert server.is_running


def test_a_server_that_crashed_can_start_again(tmp_path: Path) -> None:
    with TinyServer(tmp_path) as server:
        os.kill(server.pid, 9)
        server._process.wait()  # type: ignore[union-attr]
        assert not server.is_running
        assert server.start().is_running


def test_ctrl_c_in_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    with TinyServer(tmp_path) as server:
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_two_on_one_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.embedded.data_folder._WAIT_S", 0.1)
    with TinyServer(tmp_path) as first:
        with pytest.raises(
            ConfigurationError, match=rf"{tmp_path}, is in use \(by the process {os.getpid()}\)"
        ):
            TinyServer(tmp_path).start()
        assert first.is_running


@pytest.mark.parametrize("kind", [EmbeddedKafka, EmbeddedRedis])
def test_a_port_that_is_taken(tmp_path: Path, taken_port: int, kind: type[EmbeddedServer]) -> None:
    with pytest.raises(ConfigurationError, match=f"the port {taken_port} on 127.0.0.1 is taken") as caught:
        kind(tmp_path, taken_port).start()
    assert kind.name in str(caught.value)


def test_a_free_port_that_is_lost_meanwhile_is_replaced(
    tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([taken_port, free_port()])
    monkeypatch.setattr("deploy.embedded.server.free_port", lambda: next(ports))
    # The process ends because it cannot listen; whoever listens there must not be taken for it.
    with TinyServer(tmp_path) as server:
        assert server.port != taken_port


def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        TinyServer(tmp_path / "file" / "data").start()


def test_one_that_ends_while_starting_shows_its_log(tmp_path: Path) -> None:
    server = FailingServer(tmp_path)
    for _ in range(2):  # the second time without the lines of the first
        with pytest.raises(DependencyDownError, match="ended while starting") as caught:
            server.start()
        assert str(caught.value).count("the disk is on fire") == 1
        assert str(tmp_path / "tiny.log") in str(caught.value)


def test_one_that_does_not_answer_in_time_is_ended(tmp_path: Path) -> None:
    server = SilentServer(tmp_path, start_timeout_s=1.0)
    with pytest.raises(DependencyDownError, match=r"did not answer on 127\.0\.0\.1:\d+ within 1 s") as caught:
        server.start()
    assert "listening" in str(caught.value)
    assert not server.is_running
    assert is_free(server.port)


def test_starting_twice_is_a_defect(tmp_path: Path) -> None:
    with TinyServer(tmp_path) as server, pytest.raises(DefectError, match="running already"):
        server.start()


def test_a_large_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.embedded.server._LOG_KEEP_BYTES", 100)
    (tmp_path / "tiny.log").write_text("old " * 100)
    with TinyServer(tmp_path) as server:
        assert "old" not in server.log_path.read_text()
    assert (tmp_path / "tiny.log.1").read_text().startswith("old")


def test_free_ports_are_outside_the_ephemeral_range() -> None:
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    if first_ephemeral >= 32_000:
        assert all(free_port() < first_ephemeral for _ in range(20))
    assert free_port(other_than=free_port()) > 0


def test_the_server_itself_holds_the_lock_too(tmp_path: Path) -> None:
    with TinyServer(tmp_path) as server:
        open_files = {entry.readlink() for entry in Path(f"/proc/{server.pid}/fd").iterdir()}
    assert tmp_path / ".lock" in open_files
