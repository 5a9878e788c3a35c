"""Misbehaviour for drills: words in one file, never set over HTTP (README)."""

import os
import time
from pathlib import Path
from typing import Dict, FrozenSet, Optional, Tuple

from srekv.app.model import Condition, Item, Page, Store, Unavailable

_UNREAD: Tuple[int, int, FrozenSet[str]] = (0, 0, frozenset())


class FaultyStore:
    """A Store that obeys the words in the file at `path`, else what the real one does; a path may be ""."""

    def __init__(self, store: Store, path: str) -> None:
        self._store, self._path = store, path
        self._cache = _UNREAD
        self._old: Dict[str, Optional[Item]] = {}

    def active(self) -> FrozenSet[str]:
        """The words that hold now: the file is read again when it changes."""
        if not self._path:
            return _UNREAD[2]
        try:
            about = os.stat(self._path)  # noqa: PTH116 - in every request's way
            if self._cache[:2] != (about.st_mtime_ns, about.st_size):
                words = Path(self._path).read_text("utf-8", "replace").split()
                self._cache = (about.st_mtime_ns, about.st_size, frozenset(words))
        except OSError:
            self._cache = _UNREAD
        return self._cache[2]

    def get(self, key: str, *, consistent: bool = True) -> Optional[Item]:
        """See Store."""
        if "stale-reads" in self._prepare(key):
            return self._old.get(key)
        return self._store.get(key, consistent=consistent)

    def put(self, key: str, value: bytes, condition: Condition) -> int:
        """See Store."""
        lost = "lost-writes" in self._prepare(key)
        return int(time.time() * 1000) if lost else self._store.put(key, value, condition)

    def delete(self, key: str, condition: Condition) -> None:
        """See Store."""
        if "lost-writes" not in self._prepare(key):
            self._store.delete(key, condition)

    def keys(self, prefix: str, limit: int, after: Optional[str], *, consistent: bool = True) -> Page:
        """See Store; a listing is never stale."""
        self._prepare(None)
        return self._store.keys(prefix, limit, after, consistent=consistent)

    def _prepare(self, key: Optional[str]) -> FrozenSet[str]:
        words = self.active()
        if "no-table" in words:
            raise Unavailable("a drill put the table out of reach")
        if "stale-reads" not in words:
            self._old = {}
        elif key is not None and key not in self._old:
            self._old.setdefault(key, self._store.get(key))
        return words
