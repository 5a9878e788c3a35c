"""Every case over a forgiving emulator: with the layer in front it answers as AWS did, without it it does not."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from srekv.conformance.cases.catalogue import CASES, Case
from srekv.conformance.cases.context import CaseContext, RetryPolicy
from srekv.conformance.cases.questions import put, put_all
from srekv.conformance.layer import Account, enforced_rules
from srekv.conformance.model import RULES

ENFORCED = set(enforced_rules())

AGREES = {"delete-conflict", "dry-run", "tag-id-prefix"}
"""Rules of the layer by which the bare emulator answers as well."""

QUICK = RetryPolicy(tries=10, pause_s=0.005)
BARE = RetryPolicy(tries=2, pause_s=0.001)

Open = Callable[..., CaseContext]


@pytest.fixture(scope="module")
def contexts(moto_server: str) -> Iterator[Open]:
    """Opens a context in the emulator, behind an account that holds to some rules; all are cleared in the end."""
    opened: list[CaseContext] = []
    clients: list[Any] = []

    def open_context(rules: set[str] | None, retries: RetryPolicy = QUICK) -> CaseContext:
        session = boto3.Session(region_name="us-east-1", aws_access_key_id="AKIACASES", aws_secret_access_key="secret")
        Account(rules=rules).attach(session)

        def make(service: str, config: Any, keys: dict[str, str] | None = None) -> Any:
            clients.append(session.client(service, endpoint_url=moto_server, config=config, **(keys or {})))
            return clients[-1]

        opened.append(CaseContext(make=make, region="us-east-1", retries=retries))
        return opened[-1]

    yield open_context
    left = [one for context in opened for one in context.clear()]
    for client in clients:
        client.close()
    assert left == []


@pytest.fixture(scope="module")
def context(contexts: Open, moto_server: str) -> CaseContext:
    """A context in an empty account that behaves like AWS."""
    with urllib.request.urlopen(f"{moto_server}/moto-api/reset", data=b"", timeout=30) as answer:
        answer.read()
    return contexts(None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_emulator_behind_the_layer_answers_as_aws_did(case: Case, context: CaseContext) -> None:
    """Status, code and text are those that were recorded, and what the case made is gone."""
    outcome = put(case, context)
    assert outcome.verdict == "ok", f"{outcome.reason} {outcome.seen}; recorded: {[str(one) for one in case.answers]}"
    assert outcome.left == ()


def test_without_the_layer_the_cases_fail(contexts: Open) -> None:
    """Each case that a rule makes pass differs over the bare emulator: the cases can fail, and each rule is needed."""
    cases = [
        case for case in CASES if case.law in ENFORCED and case.law not in AGREES and case.id != "rule-without-ports"
    ]
    outcomes, left = put_all(cases, contexts(set(), BARE), expensive=True)
    assert [outcome.case.id for outcome in outcomes if outcome.verdict != "differs"] == []
    assert left == []


@pytest.mark.parametrize("rule", ["zone-reference-once", "check-reference", "image-unknown", "credentials-invalid"])
def test_a_case_fails_when_its_rule_is_off(rule: str, contexts: Open) -> None:
    """With every other rule of the layer in force."""
    cases = [case for case in CASES if case.law == rule]
    assert cases
    outcomes, left = put_all(cases, contexts(ENFORCED - {rule}), expensive=False)
    assert {outcome.verdict for outcome in outcomes} == {"differs"}
    assert left == []


def test_every_case_has_a_rule_of_its_own() -> None:
    """A case and its rule hold to the same rows."""
    for case in CASES:
        assert case.answers, case.id
        assert case.rule.says.endswith("."), case.id
        assert set(case.rule.rows) & set(RULES[case.id].rows), case.id
