"""What an audit says: vulnerable, clean, or that nobody could be asked; never clean where nobody was."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.dependencies import audit as audit_module
from tests.dependencies.audit import IGNORED, Verdict, answering, audit, judged, main

BAD = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.0"], "description": ""}


def report(*packages: dict[str, Any]) -> dict[str, Any]:
    return {"dependencies": list(packages), "fixes": []}


def package(name: str, *vulnerabilities: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(vulnerabilities)}


def unknown(name: str) -> dict[str, Any]:
    return {"name": name, "skip_reason": "not found"}


def test_a_known_vulnerability_is_named_with_what_mends_it() -> None:
    verdict, why = judged(report(package("good"), package("bad", BAD)))
    assert verdict is Verdict.VULNERABLE
    assert why == "bad 1.0 has PYSEC-1, mended in ['2.0']"


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_one_that_is_ignored_under_any_of_its_names_is_none(name: str) -> None:
    assert judged(report(package("bad", BAD)), {name: "why"})[0] is Verdict.CLEAN


def test_what_is_not_known_to_the_service_is_not_called_clean() -> None:
    verdict, why = judged(report(package("good"), unknown("own")))
    assert (verdict, why) == (
        Verdict.CLEAN,
        "1 packages without a known vulnerability; not known to it: own",
    )
    assert judged(report(unknown("own"), unknown("good")))[0] is Verdict.UNANSWERED


def test_no_report_is_no_answer() -> None:
    assert judged(None)[0] is Verdict.UNANSWERED


def test_each_that_is_ignored_has_a_reason() -> None:
    assert all(reason.strip() for reason in IGNORED.values())


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [(Verdict.CLEAN, (0, 0)), (Verdict.UNANSWERED, (0, 1)), (Verdict.VULNERABLE, (1, 1))],
)
def test_what_fails(
    verdict: Verdict,
    statuses: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(audit_module, "answering", lambda *_: None)
    monkeypatch.setattr(audit_module, "audit", lambda *_: (verdict, "why"))
    assert (main([]), main(["--must-be-answered"])) == statuses
    assert ("NOT AUDITED" in capsys.readouterr().out) == (verdict is Verdict.UNANSWERED)


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[str]:
    """A service of advisories on loopback, which knows one vulnerability, or none at all."""
    answers: bool = request.param
    advisory = {
        "id": "PYSEC-1",
        "details": "bad",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "jinja2"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0"}]}],
                "versions": ["2.10"],
            }
        ],
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bad = asked["version"] == "2.10" and answers
            body = json.dumps({"vulns": [advisory]} if bad else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("service", "version", "verdict"),
    [
        (True, "2.10", Verdict.VULNERABLE),
        (True, "3.0", Verdict.CLEAN),
        # It answers, but does not find what is known: it is not believed.
        (False, "3.0", Verdict.UNANSWERED),
    ],
    indirect=["service"],
)
def test_pip_audit_asks_and_its_report_is_understood(
    service: str, version: str, verdict: Verdict, tmp_path: Path
) -> None:
    what = tmp_path / "requirements.txt"
    what.write_text(f"jinja2=={version}\n", encoding="utf-8")
    arguments = ("--requirement", str(what), "--no-deps", "--disable-pip")
    # The first refuses the connection, so that the second is asked.
    services = [("-s", "osv", "--osv-url", url) for url in ("http://127.0.0.1:9/v1/query", service)]
    deadline_s = time.monotonic() + 120
    assert audit(arguments, answering(deadline_s, services), deadline_s)[0] is verdict
