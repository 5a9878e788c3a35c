"""Times `srekv check` on histories of the sizes that the manual states, with an older build in the same run.

`make bench PART=check`. Each verdict is a process of its own with a time limit. What is timed begins when the modules
are loaded and includes reading the file: CPU seconds, which are the wall-clock seconds of an idle machine. Porcupine is
not run: its seconds are those of another machine, for histories of the same shape, without reading them; they are
scaled by what a bare Python loop takes on the two machines.
"""

from __future__ import annotations

import heapq
import json
import math
import os
import random
import statistics
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builds import Build, two_builds

JUDGE = str(Path(__file__).with_name("judge.py"))
LIMIT_S = 120.0
"""A verdict that takes longer is none."""

ENOUGH_S = 20.0
"""A verdict is repeated until its runs took this long, up to RUNS times."""

RUNS = 5
LOOP_S = 0.32
"""A Python loop of 5,000,000 additions on the machine on which Porcupine was timed."""

PLAIN = {"read": 50, "write": 50}
"""A register's operations, in percent: what Porcupine was timed with."""

DRILL = {"read": 40, "write": 40, "cas": 15, "delete": 5}
"""The load of a drill."""


@dataclass(frozen=True)
class Shape:
    """A history to generate.

    Attributes:
        name: for a person.
        operations: on each key.
        keys: how many.
        clients: of each key; each waits for one answer before its next operation.
        unknown: the share of changes without an answer; half of those take place.
        stale: whether one read returns a value that was certainly overwritten before.
        porcupine_s: what Porcupine's check took for a history of this shape, without reading it; None: not timed.
        mix: the operations, in percent.
    """

    name: str
    operations: int
    keys: int
    clients: int
    unknown: float = 0.0
    stale: bool = False
    porcupine_s: float | None = None
    mix: Mapping[str, int] = field(default_factory=lambda: PLAIN)


SHAPES = (
    Shape("100 keys x 1,000, 5 clients", 1_000, 100, 5, porcupine_s=0.47),
    Shape("  and one stale read", 1_000, 100, 5, stale=True, porcupine_s=0.41),
    Shape("  with swaps and deletes instead", 1_000, 100, 5, mix=DRILL),
    Shape("  with these and one stale read", 1_000, 100, 5, stale=True, mix=DRILL),
    Shape("300, 5 clients, 4 % unknown", 300, 1, 5, unknown=0.04, porcupine_s=0.001),
    Shape("  and one stale read", 300, 1, 5, unknown=0.04, stale=True, porcupine_s=0.008),
    Shape("  with swaps, deletes and a stale read", 300, 1, 5, unknown=0.04, stale=True, mix=DRILL),
    Shape("10,000, 10 clients", 10_000, 1, 10, porcupine_s=1.6),
    Shape("  and one stale read", 10_000, 1, 10, stale=True, porcupine_s=11.8),
    Shape("4 keys x 2,000, 20 clients, 1 % unknown", 2_000, 4, 20, unknown=0.01, porcupine_s=22.0),
)
GROWTH = tuple(Shape(f"{1_000 * keys:,} on {keys:,} keys", 1_000, keys, 5, mix=DRILL) for keys in (10, 100, 1_000))


def write_history(path: Path, shape: Shape) -> None:
    """Write a linearizable history of that shape, but for the stale read; the same one each time."""
    lines = []
    for number in range(shape.keys):
        chance = random.Random(number)
        lines += operations_on(f"k{number}", shape, chance)
        if shape.stale and number == shape.keys // 2:
            make_stale(lines[-shape.operations :], chance)
    lines.sort(key=lambda line: float(line["invoke"]))
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def operations_on(key: str, shape: Shape, chance: random.Random) -> list[dict[str, Any]]:
    """What the clients of one key did and saw: each operation takes place at a moment between its two times."""
    lines: list[dict[str, Any]] = []
    value: str | None = None
    agenda = [(chance.random() / 1000, client, -1) for client in range(shape.clients)]
    heapq.heapify(agenda)
    while agenda:
        at, client, place = heapq.heappop(agenda)
        if place >= 0:
            value = _take_place(lines[place], value)
        elif len(lines) < shape.operations:
            op = chance.choices(list(shape.mix), list(shape.mix.values()))[0]
            took = 0.0002 + chance.expovariate(1000)
            line: dict[str, Any] = {"client": f"{key}.{client}", "op": op, "key": key, "value": None}
            if op in {"write", "cas"}:
                line["value"] = f"v{len(lines)}"
            if op == "cas":
                line["expect"] = value
            line |= {"invoke": round(at, 7), "complete": round(at + took, 7), "outcome": "ok"}
            if op != "read" and chance.random() < shape.unknown:
                line |= {"complete": None, "outcome": "unknown"}
            if line["outcome"] == "ok" or chance.random() < 0.5:
                heapq.heappush(agenda, (at + took * (0.1 + 0.8 * chance.random()), client, len(lines)))
            lines.append(line)
            heapq.heappush(agenda, (at + took + 0.0001, client, -1))
    return lines


