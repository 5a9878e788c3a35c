"""`srekv doctor` as a user runs it, on a stack that really runs."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.local


def test_a_running_stack_will_fail_over(cli: Any) -> None:
    """No finding on a stack that `up` has just made sure of; a target that its settings cannot keep is one."""
    cli.run("up")
    well = cli.run("doctor")
    assert (well["verdict"], well["findings"]) == ("will fail over", [])
    assert well["subject"] == "sre-test.local"
    assert "healthy now" in well["checked"]

    late = cli.run("doctor", "--target-outage", "20", "--client-timeout", "60", code=1)
    findings = [(one["id"], one["severity"]) for one in late["findings"]]
    assert findings == [("over-target", "prevents"), ("patient-clients", "delays")]
    assert late["verdict"] == "will not fail over"


def test_another_stack_is_looked_at_before_it_is_made(cli: Any) -> None:
    """A name without a stack: what its first `up` would meet."""
    before = cli.run("--stack", "blue", "doctor")
    assert before["before_up"] is True
    assert before["findings"] == []
    refused = cli.run("--stack", "blue", "doctor", "--instance-type", "t2.enormous", code=1)
    assert refused["findings"][0]["id"] == "up-refused"
