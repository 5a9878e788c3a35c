"""Reading calls that tolerate refusals: what could not be read is noted, and becomes a finding of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from srekv.doctor.facts import Unread
from srekv.provision.engine.answers import DENIED, FAILURES, code_of, message_of


class Reader:
    """Asks, and remembers what it was not told. Used by one thread."""

    def __init__(self) -> None:
        self._unread: dict[str, Unread] = {}

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read so far, each action once."""
        return tuple(self._unread.values())

    def ask(self, what: str, action: str, call: Callable[..., Any], **arguments: Any) -> Any | None:
        """A call's answer; None if it failed.

        Args:
            what: what the answer is needed for, to be read after "not checked:".
            action: the IAM action behind the call, for example "ec2:DescribeNetworkAcls".
            call: the call.
            arguments: the call's arguments.
        """
        try:
            return call(**arguments)
        except FAILURES as error:
            code, message = code_of(error), message_of(error)
            why = f"{code}: {message}" if code else message
            self._unread.setdefault(action, Unread(what=what, action=action, why=why, denied=code in DENIED))
            return None

    def pages(
        self, what: str, action: str, client: Any, operation: str, member: str, **arguments: Any
    ) -> list[Any] | None:
        """All items of a paged listing; None if it failed."""

        def collect() -> list[Any]:
            pages = client.get_paginator(operation).paginate(**arguments)
            return [item for page in pages for item in page[member]]

        return self.ask(what, action, collect)
