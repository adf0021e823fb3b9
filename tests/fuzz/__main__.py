"""Coverage-guided fuzzing of one target, with atheris (libFuzzer), for as long as wanted.

    pip install -e '.[dev,fuzz]'
    python -m tests.fuzz messages --seconds 600

New inputs that reach new code are kept in the corpus folder, and the next run begins with them. An input that
breaks a promise is written to the same folder, and the run ends with exit code 77 or 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

TARGET_NAMES = [
    *("messages", "profiles", "weights", "manifests", "graphs"),
    *("images", "sounds", "videos", "texts", "lines", "addresses"),
]


def main() -> None:
    """Parse the command line, and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("target", choices=TARGET_NAMES)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, default=Path(".fuzz"))
    options = parser.parse_args()
    try:
        import atheris
    except ImportError:
        raise SystemExit(
            "coverage-guided fuzzing needs the extra `fuzz`: pip install -e '.[dev,fuzz]'"
        ) from None
    with atheris.instrument_imports(include=["models", "streams", "workers", "PIL"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[options.target]
    corpus = options.corpus / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed[: target.max_bytes])
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={options.seconds}",
        f"-max_len={target.max_bytes}",
        # An input that takes so long, or so much memory, is a finding as well.
        "-timeout=20",
        "-rss_limit_mb=3000",
        f"-artifact_prefix={corpus}/found-",
        "-print_final_stats=1",
    ]
    atheris.Setup(arguments, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
