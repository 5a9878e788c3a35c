"""What a run asks of AWS, call by call: for whoever wonders where the time goes, or what was refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3


BEGIN = "srekv_begin"
"""Where an attempt keeps when it began, in the context that botocore carries through it."""


class Trace:
    """Tells of every attempt of every call that the clients of a session make, also of those that are made again.

    It tells names, durations and codes only: parameters and answers hold user data, keys and commands.

    Args:
        tell: is given a line for each attempt, from any thread.
        clock: monotonic seconds.
    """

    def __init__(self, tell: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock

    def attach(self, session: boto3.Session) -> None:
        """Listen to the clients that this session makes from now on."""
        session.events.register("request-created", self._sent)
        session.events.register("response-received", self._received)

    def _sent(self, request: Any, **_: object) -> None:
        request.context[BEGIN] = self._clock()

    def _received(
        self,
        *,
        event_name: str,
        context: dict[str, Any],
        parsed_response: Mapping[str, Any] | None,
        exception: Exception | None,
        **_more: object,
    ) -> None:
        duration_ms = 1000 * (self._clock() - context.get(BEGIN, self._clock()))
        _, service, operation = event_name.split(".")  # the service as botocore spells it in events: route-53
        attempt = context.get("retries", {}).get("attempt", 1)
        words = [f"{duration_ms:6.0f} ms ", context.get("client_region") or "", service.replace("-", ""), operation]
        words += [f"attempt {attempt}"] if attempt > 1 else []
        words += [type(exception).__name__] if exception else _refusal(parsed_response or {})
        self._tell(" ".join(word for word in words if word))


def _refusal(answer: Mapping[str, Any]) -> list[str]:
    """The code and the status of an answer that is an error; nothing of one that is none."""
    code = answer.get("Error", {}).get("Code")
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
    return [f"{code} ({status})"] if code else []
