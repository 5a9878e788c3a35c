"""One reading of an account: what several parts of a command ask alike is asked once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3

READ = ("Describe", "Get", "List")
"""How the names of operations that change nothing start."""

KEY = "srekv_reading"
"""Where a call keeps its question, in the context that botocore carries through it."""


LASTS_S = 1.0
"""How long an answer serves, wall-clock seconds: who asks again for what does not show yet (E15) gets a new one."""


class Reading:
    """Answers a question that was asked a moment ago with the same answer, also while that is on its way.

    For commands that only read. SSM is never answered for: its commands are followed by asking again.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[float, Future[Any]]] = {}

    def attach(self, session: boto3.Session) -> None:
        """Answer for the clients that this session makes from now on."""
        for service in ("ec2", "iam", "route-53", "dynamodb", "cloudwatch"):
            session.events.register(f"before-call.{service}", self._asked)
            session.events.register_first(f"after-call.{service}", self._answered)  # botocore's own decode in place
            session.events.register(f"after-call-error.{service}", self._failed)

    def _asked(self, *, model: Any, params: Mapping[str, Any], context: dict[str, Any], **_: object) -> Any:
        """The answer to the same request; None: ask."""
        if not model.name.startswith(READ):
            return None
        request = (context["client_region"], params["method"], params["url"], params["query_string"], params["body"])
        question = (
            f"{model.service_model.service_name} {model.name} {json.dumps(request, sort_keys=True, default=repr)}"
        )
        with self._lock:
            asked, answer = self._answers.get(question, (-LASTS_S, None))
            if answer is None or self._clock() - asked >= LASTS_S:
                context[KEY] = Future()
                self._answers[question] = (self._clock(), context[KEY])
                return None
        if (seen := answer.result()) is None:
            return None
        http_response, parsed = seen
        return http_response, deepcopy(parsed)

    def _answered(self, *, http_response: Any, parsed: Any, context: Mapping[str, Any], **_: object) -> None:
        if KEY in context:
            context[KEY].set_result((http_response, deepcopy(parsed)))

    def _failed(self, *, context: Mapping[str, Any], **_: object) -> None:
        """Those who asked the same meanwhile ask for themselves."""
        if KEY in context:
            context[KEY].set_result(None)
