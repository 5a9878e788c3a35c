"""A run's files on the vantage point outlive the tool: listed, carried in both directions, concluded, removed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from srekv.check.verdict import judge_file
from srekv.drill.model import Settings
from srekv.drill.payload import payload
from srekv.drill.vantage import Vantage
from srekv.errors import SrekvError
from srekv.probe import transfer
from srekv.probe.journal import Journal
from srekv.provision.model import Instance

pytestmark = pytest.mark.local


def _view(site: Any) -> Vantage:
    deployment = site.deployment()
    return Vantage(site, deployment.node("secondary"), deployment.name, site.dns.endpoint, site.port, 20.0)


def _settings(site: Any, run_id: str) -> Settings:
    return Settings(
        resolver=site.dns.endpoint,
        port=site.port,
        run_id=run_id,
        speed=20,
        keys=4,
        op_timeout_s=40,
        policies=("honor-ttl",),
    )


def _await_size(view: Vantage, run_id: str, size: int) -> None:
    while view.load_status(run_id).size < size:
        pass


def _lines(history: bytes) -> list[Any]:
    return [json.loads(line) for line in history.splitlines()]


def test_another_tool_finds_the_run_and_brings_it_home(site: Any) -> None:
    """The load goes on without the tool that began it; another one sees it, ends it, and takes its files with it."""
    _view(site).start_load(_settings(site, "r1"), seconds=600)
    _await_size(_view(site), "r1", 5_000)
    _view(site).save_events("r1", b'{"event":"drill"}\n')
    later = _view(site)
    (seen,) = later.runs()
    ended = later.stop_load("r1", wait_s=20)
    history, events = later.fetch_history("r1"), later.fetch_events("r1")
    later.remove("r1")

    assert (seen.run, seen.running, seen.done) == ("r1", True, False)
    assert (ended.running, ended.done) == (False, True)
    assert _lines(history)[-1]["event"] == "end"
    assert events == b'{"event":"drill"}\n'
    assert later.runs() == ()
    assert not [path.name for path in site.directory.glob("**/r1*")]


def test_a_run_that_nobody_ends_ends_by_itself(site: Any) -> None:
    """After its time the load has read and removed its keys, and its files stay."""
    view = _view(site)
    view.start_load(_settings(site, "r2"), seconds=4)
    while not view.load_status("r2").done:
        pass
    assert [one.run for one in view.runs()] == ["r2"]
    assert not site.store.items


def test_any_instance_is_a_vantage_point(site: Any) -> None:
    """What is known of the place is its id alone."""

    class Elsewhere:
        def run(self, node: Any, script: str, *, timeout_s: float) -> Any:
            assert node.instance_id == "i-0123"
            return site.run(site.deployment().node("secondary"), script, timeout_s=timeout_s)

    deployment = site.deployment()
    target: Any = Elsewhere()
    view = Vantage(target, Instance(instance_id="i-0123"), deployment.name, site.dns.endpoint, site.port)
    assert view.request("GET", "/health").status == 200


def test_events_of_any_size_arrive_and_replace_the_old_ones(site: Any) -> None:
    """More than one command carries comes in pieces; what was saved last is what is fetched."""
    view = _view(site)
    large = random.Random(1).randbytes(40_000)
    view.save_events("r3", large)
    first = view.fetch_events("r3")
    view.save_events("r3", b"small")

    assert first == large
    assert view.fetch_events("r3") == b"small"
    assert view.fetch_events("r4") is None


def test_every_command_stays_below_what_ssm_takes(site: Any) -> None:
    """A command's parameters stay far below 64 KB, also when the probe travels along with a piece of events."""
    sizes: list[int] = []

    class Measuring:
        def run(self, node: Any, script: str, *, timeout_s: float) -> Any:
            sizes.append(len(json.dumps(script)))
            return site.run(node, script, timeout_s=timeout_s)

    target: Any = Measuring()
    view = Vantage(target, site.deployment().node("secondary"), "n", site.dns.endpoint, site.port)
    view.save_events("r5", random.Random(2).randbytes(30_000))
    assert len(payload().data) < 24_000
    assert max(sizes) < 52_000


def test_damaged_events_leave_the_old_ones(tmp_path: Path) -> None:
    """A wrong checksum or a missing piece is an error, and what was there before stays."""
    file = tmp_path / "r.json"
    file.write_bytes(b"old")
    with pytest.raises(OSError, match="damaged"):
        transfer.store(str(file), offset=0, data=b"bytes", sha256="not theirs")
    transfer.store(str(file), offset=0, data=b"bytes", sha256="")
    with pytest.raises(OSError, match="before offset 7 is missing"):
        transfer.store(str(file), offset=7, data=b"bytes", sha256="")
    assert file.read_bytes() == b"old"


def test_a_piece_that_is_sent_twice_counts_once(tmp_path: Path) -> None:
    """A command whose answer was lost may be sent again."""
    file = str(tmp_path / "r.json")
    transfer.store(file, offset=0, data=b"first", sha256="")
    transfer.store(file, offset=5, data=b"second", sha256="")
    transfer.store(file, offset=5, data=b"second", sha256="")
    assert Path(file + ".part").read_bytes() == b"firstsecond"


def test_no_history_is_told_apart_from_an_empty_one(site: Any) -> None:
    """Fetching what is not there is an error that says so."""
    with pytest.raises(SrekvError, match="az2 has no history of the run r6"):
        _view(site).fetch_history("r6")


