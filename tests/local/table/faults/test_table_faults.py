"""The service while its table has bad days: no wrong answer, no request without an end, back within a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from srekv.check.linear import judge_linear
from srekv.check.lost import judge_lost, losses
from srekv.check.model import by_key

pytestmark = pytest.mark.local

BOUND_S = 4.5
"""How long a request may take (srekv/app/README.md)."""

RECOVERY_S = 1.0
OPERATIONS = 5_200
"""Of each of ten faults with each of two stores: 104,000 in all."""

FAULTS = {
    "throttle": 0.6,
    "error-before": 0.5,
    "error-after": 0.5,
    "slow": 0.3,
    "reset-before": 0.5,
    "reset-after": 0.5,
    "half": 0.5,
    "hole": 1.0,
    "skew": 0.5,
    "expired": 1.0,
}
"""And the share of requests that meets each."""


@pytest.mark.parametrize("store", ["thin", "boto3"])
def test_every_fault_for_a_moment(trial: Callable[..., Any], store: str) -> None:
    """Eight clients through every fault in turn."""
    tried = trial(store, clients=8, pause_s=0.02)
    for fault, share in FAULTS.items():
        judge(fault, tried.undergo(fault, share, lasts_s=0.3, rest_s=0.2))
    still_well(tried)


@pytest.mark.endurance
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("store", ["thin", "boto3"])
def test_endurance(trial: Callable[..., Any], store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Sixteen clients go through each fault until there are enough operations; the figures are printed."""
    tried = trial(store, clients=16, pause_s=0)
    for fault, share in FAULTS.items():
        lasts_s = 4 if fault == "hole" else 1  # longer than the service waits
        seen = tried.undergo(fault, share, lasts_s=lasts_s, rest_s=1.5, operations=OPERATIONS)
        with capsys.disabled():
            print(figures(store, fault, seen))  # noqa: T201 - what the run is made for
        judge(fault, seen)
    still_well(tried)


def figures(store: str, fault: str, seen: Any) -> str:
    """One line of a table."""
    outcomes = Counter(one.outcome for one in seen.operations)
    return (
        f"\n{store:5} {fault:12} {len(seen.operations):6} operations, {seen.met:5} met it: "
        f"{', '.join(f'{number} {outcome}' for outcome, number in outcomes.most_common())}; "
        f"longest {seen.longest_s:.2f} s, back after {seen.recovery_s:.2f} s"
    )


def judge(fault: str, seen: Any) -> None:
    """What has to hold after a fault: one order explains all answers, nothing is lost, none is late, and it is over."""
    operations = seen.history.operations
    assert seen.met, f"{fault}: nobody met it"
    keys = by_key(operations)
    for found in (judge_linear(keys), judge_lost(losses(keys), finals_expected=True)):
        assert found.verdict == "held", (fault, found)
    assert seen.longest_s < BOUND_S, f"{fault}: a request took {seen.longest_s:.1f} s"
    assert seen.recovery_s < RECOVERY_S, f"{fault}: requests failed for {seen.recovery_s:.2f} s after its end"


def still_well(tried: Any) -> None:
    """The service neither ended nor had a defect."""
    assert tried.node.process.poll() is None
    _, defect, trace = tried.node.complaints.read_text().partition("Traceback")
    assert not defect, trace[:3000]
