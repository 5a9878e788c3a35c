"""Calls as response rules see them, without any service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from srekv.conformance.layer import RuleSet
from srekv.conformance.model import Call, Conditions, Raw, Refusal


class Bench:
    """One client's calls, put to rules in front of a backend that answers whatever it is told."""

    def __init__(self, *rules: str, **conditions: Any) -> None:
        self._rules = RuleSet(Conditions(**conditions), rules)
        self._counts: dict[str, int] = {}

    def call(
        self, service: str, operation: str, answer: dict[str, Any] | None = None, **params: Any
    ) -> Refusal | Raw | dict[str, Any]:
        """What the caller gets to see: a refusal, an answer instead of the backend's, or the backend's answer."""
        number = self._counts[operation] = self._counts.get(operation, 0) + 1
        call = Call(service, operation, "us-east-1", params, None, number=number, attempt=1)
        call.raw = Raw(200, {}, f"{operation} {number}".encode())
        found = self._rules.answer(call)
        if found is not None:
            return found
        seen: dict[str, Any] = {} if answer is None else answer
        self._rules.change(call, seen)
        return seen


@pytest.fixture
def bench() -> Callable[..., Bench]:
    """Makes a bench of rules, by their ids, in an account of these conditions."""
    return Bench
