"""The OpenAPI document is true: schemathesis makes requests of it, good and bad, and judges the answers by it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from srekv.app.openapi import OPERATIONS, document

STATEFUL = {"list_keys", "put_key", "delete_key"}
"""Whether a cursor was given out, or a condition holds, no schema can say: these may refuse what looks good."""

BOUNDED = settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_it_is_served(client: FlaskClient) -> None:
    """As JSON, at the path that everybody knows."""
    answer = client.get("/openapi.json")
    assert answer.mimetype == "application/json"
    assert answer.json == document()


@pytest.mark.parametrize("kind", ["positive", "negative"])
def test_answers_are_as_described(client: FlaskClient, kind: str) -> None:
    """What the document allows is served, what it forbids is a 4xx with a problem; never a 5xx."""
    # It takes seconds to import, which no other test should pay for.
    import schemathesis
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    schema = schemathesis.openapi.from_wsgi("/openapi.json", client.application)
    mode = schemathesis.GenerationMode(kind)
    for line in OPERATIONS.splitlines():
        name, _, _, *parameters = line.split()
        if parameters or kind == "positive":  # else nothing could be wrong
            cases = schema.find_operation_by_id(name).as_strategy(generation_mode=mode)
            judge(cases, [positive_data_acceptance] if name in STATEFUL else [])


def judge(cases: SearchStrategy[Any], excluded: list[Any]) -> None:
    """Every check but the excluded ones, on some cases."""

    @BOUNDED
    @given(case=cases)
    def run(case: Any) -> None:
        case.call_and_validate(excluded_checks=excluded)

    run()
