"""Pauses Python's cyclic garbage collector while a history is read and judged.

Both make millions of objects that live until the verdict and refer to one another in no cycle: the collector would walk
over all of them again and again, for two thirds of the time, and find nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """No collection inside; afterwards the collector is as it was."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
