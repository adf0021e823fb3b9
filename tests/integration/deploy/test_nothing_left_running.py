"""A parent that is killed takes Kafka and Redis with it, and its data folders are free again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.embedded import EmbeddedRedis
from tests.processes import eventually, is_running

PARENT = """
import sys, time
from pathlib import Path
from deploy.embedded import EmbeddedKafka, EmbeddedRedis
folder = Path(sys.argv[1])
with EmbeddedKafka(folder / "kafka") as kafka, EmbeddedRedis(folder / "redis") as redis:
    print(kafka.pid, redis.pid, flush=True)
    time.sleep(600)
"""


def test_kill_of_the_parent_ends_java_and_redis(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert [Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids] == ["java", "redis-server"]
        parent.kill()
    assert eventually(lambda: not any(map(is_running, pids)))
    with EmbeddedRedis(tmp_path / "redis") as redis:  # its lock went with it
        assert redis.is_running
