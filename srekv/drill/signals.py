"""Signals while a fault is in the stack: Ctrl-C, SIGTERM and SIGHUP end a drill, none stops the healing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDINGS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does, so that everything is healed on the way out."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt):
        yield


class SignalGuard:
    """Holds the signals back, but for one: the first that comes while the guard is open, which raises it.

    `warn` is called for each that is held back; it names what the user is waiting for.
    """

    def __init__(self, warn: Callable[[], object]) -> None:
        self._warn = warn
        self._is_open = False
        self.came = False

    @contextmanager
    def open(self) -> Iterator[None]:
        """Raise KeyboardInterrupt inside, once; also for a signal that came before.

        Whatever has to be undone on an interrupt belongs around this, inside of `guarded`.
        """
        if self.came:
            raise KeyboardInterrupt
        self._is_open = True
        try:
            yield
        finally:
            self._is_open = False

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of the signals."""
        self.came = True
        if self._is_open:
            self._is_open = False
            raise KeyboardInterrupt
        self._warn()


@contextmanager
def guarded(warn: Callable[[], object]) -> Iterator[SignalGuard]:
    """Hold these signals back; one that came and was not raised is answered with KeyboardInterrupt at the end."""
    guard = SignalGuard(warn)
    with _handled(guard.handle):
        yield guard
    if guard.came:
        raise KeyboardInterrupt


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """The endings handled like this; only the main thread gets signals, elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDINGS}
    heard = [number for number, one in before.items() if one not in {None, signal.SIG_IGN}]  # nohup ignores SIGHUP
    for number in heard:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
