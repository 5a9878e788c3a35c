"""Timing of whole commands: several runs, the median to quote, least and most beside it."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


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


def command(arguments: Sequence[str], environment: Mapping[str, str], *, timeout_s: float = 120) -> float:
    """Run a command to its successful end and return its wall-clock seconds."""
    begin = time.perf_counter()
    subprocess.run(
        arguments,
        env=dict(environment),
        check=True,
        timeout=timeout_s,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    return time.perf_counter() - begin


def sample(name: str, measure: Callable[[], float], *, runs: int) -> Sample:
    """Measure so many times."""
    return Sample(name, tuple(measure() for _ in range(runs)))
