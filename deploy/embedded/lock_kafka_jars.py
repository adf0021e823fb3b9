"""Rewrite `kafka_jars.lock` for another version of Kafka: ``python -m deploy.embedded.lock_kafka_jars``.

Set `KAFKA_VERSION` in `kafka_jars.py` first, and the version of slf4j below to that of Kafka's slf4j-api.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from jgo.maven import MavenContext

from deploy.embedded.kafka_jars import KAFKA_VERSION, LOCK_FILE
from deploy.embedded.maven import mirror_url

_ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
    "org.slf4j:slf4j-simple:1.7.36",
)


def main() -> None:
    """Resolve what Kafka needs at run time, download it, write down sizes and digests."""
    mirror = mirror_url()
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(
            repo_cache=Path(folder), remote_repos={"mirror": mirror} if mirror else None, timeout=60
        )
        roots, others = context.resolver.resolve([context.create_dependency(root) for root in _ROOTS])
        lines = []
        for dependency in [*roots, *(other for other in others if other.scope in ("compile", "runtime"))]:
            jar = dependency.artifact.resolve().read_bytes()
            coordinates = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
            lines.append(f"{coordinates} {len(jar)} {hashlib.sha256(jar).hexdigest()}\n")
    header = "# Written by deploy.embedded.lock_kafka_jars: group:artifact:version, bytes, SHA-256.\n"
    LOCK_FILE.write_text(header + "".join(sorted(lines)), encoding="ascii")


if __name__ == "__main__":
    main()
