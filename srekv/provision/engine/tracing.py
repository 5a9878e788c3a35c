"""What a run asks of AWS, call by call: shows where the time goes, and what was refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3

BEGIN = "srekv_begin"
"""Where an attempt keeps when it began, in the context that botocore carries through it."""


def trace(session: boto3.Session, report: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
    """Report every attempt of every call that the clients of a session make from now on, retries too.

    `report` is given a line for each, from any thread; `clock`: monotonic seconds. The lines hold names, durations and
    codes only: parameters and answers hold user data, keys and commands.
    """

    def sent(request: Any, **_: object) -> None:
        request.context[BEGIN] = clock()

    def received(
        *,
        event_name: str,
        context: dict[str, Any],
        parsed_response: Mapping[str, Any] | None,
        exception: Exception | None,
        **_more: object,
    ) -> None:
        duration_ms = 1000 * (clock() - context.get(BEGIN, clock()))
        _, service, operation = event_name.split(".")  # the service as botocore spells it in events: route-53
        attempt, answer = context.get("retries", {}).get("attempt", 1), parsed_response or {}
        words = [f"{duration_ms:6.0f} ms ", context.get("client_region") or "", service.replace("-", ""), operation]
        words += [f"attempt {attempt}"] if attempt > 1 else []
        if exception:
            words.append(type(exception).__name__)
        elif code := answer.get("Error", {}).get("Code"):
            words.append(f"{code} ({answer.get('ResponseMetadata', {}).get('HTTPStatusCode', '')})")
        report(" ".join(word for word in words if word))

    session.events.register("request-created", sent)
    session.events.register("response-received", received)
