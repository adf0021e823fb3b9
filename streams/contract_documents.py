"""Write the contract's documents: `python -m streams.contract_documents [--check]`.

With ``--check`` nothing is written; exit 1 names the files that are not current.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from streams.documents.asyncapi import asyncapi_document
from streams.documents.json_schemas import json_schema, public_types
from streams.documents.readme import readme

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "contract"


def documents() -> dict[str, str]:
    """Every file's text by its path below ``docs/contract``."""
    schemas = {
        f"schemas/{_kebab(kind.__name__)}.schema.json": _json(json_schema(kind)) for kind in public_types()
    }
    return {"README.md": readme(), "asyncapi.json": _json(asyncapi_document()), **schemas}


def stale(folder: Path = FOLDER) -> list[str]:
    """Paths below ``folder`` that are missing, differ from what would be written, or should not be there."""
    wanted = documents()
    files = (folder / "README.md", folder / "asyncapi.json", *folder.glob("schemas/*"))
    found = {path.relative_to(folder).as_posix() for path in files if path.is_file()}
    differ = [name for name in wanted if name in found and (folder / name).read_text("utf-8") != wanted[name]]
    return sorted({*differ, *(wanted.keys() ^ found)})


def write(folder: Path = FOLDER) -> None:
    """Write every document, and remove schemas of messages that are no more."""
    wanted = documents()
    for name in stale(folder):
        path = folder / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], "utf-8")
        else:
            path.unlink()


def main(arguments: list[str]) -> int:
    """Run from the command line; the exit status."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m streams.contract_documents [--check]", file=sys.stderr)
        return 2
    if not arguments:
        write()
        return 0
    names = stale()
    for name in names:
        print(f"docs/contract/{name} is not current: run `python -m streams.contract_documents`")
    return 1 if names else 0


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
