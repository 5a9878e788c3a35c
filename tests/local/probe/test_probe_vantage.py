"""The probe over real sockets: shipped by a shell script, run by a real Python, read back by the tool."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from srekv.check.model import Verdict
from srekv.check.verdict import judge_file
from srekv.drill.faults import entry, fault
from srekv.drill.model import Settings
from srekv.drill.payload import Payload, payload
from srekv.drill.runner import Order, failover_test
from srekv.drill.vantage import Vantage
from srekv.errors import SrekvError
from tests.support.drill import Log
from tests.support.interpreters import interpreters

pytestmark = pytest.mark.local


def _view(site: Any) -> Vantage:
    deployment = site.deployment()
    return Vantage(site, deployment.node("secondary"), deployment.name, site.dns.endpoint, site.port)


def test_resolves_with_ttl(site: Any) -> None:
    """The answer has addresses and TTL as they were on the wire; getaddrinfo's failure is told apart."""
    site.dns.ttl = 7
    seen = _view(site).resolve()

    assert (seen.rcode, seen.addresses, seen.ttl) == ("NOERROR", ("127.0.0.1",), 7)
    assert seen.system is None
    assert seen.system_error


def test_looks_at_name_and_service_in_one_command(site: Any) -> None:
    """Answer, TTL and responses together; a node that is down and a name without an answer are told, not raised."""
    site.dns.ttl = 7
    view = _view(site)
    seen = view.look(("/health", "/v1/keys/k"))
    assert (seen.resolution.addresses, seen.resolution.ttl) == (("127.0.0.1",), 7)
    assert [(one.status, one.node, one.address) for one in seen.responses] == [
        (200, "az1", "127.0.0.1"),
        (404, "az1", "127.0.0.1"),
    ]

    site.webs.pop("127.0.0.1").end()
    (response,) = view.look(("/health",)).responses
    assert (response.status, response.address) == (None, "127.0.0.1")
    assert response.error.startswith("connect: ")

    site.dns.rcode, site.dns.addresses = 3, []
    seen = view.look(("/health",))
    assert (seen.resolution.rcode, seen.responses[0].error) == ("NXDOMAIN", "svc.sre-test.local: NXDOMAIN")


def test_follows_truncation_to_tcp(site: Any) -> None:
    """A truncated answer is asked for again over TCP."""
    site.dns.truncate = True
    assert _view(site).resolve(system=False).addresses == ("127.0.0.1",)


def test_asks_again_when_a_packet_is_lost(site: Any) -> None:
    """One lost question does not lose the answer."""
    site.dns.drop = 1
    assert _view(site).resolve(system=False).addresses == ("127.0.0.1",)
    assert site.dns.asked == 2


@pytest.mark.parametrize(("rcode", "word"), [(3, "NXDOMAIN"), (2, "SERVFAIL"), (5, "REFUSED"), (11, "RCODE11")])
def test_names_the_rcode(site: Any, rcode: int, word: str) -> None:
    """What the resolver refuses has a name."""
    site.dns.rcode, site.dns.addresses = rcode, []
    assert _view(site).resolve(system=False).rcode == word


def test_garbage_is_no_answer(site: Any) -> None:
    """A malformed message counts as silence, not as a crash."""
    site.dns.garbage = True
    assert _view(site).resolve(system=False).rcode == "TIMEOUT"


def test_watch_sees_the_transition(site: Any) -> None:
    """Watching ends when the name answers exactly the wanted address, with every change on the way."""
    site.unhealthy = False
    site.dns.then = lambda: site._health(unhealthy=True, address="127.0.0.2")
    watched = _view(site).watch(("127.0.0.2",), timeout_s=20, interval_s=0.02)

    assert watched.matched
    assert [one.addresses for one in watched.transitions] == [("127.0.0.1",), ("127.0.0.2",)]


def test_watch_gives_up(site: Any) -> None:
    """A name that stays is reported as not matched, in time."""
    watched = _view(site).watch(("127.0.0.2",), timeout_s=0.1, interval_s=0.02)
    assert not watched.matched


