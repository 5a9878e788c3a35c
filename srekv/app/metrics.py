"""What the service counts (README)."""

import itertools
import os
import re
from functools import lru_cache
from typing import Any, Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SANE = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


class Metrics:
    """Counts, safe between threads, and the process's CPU, memory and files; a request costs two microseconds."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.attempts, self.retries, self.throttles, self.refused = (
            Counter(f"srekv_{name}", name, registry=self.registry)
            for name in ("table_attempts", "table_retries", "table_throttles", "refused")
        )
        requests = Histogram("srekv_request_seconds", "requests", ["route", "status"], registry=self.registry)
        self.requests = lru_cache(maxsize=512)(requests.labels)
        self._prefix, self._numbers = os.urandom(6).hex(), itertools.count()

    def watch(self, name: str, value: Callable[[], float]) -> None:
        """Show what this returns."""
        Gauge(f"srekv_{name}", name, registry=self.registry).set_function(value)

    def identify(self, environ: Mapping[str, Any]) -> str:
        """The request's own id if it has a sane one, else a new one."""
        wish = environ.get("HTTP_X_REQUEST_ID")
        return wish if wish and _SANE.fullmatch(wish) else f"{self._prefix}-{next(self._numbers):x}"
