"""Every case over a forgiving emulator: with the layer in front it answers as AWS did, without it it does not."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from srekv.conformance.cases.catalogue import CASES
from srekv.conformance.cases.desk import Desk, Patience
from srekv.conformance.cases.model import Case
from srekv.conformance.cases.runner import put, put_all
from srekv.conformance.layer import Account, all_rules

LAWS = {rule.id for rule in all_rules()}

AGREES = {"delete-conflict", "dry-run", "tag-id-prefix"}
"""Rules of the layer by which the bare emulator answers as well."""

QUICK = Patience(tries=10, pause_s=0.005)
BARE = Patience(tries=2, pause_s=0.001)

Open = Callable[..., Desk]


@pytest.fixture(scope="module")
def desks(moto_server: str) -> Iterator[Open]:
    """Opens a desk in the emulator, behind an account that holds to some rules; all are cleared in the end."""
    opened: list[Desk] = []
    clients: list[Any] = []

    def open_desk(rules: set[str] | None, patience: Patience = QUICK) -> Desk:
        session = boto3.Session(region_name="us-east-1", aws_access_key_id="AKIADESK", aws_secret_access_key="secret")
        Account(rules=rules).attach(session)

        def make(service: str, config: Any, keys: dict[str, str] | None = None) -> Any:
            clients.append(session.client(service, endpoint_url=moto_server, config=config, **(keys or {})))
            return clients[-1]

        opened.append(Desk(make=make, region="us-east-1", patience=patience))
        return opened[-1]

    yield open_desk
    left = [one for desk in opened for one in desk.clear()]
    for client in clients:
        client.close()
    assert left == []


@pytest.fixture(scope="module")
def desk(desks: Open, moto_server: str) -> Desk:
    """A desk in an empty account that behaves like AWS."""
    with urllib.request.urlopen(f"{moto_server}/moto-api/reset", data=b"", timeout=30) as answer:
        answer.read()
    return desks(None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_emulator_behind_the_layer_answers_as_aws_did(case: Case, desk: Desk) -> None:
    """Status, code and text are those that were recorded, and what the case made is gone."""
    outcome = put(case, desk)
    assert outcome.verdict == "ok", f"{outcome.reason} {outcome.seen}; recorded: {[str(one) for one in case.answers]}"
    assert outcome.left == ()


def test_without_the_layer_the_cases_fail(desks: Open) -> None:
    """Each case that a law makes pass differs over the bare emulator: the cases can fail, and each law is needed."""
    cases = [case for case in CASES if case.law in LAWS and case.law not in AGREES and case.id != "rule-without-ports"]
    outcomes, left = put_all(cases, desks(set(), BARE), expensive=True)
    assert [outcome.case.id for outcome in outcomes if outcome.verdict != "differs"] == []
    assert left == []


@pytest.mark.parametrize("law", ["zone-reference-once", "check-reference", "image-unknown", "credentials-invalid"])
def test_a_case_fails_when_its_law_is_off(law: str, desks: Open) -> None:
    """With every other rule of the layer in force."""
    cases = [case for case in CASES if case.law == law]
    assert cases
    outcomes, left = put_all(cases, desks(LAWS - {law}), expensive=False)
    assert {outcome.verdict for outcome in outcomes} == {"differs"}
    assert left == []


def test_every_case_has_a_rule_of_its_own() -> None:
    """Ids are unique; a case and a law of the same id hold to the same rows."""
    assert len({case.id for case in CASES}) == len(CASES)
    rules = {rule.id: rule for rule in all_rules()}
    for case in CASES:
        assert case.answers, case.id
        assert case.rule.says.endswith("."), case.id
        if case.id in rules:
            assert set(case.rule.rows) & set(rules[case.id].rows), case.id
