"""Whether the table answers: one look at a time, whoever asks meanwhile shares it."""

import threading
from concurrent import futures
from typing import Any, Callable

from srekv.app.model import Unavailable

WAIT_S = 0.7
"""With PATIENCE_S, that a request may wait before, under 1 s."""


class Readiness:
    """`look` raises when the table does not answer; it may take its time."""

    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._last: Any = None

    def demand(self) -> None:
        """Return if the table answers within WAIT_S, else raise what it raises, or Unavailable."""
        with self._lock:
            if self._last is None or self._last.done():
                self._last = futures.Future()
                threading.Thread(target=self._find_out, args=(self._last,), daemon=True).start()
            look = self._last
        try:
            look.result(WAIT_S)
        except futures.TimeoutError:
            raise Unavailable(f"the table has not answered for {WAIT_S} s") from None

    def _find_out(self, look: Any) -> None:
        try:
            look.set_result(self._look())
        except Exception as error:  # noqa: BLE001 - who asked gets it
            look.set_exception(error)
