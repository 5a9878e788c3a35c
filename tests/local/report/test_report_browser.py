"""The report in a real browser: it draws, complains of nothing, asks nobody, and shows the verdict's figures."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from srekv.commands.report import write_report

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --enable-logging=stderr --v=0"
)
PRIMARY, SECONDARY = {"node": "az1", "address": "192.0.2.1"}, {"node": "az2", "address": "192.0.2.2"}

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A small drill: fault at 5, switch at 47, back in service at 90."""
    drill = {"primary": PRIMARY, "secondary": SECONDARY, "interval": 10, "threshold": 3, "ttl": 10, "bound_s": 54.5}
    lines = [
        {"event": "start", "at": 0, "epoch": 1, "speed": 10, "run": "r1", "seed": 1},
        {"event": "drill", "at": 5, "fault": "stop", **drill},
        {"event": "fault", "at": 5, "node": "az1", "what": "stop az1"},
        {"event": "health", "at": 42, "check": "hc-az1", "healthy": False, "failing": 14, "checkers": 16},
        {"event": "heal", "at": 60},
        *(
            {"event": "dns", "at": at, "answer": ["192.0.2.2" if 47 <= at < 90 else "192.0.2.1"], "ttl": 5}
            for at in range(100)
        ),
    ]
    for zoo in ("honor-ttl", "cache-forever"):
        for at in range(99):
            dark = 5 <= at < (50 if zoo == "honor-ttl" else 70)
            base = {
                "client": zoo,
                "zoo": zoo,
                "op": "read",
                "key": "k",
                "value": None,
                "invoke": at,
                "complete": at + 0.5,
            }
            end = (
                {"outcome": "fail", "error": "timed out"}
                if dark
                else {"outcome": "ok", "node": "az2" if at > 47 else "az1"}
            )
            lines.append({**base, **end})
    path = tmp_path / "history.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@contextmanager
def served(directory: Path, asked: list[str]) -> Iterator[str]:
    """The folder over HTTP on loopback; every path that is asked for is remembered."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(directory))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def browse(url: str, profile: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """What the browser makes of a page, after it has run; every other host name leads nowhere."""
    command = [str(CHROMIUM), *QUIET.split(), f"--user-data-dir={profile}", *more]
    nowhere = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    return subprocess.run([*command, nowhere, url], capture_output=True, text=True, timeout=90, check=True)


def figures(document: str) -> dict[str, str]:
    """The figures that the page carries, and the text that it shows for them."""
    found = re.findall(r'data-figure="([^"]+)" data-value="([^"]*)"', document)
    return dict(found)


def test_the_page_draws_and_asks_nobody(history: Path, tmp_path: Path) -> None:
    """Three charts are drawn, the console stays empty, one request is made: for the page itself."""
    write_report(history.parent, history)
    asked: list[str] = []
    with served(history.parent, asked) as url:
        seen = browse(f"{url}/report.html", tmp_path / "profile", "--dump-dom")

    assert seen.stdout.count("<canvas") == 3
    assert [line for line in seen.stderr.splitlines() if "CONSOLE" in line] == []
    assert asked == ["/report.html"]
    document = json.loads((history.parent / "verdict.json").read_text())
    shown = figures(seen.stdout)
    assert shown["outage_s"] == str(document["outage_s"])
    assert shown["clients.1.outage_s"] == str(document["clients"][1]["outage_s"])


def test_the_timeline_obeys_buttons_and_keys(history: Path, tmp_path: Path) -> None:
    """The outage fills the picture; + halves what is seen, an arrow moves it, Home shows everything again."""
    write_report(history.parent, history)
    page = history.parent / "report.html"
    script = """<script>
      const seen = [];
      const say = () => seen.push(document.getElementById("shown").textContent);
      const press = (key) => document.getElementById("timeline").dispatchEvent(new KeyboardEvent("keydown", { key }));
      document.querySelector("[data-zoom=outage]").click(); say();
      for (const key of ["+", "ArrowRight", "Home"]) { press(key); say(); }
      document.body.dataset.seen = seen.join("|");
    </script></body>"""
    page.write_text(page.read_text().replace("</body>", script))
    found = browse(page.as_uri(), tmp_path / "profile", "--dump-dom")
    shown = re.search(r'data-seen="([^"]*)"', found.stdout)

    assert shown is not None
    windows = [tuple(float(one) for one in re.findall(r"-?[0-9.]+(?= s)", text)) for text in shown[1].split("|")]
    outage, closer, moved, everything = windows
    assert -5 <= outage[0] < 0
    assert 45 < outage[1] < 60
    assert closer[1] - closer[0] == pytest.approx((outage[1] - outage[0]) / 2, abs=0.2)
    assert moved[0] - closer[0] == pytest.approx((closer[1] - closer[0]) / 4, abs=0.2)
    assert everything == (-5.0, pytest.approx(94, abs=0.6))
    assert [line for line in found.stderr.splitlines() if "CONSOLE" in line] == []


def test_a_broken_page_would_be_noticed(tmp_path: Path) -> None:
    """The console really is read: an error in a page shows up."""
    page = tmp_path / "broken.html"
    page.write_text("<script>undefinedThing()</script>")
    seen = browse(page.as_uri(), tmp_path / "profile", "--dump-dom")
    assert any("CONSOLE" in line and "undefinedThing" in line for line in seen.stderr.splitlines())
