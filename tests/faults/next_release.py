"""A release after this one, made for tests: the same code, and what a next release may add by the contract.

Every struct that can be written down gets a further field, at its end and with a default: messages in JSON
and in MessagePack, states in Redis, parameters that were learned. It is always written, so a test sees that
the newer release was there. Structs that refuse unknown fields are left as they are: people write them, and a
misspelt end of a range must not be ignored.
"""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

PACKAGES = ("streams", "workers", "models", "deploy")
VERSION = "999.0.0"
FIELD = "of_the_next_release"
VALUE = "a further field"
_FUTURE = "from __future__ import annotations\n"
_LINE = f'    {FIELD}: str = msgspec.field(default_factory=lambda: "{VALUE}")\n'


def make_next_release(repository: Path, folder: Path) -> list[str]:
    """Copy the packages of a repository into a folder, with further fields.

    Returns:
        The structs that have one, as ``streams/messages.py:Event``.
    """
    changed = []
    for package in PACKAGES:
        shutil.copytree(repository / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        for path in sorted((folder / package).rglob("*.py")):
            source, names = with_further_fields(path.read_text("utf-8"))
            if names:
                path.write_text(source, "utf-8")
                changed += [f"{path.relative_to(folder)}:{name}" for name in names]
    about = folder / f"freshet-{VERSION}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: freshet\nVersion: {VERSION}\n")
    return changed


def with_further_fields(source: str) -> tuple[str, list[str]]:
    """A module with a field more in each struct, and the names of these."""
    lines = source.splitlines(keepends=True)
    classes = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.ClassDef)]
    structs = [one for one in classes if _is_struct(one)]
    # From the last on, so that the numbers of the lines before stay.
    for struct in sorted(structs, key=lambda one: -one.lineno):
        fields = [one for one in struct.body if isinstance(one, ast.AnnAssign)]
        # After the docstring, where there is no field.
        after = (fields or struct.body)[-1 if fields else 0]
        assert after.col_offset == 4, f"{struct.name} is within something"
        assert after.end_lineno is not None
        lines.insert(after.end_lineno, _LINE)
    if structs:
        # Not every module has it that has messages.
        lines[lines.index(_FUTURE)] += "\nimport msgspec\n"
    return "".join(lines), [one.name for one in structs]


def _is_struct(one: ast.ClassDef) -> bool:
    """Of one that derives from another struct, it is that one's."""
    is_one = [ast.unparse(base) for base in one.bases] in (["msgspec.Struct"], ["Message"])
    refuses = any(option.arg == "forbid_unknown_fields" for option in one.keywords)
    return is_one and not refuses and one.name != "Message"
