"""The command's answers that need nobody to ask."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from srekv.cli import main_group
from srekv.conformance.layer import enforced_rules
from srekv.errors import SrekvError, UsageError


def invoke(*words: str) -> tuple[str, BaseException | None]:
    """What the command prints, and what it raises."""
    done = CliRunner().invoke(main_group, list(words), standalone_mode=False)
    return done.stdout, done.exception


def test_the_rules_are_listed_without_asking() -> None:
    """Every rule of the layer with its source, and which of them a case asks for."""
    out, error = invoke("--output", "json", "conformance", "--list")
    assert error is None
    rules = {rule["id"]: rule for rule in json.loads(out)["rules"]}
    assert set(enforced_rules()) <= rules.keys()
    assert rules["zone-reference-once"]["asked"]
    assert rules["zone-reference-once"]["layer"]
    assert not rules["prior-request"]["asked"]
    assert not rules["zone-unknown"]["layer"]
    assert all(rule["source"] for rule in rules.values())


def test_a_users_account_is_not_touched_without_a_word() -> None:
    """Target aws without --in-my-account is refused before any call, with what would be made."""
    _, error = invoke("--target", "aws", "conformance")
    assert isinstance(error, UsageError)
    assert "a private zone" in error.why
    assert "--in-my-account" in error.next_step


@pytest.mark.parametrize("target", ["local", "aws"])
def test_a_case_that_there_is_not(target: str) -> None:
    """Refused before anything starts, with the nearest."""
    _, error = invoke("--target", target, "conformance", "--only", "zone-vpc-unknow", "--in-my-account")
    assert isinstance(error, SrekvError)
    assert "zone-vpc-unknown" in error.why
