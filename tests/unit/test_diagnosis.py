"""What `doctor` shows: fixes as they are to be typed, findings that are readable and copyable."""

from __future__ import annotations

from pathlib import Path

import pytest

from srekv.console import Screen
from srekv.diagnosis import Request, show, typed
from srekv.doctor.model import Diagnosis, Finding
from srekv.errors import UsageError
from srekv.invocation import Invocation

LONG = f"aws route53 change-resource-record-sets --hosted-zone-id Z1 --change-batch '{'x' * 200}[y]'"


def _invocation(*, target: str = "aws", region: str | None = None, profile: str | None = None) -> Invocation:
    screen = Screen(as_json=False)
    return Invocation(target=target, stack="blue", region=region, profile=profile, home=Path("/nowhere"), screen=screen)


@pytest.mark.parametrize(
    ("fix", "expected"),
    [
        ("srekv up", "srekv --target aws --stack blue --region eu-west-1 --profile p up"),
        ("aws ec2 create-route --x", "aws --region eu-west-1 --profile p ec2 create-route --x"),
        ("srekv policy prints it", "srekv policy prints it"),
        ("ask your aws admin", "ask your aws admin"),
    ],
)
def test_fixes_are_about_this_stack(fix: str, expected: str) -> None:
    """Commands carry the options that say which stack, Region and profile; words stay words."""
    assert typed(_invocation(region="eu-west-1", profile="p"), fix) == expected


def test_a_region_that_was_given_is_given_again() -> None:
    """Also the default one, for AWS_REGION or the profile may say another; on a laptop there is but one by default."""
    assert _invocation(region="us-east-1").command("down") == "srekv --target aws --stack blue --region us-east-1 down"
    assert _invocation(target="local", region="us-east-1").command("down") == "srekv --stack blue down"


def test_a_finding_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Verdict, severity, title, id, cause, proof with its brackets; the fix in one line, however long."""
    finding = Finding(
        id="some-id", severity="prevents", subject="s", title="it is wrong", cause="why", proof="[a] 1", fix=LONG
    )
    show(_invocation(), Diagnosis.of("example.com", [finding, finding], ["q1", "q2"]), before_up=False)
    out = capsys.readouterr().out
    assert out.startswith("example.com: will not fail over\n")
    assert out.count("prevents  it is wrong  [some-id]") == 1
    assert "proof  [a] 1" in out
    assert f"fix    {LONG}\n" in out
    assert "looked at: q1, q2" in out


def test_before_up_has_words_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """A stack that does not exist cannot fail over: the verdict is about its first `up`."""
    show(_invocation(target="local"), Diagnosis.of("the first up of blue", [], ["q"]), before_up=True)
    assert "the first up of blue: nothing is in its way" in capsys.readouterr().out


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_times_are_refused(seconds: float) -> None:
    """No target and no time-out is zero, negative or endless."""
    with pytest.raises(UsageError, match="--target-outage"):
        Request(target_s=seconds)
    with pytest.raises(UsageError, match="--client-timeout"):
        Request(client_timeout_s=seconds)
