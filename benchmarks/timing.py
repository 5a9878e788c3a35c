"""Timing of whole commands: several runs, the median to quote, least and most beside it."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Sample:
    """Wall-clock seconds of several runs of one thing."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one: the figure to quote on a noisy machine."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return f"{self.name:<44} {self.median:7.3f} s   ({min(self.seconds):.3f} to {max(self.seconds):.3f})"


class Cost(NamedTuple):
    """What one run of a command took.

    Attributes:
        wall_s: wall-clock seconds.
        cpu_s: processor seconds, user and system, of the command and of every child that it waited for: the figure to
            compare on a machine that does other work as well.
    """

    wall_s: float
    cpu_s: float


def cost(arguments: Sequence[str], environment: Mapping[str, str], *, timeout_s: float = 120) -> Cost:
    """Run a command to its successful end; no other child may end meanwhile."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        arguments,
        env=dict(environment),
        check=True,
        timeout=timeout_s,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wall_s, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall_s, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def command(arguments: Sequence[str], environment: Mapping[str, str], *, timeout_s: float = 120) -> float:
    """Run a command to its successful end and return its wall-clock seconds."""
    return cost(arguments, environment, timeout_s=timeout_s).wall_s


def sample(name: str, measure: Callable[[], float], *, runs: int) -> Sample:
    """Measure so many times."""
    return Sample(name, tuple(measure() for _ in range(runs)))
