"""The service against the lab's program on one core, over a table that answers in 3 ms.

The servers run side by side and take turns, so that a busy machine is busy for all of them. Load (wrk) and table have
the other core. CPU comes from /proc: the server's process and its children. Every figure is the best of its rounds:
what else the machine does can only make it worse.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS = (16, 64)
PATHS = {"read": "/read?key=foo", "write": "/write?key=foo&value=bar"}
ROUNDS, ROUND_S = 5, 2
STARTS = 5
FLOOR_THREADS = 16
LIMITS = {"cpu": 4.0, "rate": 3.5, "p99": 1 / 3, "rss": 100.0, "start": 0.5}
"""Of the lab's CPU a request, at least this many times less; of its rate, more; of its p99, at most; MiB; seconds."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Figures:
    """One server under one load: requests/s, CPU microseconds a request, latencies in ms, answers that were no 200."""

    rate: float
    cpu: float
    p50: float
    p99: float
    refused: int


class Process:
    """A server with its children, pinned to the server's core."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self.port = free_port()
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *(one.format(port=self.port) for one in command)],
            env={**environment, "SREKV_PORT": str(self.port)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.start_s = self._ready()

    def _ready(self) -> float:
        """Seconds until a read succeeded."""
        while time.monotonic() < self._began + 30:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", PATHS["read"])
                if connection.getresponse().status == 200:
                    return time.monotonic() - self._began
            except OSError:
                time.sleep(0.002)
            finally:
                connection.close()
        self.stop()
        sys.exit(f"{self.name} does not start")

    def _family(self) -> Iterator[list[str]]:
        """The numbers of /proc/PID/stat, from the fourth on, of the process and its children."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if self._process.pid in (int(entry.name), int(fields[1])):
                    yield fields

    def cpu_s(self) -> float:
        """CPU seconds used so far, those of ended children included."""
        return sum(sum(map(int, fields[11:15])) for fields in self._family()) / _TICKS

    def rss_mib(self) -> float:
        """Resident memory."""
        return sum(int(fields[21]) for fields in self._family()) * _PAGE / 2**20

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def standin() -> Iterator[str]:
    """The table on the load's core; yields its URL."""
    command = ["taskset", "-c", str(LOAD_CORE), sys.executable, str(HERE / "standin.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()
        process.wait(timeout=10)


def servers() -> dict[str, tuple[list[str], dict[str, str]]]:
    """Each server's command and what its environment holds beside the common."""
    ours = [sys.executable, "-m", "srekv.app"]
    return {
        "lab": ([sys.executable, str(HERE / "lab.py"), "{port}"], {}),
        "ours, botocore": (ours, {"SREKV_STORE": "boto3"}),
        "ours": (ours, {"SREKV_STORE": "thin"}),
    }


def environment(url: str) -> dict[str, str]:
    """What every server gets."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": tempfile.gettempdir(),
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "SREKV_HOST": "127.0.0.1",
        "SREKV_NODE": "az1",
        "SREKV_TABLE": "SREKeyValue",
    }


def load(server: Process, path: str, connections: int) -> Figures:
    """One round of wrk."""
    cpu = server.cpu_s()
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{ROUND_S}s", "--latency"]
    run = subprocess.run(
        [*command, f"http://127.0.0.1:{server.port}{path}"], check=True, capture_output=True, text=True, timeout=60
    )
    cpu = server.cpu_s() - cpu
    text = run.stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    done = re.search(r"(\d+) requests in (\S+),", text)
    assert done is not None, text
    requests, seconds = int(done[1]), milliseconds(done[2]) / 1000
    at = dict(re.findall(r"^ +(50|99)% +(\S+) *$", text, re.MULTILINE))
    p50, p99 = (milliseconds(at[share]) for share in ("50", "99"))
    return Figures(requests / seconds, cpu / requests * 1e6, p50, p99, int(refused[1]) if refused else 0)


def milliseconds(text: str) -> float:
    """A duration as wrk writes it."""
    parts = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    assert parts is not None, text
    return float(parts[1]) * _UNITS[parts[2]]


def best(rounds: list[Figures]) -> Figures:
    """The best of each figure."""
    least = {name: min(getattr(one, name) for one in rounds) for name in ("cpu", "p50", "p99", "refused")}
    return Figures(max(one.rate for one in rounds), **least)


def floor(url: str) -> None:
    """One line for reads and one for writes of each store, without a web server."""
    for store in ("boto3", "thin"):
        command = ["taskset", "-c", str(SERVER_CORE), sys.executable, str(HERE / "floor.py"), str(FLOOR_THREADS), "3"]
        run = subprocess.run(
            command, env={**environment(url), "SREKV_STORE": store}, check=True, capture_output=True, text=True
        )
        for kind, line in zip(PATHS, run.stdout.splitlines(), strict=True):
            calls, cpu = map(float, line.split())
            print(f"the table call alone, {store}, {kind}: {calls / 3:.0f}/s, {cpu / calls * 1e6:.0f} us")


def started_again(url: str) -> float:
    """Seconds to the first read of one more of ours."""
    command, more = servers()["ours"]
    one = Process("ours", command, {**environment(url), **more})
    one.stop()
    return one.start_s


def judge(server: Process, name: str, mine: Figures, lab: Figures) -> bool:
    """Print the ratios to the lab; whether every limit is reached."""
    cpu, rate, p99 = lab.cpu / mine.cpu, mine.rate / lab.rate, mine.p99 / lab.p99
    reached = {
        f"CPU {cpu:.1f} times less": cpu >= LIMITS["cpu"],
        f"rate {rate:.1f} times": rate >= LIMITS["rate"],
        f"p99 {p99:.2f} of it": p99 <= LIMITS["p99"],
        f"RSS {server.rss_mib():.0f} MiB": server.rss_mib() <= LIMITS["rss"],
        f"{mine.refused} refused": mine.refused == 0,
    }
    print(f"  {name} to lab: " + ", ".join(f"{what} [{'ok' if ok else 'MISSED'}]" for what, ok in reached.items()))
    return all(reached.values())


def measure_service(_: str) -> None:
    """The table of the service's figures, and whether the limits are reached."""
    if not shutil.which("wrk"):
        sys.exit("the service's benchmark needs wrk: apt-get install wrk")
    cores = os.sched_getaffinity(0)
    if not {SERVER_CORE, LOAD_CORE} <= cores:
        sys.exit("the service's benchmark needs two cores")
    with ExitStack() as stack:
        url = stack.enter_context(standin())
        running = {}
        for name, (command, more) in servers().items():
            running[name] = Process(name, command, {**environment(url), **more})
            stack.callback(running[name].stop)
        reached = _compare(running)
        start = min(started_again(url) for _ in range(STARTS))
        print(f"ours answers its first read after {start:.2f} s [{'ok' if start < LIMITS['start'] else 'MISSED'}]")
        floor(url)
    print("every limit reached\n" if reached and start < LIMITS["start"] else "a limit is missed\n")


def _compare(running: Mapping[str, Process]) -> bool:
    """Every load on every server, in turns."""
    reached = True
    print(f"{'':<24}{'requests/s':>11}{'CPU us':>8}{'p50 ms':>8}{'p99 ms':>8}{'RSS MiB':>9}{'start s':>9}")
    for kind, path in PATHS.items():
        for connections in CONNECTIONS:
            rounds: dict[str, list[Figures]] = {name: [] for name in running}
            for _ in range(ROUNDS):
                for name, server in running.items():
                    rounds[name].append(load(server, path, connections))
            bests = {name: best(figures) for name, figures in rounds.items()}
            print(f"{kind}s, {connections} connections (load average {os.getloadavg()[0]:.1f})")
            for name, one in bests.items():
                server = running[name]
                print(
                    f"  {name:<22}{one.rate:>11.0f}{one.cpu:>8.0f}{one.p50:>8.1f}{one.p99:>8.1f}"
                    f"{server.rss_mib():>9.0f}{server.start_s:>9.2f}"
                )
            reached &= judge(running["ours"], "ours", bests["ours"], bests["lab"])
    return reached
