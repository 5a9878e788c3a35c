"""Calls that are made again: while AWS's parts disagree, where an answer was lost, or another run was faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from srekv.errors import TimeoutExceeded
from srekv.provision.engine.answers import ABSENT, FAILURES, THROTTLED, code_of, is_absent, is_lost, message_of
from srekv.provision.engine.run import Run

T = TypeVar("T")


class Retrying:
    """What makes calls for one section of a run. In all of its methods `what` is to be read after "waiting for"."""

    run: Run
    section: str

    def wait(self, what: str, look: Callable[[], T | None], **options: Any) -> T:
        """`Run.wait` with its options."""
        return self.run.wait(self.section, what, look, **options)

    def retry_while(
        self,
        on: frozenset[str],
        what: str,
        call: Callable[..., T],
        *,
        saying: Mapping[str, tuple[str, ...]] | None = None,
        timeout_s: float = 60,
        **arguments: Any,
    ) -> T:
        """Make a call again while AWS's parts do not agree yet that its arguments exist.

        Args:
            on: the error codes that mean "not yet".
            what: what is waited for meanwhile.
            call: the API call, which gets the `arguments`.
            saying: for codes that mean other things as well: what the message must contain, one of several.
            timeout_s: how long to try.
            arguments: the call's.

        Raises:
            TimeoutExceeded: still "not yet" after timeout_s; its cause is the last refusal.
            ClientError: any other refusal.
        """
        refused: ClientError | None = None

        def attempt() -> tuple[T] | None:
            nonlocal refused
            try:
                return (call(**arguments),)
            except ClientError as error:
                code, message = code_of(error), message_of(error)
                if code not in on or not any(part in message for part in (saying or {}).get(code, ("",))):
                    raise
                refused = error
                return None

        def last_seen() -> str:
            return f"{code_of(refused)}: {message_of(refused)}" if refused else ""

        try:
            return self.wait(what, attempt, timeout_s=timeout_s, last_seen=last_seen)[0]
        except TimeoutExceeded as error:
            raise error from refused

    def remove(
        self,
        what: str,
        call: Callable[[], object],
        *,
        listed: Callable[[], bool],
        on: frozenset[str] = frozenset(),
        timeout_s: float = 60,
    ) -> None:
        """Make a deleting call, again while it returns "not there" for something that is listed.

        A service that does not see a new thing yet returns the same as for one that is gone (E15, E27, E35).
        `listed`: whether the thing is; `on`: other error codes that mean "not yet".
        """

        def attempt() -> None:
            try:
                call()
            except ClientError as error:
                if not is_absent(error) or listed():
                    raise

        self.retry_while(on | ABSENT, what, attempt, timeout_s=timeout_s)

    def create_or_adopt(
        self,
        what: str,
        call: Callable[[], T],
        *,
        exists: str,
        find: Callable[[], T | None],
        refuse: Callable[[T], object] = bool,
    ) -> T:
        """Create something; if it exists by now, an answer was lost, or another run was faster: then take that one.

        `exists`: the error code for that; `find`: the existing one, None while it does not show, or when it is gone
        again; `refuse`: raises if that is another's.
        """

        def attempt() -> T | None:
            try:
                return call()
            except ClientError as error:
                if code_of(error) != exists:
                    raise
            there = find()
            if there is not None:
                refuse(there)
            return there

        return self.wait(f"{what} to show", attempt, timeout_s=20)

    def create_without_token(
        self,
        what: str,
        call: Callable[[], T],
        *,
        find: Callable[[], T | None],
        full: frozenset[str] = frozenset(),
        attempts: int = 3,
    ) -> T:
        """Create something that takes no token, with a client that retries nothing: search first, then create again.

        `find`: what this call, or another run, has made; None while nothing shows; `full`: the error codes of a quota
        that another run may have used up for the very same thing; `attempts`: how often to ask at most.
        """
        try:
            return self.retry_while(THROTTLED, f"the service to take the call for {what}", call)
        except FAILURES as error:
            if not is_lost(error) and code_of(error) not in full:
                raise
            there = self.poll_briefly(what, find)
            if there is not None:
                return there
            if attempts == 1 or not is_lost(error):
                raise
        return self.create_without_token(what, call, find=find, full=full, attempts=attempts - 1)

    def poll_briefly(self, what: str, find: Callable[[], T | None]) -> T | None:
        """Search for something that may be there and not show yet, for a few seconds; None if it does not."""
        try:
            return self.wait(f"{what} to show", find, timeout_s=3)
        except TimeoutExceeded:
            return None
