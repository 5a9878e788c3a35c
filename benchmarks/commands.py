"""The commands of an earlier build beside those of this one, in one run: what each takes, and the ratio of the two.

Old and new take turns, so that what else the machine does slows both alike; medians are compared.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from builds import Build, two_builds
from servers import moto, reset
from timing import Cost, cost

RUNS = 9
STRAIGHT = str(Path(__file__).with_name("straight.py"))

LOCAL = {
    "up, cold, to both nodes healthy": (("up",), 0.7),
    "up again": (("up",), 0.5),
    "status": (("status",), 0.5),
    "down": (("down", "--yes"), 1.0),
}
"""On the local target, in this order: the words of the command, and its share of the time before at most."""

UP = ("--target", "aws", "up", "--no-wait")
SCRIPT_TIMES = 1.2
"""`up --no-wait` may take this many times as long as a straight-line boto3 script."""


def measure_commands(environment: dict[str, str]) -> None:
    """The local target, then an ordinary moto server."""
    with two_builds() as (before, now):
        print(f"{'':<34} {before.name:>24} {now.name:>24}   ratio")
        _measure_local(before, now, environment)
        _measure_moto(before, now, environment)


def _measure_local(before: Build, now: Build, environment: dict[str, str]) -> None:
    costs: dict[tuple[str, Build], list[Cost]] = {}
    for _ in range(RUNS):
        for build in (before, now):
            for name, (words, _) in LOCAL.items():
                costs.setdefault((name, build), []).append(cost(build.srekv(*words), environment | build.variables))
    for name, (_, limit) in LOCAL.items():
        _row(name, costs[name, before], costs[name, now], limit)


def _measure_moto(before: Build, now: Build, environment: dict[str, str]) -> None:
    """The server is warm: every command has run once before it is measured."""
    with moto() as url:
        account = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        commands = {"script": ([sys.executable, STRAIGHT, url], environment)}
        for build in (before, now):
            commands[build.name] = (build.srekv(*UP), environment | account | build.variables)
        costs: dict[str, list[Cost]] = {name: [] for name in commands}
        for _ in range(RUNS + 1):
            for name, (words, variables) in commands.items():
                reset(url)
                costs[name].append(cost(words, variables))
    script, old, new = (one[1:] for one in costs.values())
    _row("up --no-wait, warm moto server", old, new, None)
    print(f"{'the same as a straight-line script':<34} {'':>24} {_figures(script)}")
    print(f"up --no-wait takes {_ratios(script, new)} times as long as the script (at most {SCRIPT_TIMES})\n")


def _row(name: str, old: list[Cost], new: list[Cost], limit: float | None) -> None:
    most = "" if limit is None else f" (at most {limit})"
    print(f"{name:<34} {_figures(old)} {_figures(new)}   {_ratios(old, new)}{most}", flush=True)


def _figures(costs: list[Cost]) -> str:
    wall_s, cpu_s = _medians(costs)
    return f"{f'{wall_s:.2f} s, CPU {cpu_s:.2f} s':>24}"


def _ratios(old: list[Cost], new: list[Cost]) -> str:
    """By the wall clock, and of processor time."""
    wall, cpu = (after / before for before, after in zip(_medians(old), _medians(new), strict=True))
    return f"{wall:.2f}, CPU {cpu:.2f}"


def _medians(costs: list[Cost]) -> tuple[float, float]:
    return statistics.median(one.wall_s for one in costs), statistics.median(one.cpu_s for one in costs)
