"""The service's store in memory."""

from __future__ import annotations

from srekv.app.model import Condition, Conflict, Item, Page


class MemoryStore:
    """A Store in a dict; `failure` is raised by every call while it is set."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.last = 0
        self.failure: Exception | None = None
        self.consistent: list[bool] = []

    def get(self, key: str, *, consistent: bool = True) -> Item | None:
        """See Store."""
        self._fail()
        self.consistent.append(consistent)
        return self.items.get(key)

    def put(self, key: str, value: bytes, condition: Condition) -> int:
        """See Store."""
        self._demand(key, condition)
        self.last += 1
        self.items[key] = Item(value, self.last)
        return self.last

    def delete(self, key: str, condition: Condition) -> None:
        """See Store."""
        self._demand(key, condition)
        self.items.pop(key, None)

    def keys(self, prefix: str, limit: int, after: str | None, *, consistent: bool = True) -> Page:
        """See Store; in the order of their names."""
        self._fail()
        self.consistent.append(consistent)
        names = sorted(name for name in self.items if name.startswith(prefix) and name > (after or ""))
        found = [(name, self.items[name].version) for name in names[:limit]]
        return found, found[-1][0] if len(names) > limit else None

    def _demand(self, key: str, condition: Condition) -> None:
        self._fail()
        have = self.items.get(key)
        version_fails = condition.version is not None and (have is None or have.version != condition.version)
        if version_fails or condition.exists not in (None, have is not None):
            raise Conflict("the condition does not hold")

    def _fail(self) -> None:
        if self.failure:
            raise self.failure
