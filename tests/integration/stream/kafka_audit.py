"""Which of their permissions somebody used, by what Kafka itself writes down."""

from __future__ import annotations

import re
from pathlib import Path

from streams.access import Grant

AUDIT = "-Dorg.slf4j.simpleLogger.log.kafka.authorizer.logger=debug"
"""With this option of Java, Kafka logs each thing that it allowed somebody to do."""
_ALLOWED = re.compile(
    r"Principal = User:(\S+) is Allowed operation = (\w+) .*? on resource = (Topic|Group):LITERAL:(\S+) for"
)


class KafkaAudit:
    """Reads Kafka's log, which was begun with `AUDIT`."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def unused(self, user: str, grants: list[Grant]) -> set[tuple[str, str]]:
        """Name and operation of the grants that nothing was allowed by."""
        allowed = {found[1:] for found in _ALLOWED.findall(self._log.read_text()) if found[0] == user}

        def is_used(grant: Grant, operation: str) -> bool:
            wanted = re.sub("(?<!^)([A-Z])", r"_\1", operation).upper()
            return any(
                done == wanted
                and kind.lower() == grant.kind
                and (name.startswith(grant.name) if grant.prefixed else name == grant.name)
                for done, kind, name in allowed
            )

        return {
            (grant.name, operation)
            for grant in grants
            for operation in grant.operations
            if not is_used(grant, operation)
        }
