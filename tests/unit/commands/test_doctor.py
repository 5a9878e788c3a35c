"""What `doctor` shows: fixes as they are to be typed, findings that are readable and copyable."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from srekv.cli import run
from srekv.commands.doctor import judge, show
from srekv.doctor.model import Diagnosis, Examination, Finding, NameVerdict
from srekv.errors import Advice, CommandLine, FindingError, UnknownError
from srekv.ui.console import Screen
from srekv.ui.context import Invocation

LONG = f"aws route53 change-resource-record-sets --hosted-zone-id Z1 --change-batch '{'x' * 200}[y]'"


RISK = Finding(id="i", severity="risk", subject="s", title="t", cause="c", proof="p", fix="f")


def _invocation(*, target: str = "aws", region: str | None = None, profile: str | None = None) -> Invocation:
    screen = Screen(as_json=False)
    return Invocation(target=target, stack="blue", region=region, profile=profile, home=Path("/nowhere"), screen=screen)


@pytest.mark.parametrize(
    ("fix", "expected"),
    [
        (CommandLine("srekv up"), "srekv --target aws --stack blue --region eu-west-1 --profile p up"),
        (CommandLine("aws ec2 create-route --x"), "aws --region eu-west-1 --profile p ec2 create-route --x"),
        ("allow it; " + CommandLine("aws s3 ls"), "allow it; aws --region eu-west-1 --profile p s3 ls"),
        ("srekv policy prints it", "srekv policy prints it"),
        ("ask your aws admin", "ask your aws admin"),
    ],
)
def test_fixes_are_about_this_stack(fix: Advice, expected: str) -> None:
    """Commands carry the options that say which stack, Region and profile; words stay words."""
    assert _invocation(region="eu-west-1", profile="p").render(fix) == expected


def test_a_region_that_was_given_is_given_again() -> None:
    """Also the default one, for AWS_REGION or the profile may say another; on a laptop there is but one by default."""
    assert (
        _invocation(region="us-east-1").command("srekv down")
        == "srekv --target aws --stack blue --region us-east-1 down"
    )
    assert _invocation(target="local", region="us-east-1").command("srekv down") == "srekv --stack blue down"


def test_a_finding_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Verdict, severity, title, id, cause, proof with its brackets; the fix in one line, however long."""
    finding = replace(RISK, severity="prevents", title="it is wrong", proof="[a] 1", fix=LONG)
    show(_invocation(), Diagnosis.of("example.com", [finding, finding], ["q1", "q2"]), before_up=False)
    out = capsys.readouterr().out
    assert out.startswith("example.com: will not fail over\n")
    assert out.count("prevents  it is wrong  [i]") == 1
    for words in ("proof  [a] 1", f"fix    {LONG}\n", "examined: q1, q2"):
        assert words in out
    # A stack that does not exist cannot fail over: the verdict is about its first `up`.
    show(_invocation(target="local"), Diagnosis.of("the first up of blue", [], ["q"]), before_up=True)
    assert "the first up of blue: nothing is in its way" in capsys.readouterr().out


def _name(**more: object) -> NameVerdict:
    records = (Examination(record="PRIMARY svc.x", examined=("health check",), not_examined=("the alias target y",)),)
    return replace(NameVerdict(name="svc.x", kind="A", policy="failover", prevented=False, records=records), **more)  # type: ignore[arg-type]


def test_each_name_is_shown_with_what_was_examined(capsys: pytest.CaptureFixture[str]) -> None:
    """Its verdict, and for each record set what was examined and what was not; other record sets are counted."""
    show(_invocation(), Diagnosis.of("x", [], [], names=[_name(not_examined=("the zone",))], fixed=2), before_up=False)
    out = capsys.readouterr().out
    assert out.startswith("x: unknown\n  svc.x  A  failover  unknown\n")
    for words in ("svc.x A: not examined: the zone", "PRIMARY svc.x A: health check; not examined: the alias target y"):
        assert words in out
    assert "2 other record sets" in out


OPEN = replace(RISK, severity="unchecked")
WRONG = replace(RISK, severity="prevents")


@pytest.mark.parametrize(
    ("findings", "names", "code"),
    [
        ([], [], 0),
        ([RISK], [_name(records=())], 0),
        ([OPEN], [_name(records=())], 0),
        ([], [_name(records=()), _name()], 4),
        ([OPEN], [], 4),
        ([OPEN, WRONG], [_name(), _name(prevented=True)], 1),
    ],
    ids=["fine", "a risk", "what decides about no name", "a name", "before up", "the worst"],
)
def test_the_exit_code_is_the_worst(findings: list[Finding], names: list[NameVerdict], code: int) -> None:
    """1 for a finding that prevents a failover, 4 for an unknown verdict, 0 for risks."""
    expected = {1: pytest.raises(FindingError), 4: pytest.raises(UnknownError)}
    with expected.get(code, contextlib.nullcontext()):
        judge(Diagnosis.of("x", findings, [], names=names))


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
@pytest.mark.parametrize("option", ["--target-outage", "--client-timeout"])
def test_invalid_times_are_refused(option: str, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No target and no timeout is zero, negative or endless."""
    assert run(["doctor", option, seconds]) == 2
    assert option in capsys.readouterr().err