def test_requests_through_the_name_and_pinned(site: Any) -> None:
    """A request goes to the first address of the name, or where it is told to."""
    view = _view(site)
    wrote = view.request("PUT", "/v1/keys/a%20b", body="wört".encode())
    read = view.request("GET", "/v1/keys/a%20b", address="127.0.0.2")

    assert (wrote.status, wrote.node, wrote.address) == (200, "az1", "127.0.0.1")
    assert (read.status, read.node, read.body.decode()) == (200, "az2", "wört")


def test_a_dead_address_and_a_silent_service(site: Any) -> None:
    """No connection and no answer are results with a reason, not failures of the probe."""
    view = _view(site)
    refused = view.request("GET", "/health", address="127.0.0.3")
    silent = view.request("GET", "/silence", timeout_s=0.1)

    assert (refused.status, silent.status) == (None, None)
    assert "connect" in refused.error
    assert "timed out" in silent.error


def test_ships_the_probe_once_and_again_when_it_is_gone(site: Any) -> None:
    """The probe travels with the first command only, and again after a reboot that emptied /tmp."""
    view = _view(site)
    view.resolve(system=False)
    first = sorted(site.directory.glob("**/*.pyz"))
    first[0].unlink()
    view.resolve(system=False)

    assert [path.name for path in first] == [f"{payload().name}.pyz"]
    assert sorted(site.directory.glob("**/*.pyz")) == first


def test_a_probe_that_cannot_run_says_why(site: Any) -> None:
    """An error carries the node, the exit code and what was said on stderr."""
    view = _view(site)
    view.payload = Payload(data=b"not a zip")
    with pytest.raises(SrekvError, match=r"could not resolve on az2 \(i-az2\)") as caught:
        view.resolve()
    assert "exit code 1" in caught.value.why


def _stored(data: bytes) -> list[str]:
    packed = zlib.compress(data)
    return ["--data-b64", base64.b64encode(packed).decode(), "--sha256", hashlib.sha256(packed).hexdigest()]


LOAD_ALONE = {"lost": "held", "linear": "held", "history": "unknown"}
"""What is found in a sound load without a drill."""


def _rulings(verdict: Verdict) -> dict[str, str]:
    return {one.checker: one.verdict for one in verdict.findings}