def test_only_names_of_runs_are_runs(site: Any) -> None:
    """A file name that is no run's name never becomes a word of the shell; the latest run is first."""
    view = _view(site)
    view.resolve(system=False)
    (home,) = [path.parent for path in site.directory.glob("**/*.pyz")]
    for age, name in enumerate(["b", "a", "$(x)", "A b"]):
        (home / f"{name}.jsonl").touch()
        os.utime(home / f"{name}.jsonl", (1e9 - age, 1e9 - age))
        (home / f"{name}.jsonl.done").touch()
    assert [one.run for one in view.runs()] == ["b", "a"]


def test_a_history_has_one_writer(tmp_path: Path) -> None:
    """Two loads never mix; whether one is writing is known from the file itself, not from a number in another."""
    path = str(tmp_path / "h.jsonl")
    with closing(Journal(path)):
        alive = transfer.status(path)["running"]
        with pytest.raises(OSError, match="another load writes this history"):
            Journal(path)

    assert alive
    assert not transfer.status(path)["running"]


def test_half_a_line_of_a_killed_load_stays_its_own(tmp_path: Path) -> None:
    """What the next journal writes begins a line of its own; a whole file is gone on with as it is."""
    half, whole = tmp_path / "half", tmp_path / "whole"
    half.write_bytes(b'{"event": "start"}\n{"id": 1, "op')
    whole.write_bytes(b'{"event": "start"}\n')
    for path in (half, whole):
        journal = Journal(str(path))
        journal.line(event="resumed")
        journal.close()

    assert half.read_bytes().splitlines()[1:] == [b'{"id": 1, "op', b'{"event":"resumed"}']
    assert whole.read_bytes().splitlines() == [b'{"event": "start"}', b'{"event":"resumed"}']


START = {"resolver": "127.0.0.1:53", "name": "n", "port": 80, "run": "r", "keys": 4, "timeout_s": 2, "seed": 1}


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b'{"event": "st',
        b"[1]",
        b"[" * 100_000,
        b"\xff",
        json.dumps({**START, "epoch": 1}).encode(),
        json.dumps({**START, "epoch": float("nan"), "speed": 1}).encode(),
        json.dumps({**START, "epoch": 10**400, "speed": 1}).encode(),
        json.dumps({**START, "epoch": 1, "speed": 0}).encode(),
        json.dumps({**START, "epoch": 1, "speed": 1, "keys": None}).encode(),
        json.dumps({**START, "epoch": 1, "speed": 1, "resolver": 53}).encode(),
        json.dumps({**START, "epoch": 1, "speed": 1, "resolver": "127.0.0.1"}).encode(),
    ],
)
def test_a_load_without_a_beginning_is_not_concluded(tmp_path: Path, start: bytes) -> None:
    """The probe says so, in its document; the file stays as it is."""
    path = tmp_path / "h.jsonl"
    path.write_bytes(start + b"\n")
    words = [sys.executable, "-m", "srekv.probe", "conclude", str(path)]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (1, b"")
    assert "no beginning" in json.loads(done.stdout)["error"]
    assert path.read_bytes() == start + b"\n"


def test_a_killed_load_can_be_concluded(site: Any) -> None:
    """SIGKILL of the load itself: it is neither running nor done; concluding reads and removes its keys."""
    view = _view(site)
    with _load(site, "r7") as load:
        _await_size(view, "r7", 20_000)
        load.send_signal(signal.SIGKILL)
        load.wait(20)
    (killed,) = view.runs()
    view.conclude("r7")
    (seen,) = view.runs()
    history = view.fetch_history("r7")
    lines = _lines(history)

    assert (killed.running, killed.done, seen.done) == (False, False, True)
    assert len({line["key"] for line in lines if line.get("final")}) == 4
    assert all(line["invoke"] > lines[0]["at"] for line in lines if line.get("final"))
    assert max(line["invoke"] for line in lines if "op" in line and not line.get("final")) < lines[-1]["at"]
    assert judge_file(history.decode().splitlines(keepends=True)).lost == 0
    assert not site.store.items


@contextmanager
def _load(site: Any, run_id: str) -> Iterator[subprocess.Popen[bytes]]:
    """A load as a child of the test, where the vantage point's files are."""
    view = _view(site)
    view.resolve(system=False)
    (probe,) = site.directory.glob("**/*.pyz")
    endpoint = f"{site.dns.endpoint[0]}:{site.dns.endpoint[1]}"
    words = ["load", "--name", view.name, "--port", str(site.port), "--resolver", endpoint, "--run", run_id]
    words += ["--keys", "4", "--speed", "20", "--timeout", "40", "--seconds", "600"]
    out = probe.with_name(f"{run_id}.jsonl")
    with subprocess.Popen([sys.executable, probe, *words, "--out", out], stdout=subprocess.DEVNULL) as load:
        yield load


def test_asking_does_not_keep_a_load_from_starting(tmp_path: Path) -> None:
    """Who asks whether a history grows holds it for a moment; a load that starts just then waits for that."""
    path = tmp_path / "h.jsonl"
    path.touch()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            transfer.status(str(path))

    thread = threading.Thread(target=ask)
    thread.start()
    end = time.monotonic() + 20
    try:
        for _ in range(20):
            Journal(str(path)).close()
            assert time.monotonic() < end
    finally:
        over.set()
        thread.join()
