"""What --verbose tells of a call: its name, its duration, its attempt and its error, never what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest

from srekv.provision.engine.tracing import trace

THROTTLED = {"Error": {"Code": "Throttling", "Message": "SECRET"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
DONE = {"UserData": "SECRET", "ResponseMetadata": {"HTTPStatusCode": 200}}


def ticking() -> Iterator[float]:
    """A clock that goes on by 84 ms whenever somebody looks."""
    return (number * 0.084 for number in count())


@pytest.mark.parametrize(
    ("attempt", "answer", "error", "told"),
    [
        (1, DONE, None, "    84 ms  eu-west-1 route53 ListHostedZones"),
        (2, DONE, None, "    84 ms  eu-west-1 route53 ListHostedZones attempt 2"),
        (2, THROTTLED, None, "    84 ms  eu-west-1 route53 ListHostedZones attempt 2 Throttling (400)"),
        (1, None, TimeoutError("SECRET"), "    84 ms  eu-west-1 route53 ListHostedZones TimeoutError"),
    ],
)
def test_what_is_told(attempt: int, answer: dict[str, Any] | None, error: Exception | None, told: str) -> None:
    """A line for each attempt as botocore's events tell of it; of an error its code, not its words."""
    lines: list[str] = []
    clock = ticking()
    session = boto3.Session(region_name="eu-west-1")
    trace(session, lines.append, clock=lambda: next(clock))
    context: dict[str, Any] = {"client_region": "eu-west-1"}
    call = "route-53.ListHostedZones"
    request = AWSRequest()
    request.context = context
    session.events.emit(f"request-created.{call}", request=request, operation_name="ListHostedZones")
    context["retries"] = {"attempt": attempt}
    session.events.emit(
        f"response-received.{call}", response_dict={}, context=context, parsed_response=answer, exception=error
    )
    assert lines == [told]
