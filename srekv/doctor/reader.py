"""Reading calls that tolerate refusals: what could not be read is noted, and becomes a finding of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from srekv.doctor.facts import Unread
from srekv.provision.engine.answers import DENIED, FAILURES, code_of, message_of
from srekv.provision.inventory.marks import each


class Reader:
    """Makes reading calls and remembers which failed. Used by one thread.

    `what` is what an answer is needed for, to be read after "not examined:"; `operation` is the client's method.
    """

    def __init__(self) -> None:
        self._unread: dict[str, Unread] = {}

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read so far, each action once."""
        return tuple(self._unread.values())

    def try_call(self, what: str, action: str, call: Callable[[], Any]) -> Any | None:
        """What `call` returns; None if it failed. `action` is the IAM action behind it, "ec2:DescribeAddresses"."""
        try:
            return call()
        except FAILURES as error:
            code, message = code_of(error), message_of(error)
            why = f"{code}: {message}" if code else message
            self._unread.setdefault(action, Unread(what=what, action=action, why=why, denied=code in DENIED))
            return None

    def ask(self, what: str, client: Any, operation: str, **arguments: Any) -> Any | None:
        """One call's answer; None if it failed."""
        return self.try_call(what, _action(client, operation), lambda: getattr(client, operation)(**arguments))

    def pages(self, what: str, client: Any, operation: str, member: str, **arguments: Any) -> list[Any] | None:
        """All items of a paged listing, which are in that member of the answers; None if it failed."""
        listing = each(client, operation, member, **arguments)
        return self.try_call(what, _action(client, operation), lambda: list(listing))


def _action(client: Any, operation: str) -> str:
    """The IAM action behind a client's method: the services that are read here call theirs as botocore does."""
    return f"{client.meta.service_model.service_name}:{client.meta.method_to_api_mapping[operation]}"