@pytest.mark.parametrize("version", sorted(interpreters()))
def test_every_python(site: Any, tmp_path: Path, version: str) -> None:
    """The zip runs on every interpreter from 3.8 on: DNS, HTTP, and a short load."""
    probe = tmp_path / "probe.pyz"
    probe.write_bytes(payload().data)
    endpoint = f"127.0.0.1:{site.dns.endpoint[1]}"
    target = ["--name", "svc.sre-test.local", "--port", str(site.port), "--resolver", endpoint]
    out = tmp_path / "h.jsonl"
    size = ["--run", "r", "--keys", "2", "--rate", "200", "--seconds", "0.3", "--out", str(out)]

    def run(*words: str) -> Any:
        command = [interpreters()[version], "-W", "error", str(probe), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.stderr == ""
        return json.loads(done.stdout)

    assert run("resolve", "svc.sre-test.local", "--resolver", endpoint)["answers"][0]["address"] == "127.0.0.1"
    assert run("request", "GET", "/health", *target)["status"] == 200
    assert run("load", *target, *size, "--timeout", "5") == {"out": str(out)}
    assert run("store", str(tmp_path / "h.json"), *_stored(b"{}"))["stored"] > 0
    assert run("fetch", str(tmp_path / "h.json"))["size"] == 2
    assert run("status", str(out))["done"]
    assert [one["run"] for one in run("runs", str(tmp_path))["runs"]] == ["h"]
    with out.open() as lines:
        verdict = judge_file(lines)
    assert _rulings(verdict) == LOAD_ALONE
    assert verdict.operations > 2


def test_load_leaves_no_key_and_reads_all_in_the_end(site: Any) -> None:
    """A stopped load has read every key once more and removed its keys; its history arrives whole."""
    view = _view(site)
    settings = Settings(resolver=site.dns.endpoint, port=site.port, run_id="r9", speed=20, keys=4, op_timeout_s=40)
    view.start_load(settings, seconds=600)
    _await_size(view, "r9", 60_000)
    status = view.stop_load("r9", wait_s=20)
    lines = [json.loads(line) for line in view.fetch_history("r9").splitlines()]

    assert status.done
    assert len({line["key"] for line in lines if line.get("final")}) == 4
    assert {line["event"] for line in lines if "event" in line} == {"start", "dns", "lag", "end"}
    assert site.store.items == {}
    assert _rulings(judge_file(json.dumps(line) + "\n" for line in lines)) == LOAD_ALONE


def _await_size(view: Vantage, run_id: str, size: int) -> None:
    """Wait until the history has grown so far; the test's own time-out is the deadline."""
    while view.load_status(run_id).size < size:
        pass


def test_a_service_that_loses_writes_is_caught(site: Any) -> None:
    """A service that acknowledges and does not store is violated, with a proof."""
    site.store.lose_writes = True
    view = _view(site)
    settings = Settings(resolver=site.dns.endpoint, port=site.port, run_id="bad", speed=20, keys=4, op_timeout_s=40)
    view.start_load(settings, seconds=600)
    _await_size(view, "bad", 20_000)
    view.stop_load("bad", wait_s=20)
    verdict = judge_file(view.fetch_history("bad").decode().splitlines(keepends=True))

    assert verdict.verdict == "violated"
    assert verdict.lost > 0
    assert verdict.linearizable is False


@pytest.mark.parametrize(("said", "outcome"), [("failed", "fail"), ("unknown", "unknown")])
def test_a_refused_write_has_the_outcome_that_the_service_says(site: Any, said: str, outcome: str) -> None:
    """503 with outcome failed is a write without effect; any other 503 may have had one."""
    site.webs["127.0.0.1"].refuse = said
    view = _view(site)
    settings = Settings(resolver=site.dns.endpoint, port=site.port, run_id="no", speed=20, op_timeout_s=40)
    view.start_load(settings, seconds=600)
    _await_size(view, "no", 20_000)
    view.stop_load("no", wait_s=20)
    lines = [json.loads(line) for line in view.fetch_history("no").splitlines()]

    assert {line["outcome"] for line in lines if line.get("op") == "write" and "status" in line} == {outcome}


def test_a_whole_drill(site: Any, tmp_path: Path) -> None:
    """Stop, switch, heal, failback under a real load: the verdict holds and every phase has a length."""
    settings = Settings(resolver=site.dns.endpoint, port=site.port, run_id="drill", speed=20, op_timeout_s=20, rate=5)
    site.lag_s = 1.9  # as three failed checks take at that speed: nobody could explain a shorter outage
    log = Log()
    order = Order(fault=fault(entry("stop")))
    result = failover_test(site, settings, log, order=order, workdir=tmp_path)
    verdict = judge_file(result.history)

    assert verdict.verdict == "held", verdict
    assert verdict.timing is not None
    assert verdict.timing.outage_s > 5
    assert verdict.timing.detection_s is not None
    assert verdict.timing.failback_s is not None
    assert not log.warnings


def test_the_load_ends_when_its_machine_tells_it(site: Any, tmp_path: Path) -> None:
    """SIGTERM ends a load in order: final reads, then the file that says so."""
    probe = tmp_path / "probe.pyz"
    probe.write_bytes(payload().data)
    out = tmp_path / "t.jsonl"
    words = ["load", "--name", "svc.sre-test.local", "--port", str(site.port), "--run", "t", "--out", str(out)]
    words += ["--resolver", f"127.0.0.1:{site.dns.endpoint[1]}", "--seconds", "600", "--timeout", "5"]
    with subprocess.Popen(["python3", str(probe), *words], stdout=subprocess.PIPE) as load:
        view = _view(site)
        while not view.fault_target.run(view.node, f"cat {out} 2>/dev/null || true", timeout_s=20).stdout.count("\n"):
            pass
        load.terminate()
        load.communicate(timeout=30)

    assert load.returncode == 0
    assert (tmp_path / "t.jsonl.done").exists()
    assert '"final":true' in out.read_text()


def test_an_unreachable_resolver_is_a_failed_operation(site: Any) -> None:
    """Without an address nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
        hole.bind(("127.0.0.1", 0))
        view = _view(site)
        view.resolver = hole.getsockname()
        seen = view.request("GET", "/health", timeout_s=0.2)

    assert seen.status is None
    assert "TIMEOUT" in seen.error
