"""What the service counts, and /metrics shows; prometheus_client is not imported before somebody asks (README)."""

import itertools
import os
import re
from bisect import bisect_left
from threading import Lock
from typing import Any, Callable, Dict, Iterator, List, Mapping, Tuple

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram's buckets."""

ATTEMPTS, RETRIES, THROTTLES, REFUSED = NAMES = ("table_attempts", "table_retries", "table_throttles", "refused")

_SANE = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


class Metrics:
    """Counts, safe between threads; a request costs a microsecond."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = dict.fromkeys(NAMES, 0)
        self._requests: Dict[Tuple[str, int], int] = {}
        self._times: Dict[str, List[float]] = {}
        self._gauges: Dict[str, Callable[[], int]] = {}
        self._prefix, self._numbers = os.urandom(6).hex(), itertools.count()

    def count(self, name: str) -> None:
        """One more of NAMES."""
        with self._lock:
            self._counts[name] += 1

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        with self._lock:
            self._requests[route, status] = self._requests.get((route, status), 0) + 1
            times = self._times.setdefault(route, [0.0] * (len(SECONDS) + 2))
            times[bisect_left(SECONDS, seconds)] += 1
            times[-1] += seconds

    def watch(self, **gauges: Callable[[], int]) -> None:
        """Show what these return."""
        self._gauges.update(gauges)

    def identify(self, environ: Mapping[str, Any]) -> str:
        """The request's own id if it has a sane one, else a new one."""
        wish = environ.get("HTTP_X_REQUEST_ID")
        return wish if wish and _SANE.fullmatch(wish) else f"{self._prefix}-{next(self._numbers):x}"

    def text(self) -> bytes:
        """Everything in Prometheus' text format, with the process's CPU, memory and files."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(self)  # type: ignore[arg-type,unused-ignore] # it is one: it has `collect`
        return generate_latest(registry)

    def collect(self) -> Iterator[Any]:
        """What prometheus_client asks for."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        with self._lock:
            counts, requests = dict(self._counts), dict(self._requests)
            times = {route: list(row) for route, row in self._times.items()}
        answered = CounterMetricFamily("srekv_requests", "Requests answered", labels=["route", "status"])
        for (route, status), number in requests.items():
            answered.add_metric([route, str(status)], number)
        yield answered
        latency = HistogramMetricFamily("srekv_request_seconds", "From arrival to answer", labels=["route"])
        for route, row in times.items():
            sums = itertools.accumulate(row[:-1])
            latency.add_metric([route], list(zip([*map(str, SECONDS), "+Inf"], sums)), row[-1])
        yield latency
        for name, number in counts.items():
            yield CounterMetricFamily(f"srekv_{name}", name.replace("_", " "), number)
        for name, read in self._gauges.items():
            yield GaugeMetricFamily(f"srekv_{name}", name.replace("_", " "), read())