def _take_place(line: dict[str, Any], value: str | None) -> str | None:
    """The key's value after the operation; the operation's line gets its answer."""
    if line["op"] == "read":
        line["value"] = value
        return value
    if line["op"] == "cas" and line["expect"] != value:
        line["outcome"] = "conflict" if line["outcome"] == "ok" else line["outcome"]
        return value
    return None if line["op"] == "delete" else str(line["value"])


def make_stale(lines: list[dict[str, Any]], chance: random.Random) -> None:
    """Let a late read return what was written and acknowledged in the middle of what came before."""
    read = chance.choice([line for line in lines[len(lines) // 2 :] if line["op"] == "read" and line["value"]])
    writes = [
        line
        for line in lines
        if line["op"] == "write" and line["outcome"] == "ok" and line["complete"] < read["invoke"]
    ]
    read["value"] = writes[len(writes) // 2]["value"]


def judge_apart(build: Build, file: Path) -> dict[str, Any] | None:
    """One verdict in a process of its own; None: no answer in time."""
    env = {"PATH": os.environ["PATH"], **build.variables}
    try:
        done = subprocess.run(
            [*build.python, JUDGE, str(file)], env=env, capture_output=True, check=True, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(build: Build, file: Path) -> dict[str, Any] | None:
    """The medians of several verdicts; None if one of them was not there in time."""
    runs: list[dict[str, Any]] = []
    while len(runs) < RUNS and sum(one["wall"] for one in runs) < ENOUGH_S:
        one = judge_apart(build, file)
        if one is None:
            return None
        runs.append(one)
    figures = {name: statistics.median(one[name] for one in runs) for name in ("wall", "cpu", "memory")}
    return {"verdict": runs[0]["verdict"], **figures}


def bare_loop() -> float:
    """CPU seconds for 5,000,000 additions."""
    begin = time.process_time()
    total = 0
    for _ in range(5_000_000):
        total += 1  # noqa: SIM113 - the addition is what is timed
    return time.process_time() - begin


def measure_check(home: str) -> None:
    """The table of verdicts, then how time and memory grow."""
    loop = statistics.median(bare_loop() for _ in range(RUNS))
    factor = loop / LOOP_S
    print(f"bare loop of 5,000,000 additions: {loop:.2f} s; Porcupine's published seconds x {factor:.2f}, not run here")
    file = Path(home) / "history.jsonl"
    with two_builds() as (before, now):
        print(f"{'CPU seconds, with reading':<40} {before.name:>22} {now.name:>22}  ratio  Porcupine")
        for shape in SHAPES:
            write_history(file, shape)
            print(_row(shape, measure(before, file), measure(now, file), factor), flush=True)
        print(f"\n{'growth of this build':<40} {'wall':>9} {'CPU':>9} {'memory':>9}  CPU / (n log n)")
        for shape in GROWTH:
            write_history(file, shape)
            print(_growth_row(shape, measure(now, file)), flush=True)
    print("(a million: at most 15 s and 1,000 MB; the last column does not grow)\n")


def _row(shape: Shape, before: dict[str, Any] | None, after: dict[str, Any] | None, factor: float) -> str:
    at_least = "" if before else ">"
    ratio = f"{at_least}{(before['cpu'] if before else LIMIT_S) / after['cpu']:.0f}" if after else "-"
    porcupine = "-" if shape.porcupine_s is None else f"{shape.porcupine_s * factor:.3f} s"
    return f"{shape.name:<40} {_cell(before):>22} {_cell(after):>22} {ratio:>6}  {porcupine}"


def _cell(found: dict[str, Any] | None) -> str:
    return f"{found['verdict']} {found['cpu']:.3f} s" if found else f"no answer in {LIMIT_S:.0f} s"


def _growth_row(shape: Shape, found: dict[str, Any] | None) -> str:
    if found is None:
        return f"{shape.name:<40} {_cell(None)}"
    size = shape.operations * shape.keys
    unit = found["cpu"] / (size * math.log2(size)) * 1e9
    figures = f"{found['wall']:7.2f} s {found['cpu']:7.2f} s {found['memory']:6.0f} MB"
    return f"{shape.name:<40} {figures}  {unit:.0f} ns"
