"""The engine: order, side by side, the first cause, and an end to every wait."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from srekv.config import Config
from srekv.errors import ImmutableError, SrekvError, TimeoutExceeded
from srekv.provision.engine.retries import Retrying
from srekv.provision.engine.run import CancelledError, Run
from srekv.provision.engine.scheduler import destroy_all, ensure_all, observe_all, refuse_what_cannot_change
from srekv.provision.step import Op, Ops, Step, cannot, leave
from tests.support.watcher import LeapingClock, Log

DEADLINE_S = 20


@dataclass(eq=False)
class FakeStep(Step):
    """A step that does what it is told, and says when."""

    section: str
    needs: tuple[Any, ...] = ()
    call: Callable[[], str | None] = lambda: "id"
    settling: Callable[[], None] = lambda: None

    def ensure(self) -> Ops:
        """Create it."""
        yield Op(kind="thing", name=self.section, action="create", call=self.call)

    def settle(self) -> Ops:
        """Wait for it."""
        self.settling()
        return iter(())

    def destroy(self) -> Ops:
        """Delete it."""
        yield Op(kind="thing", name=self.section, id=self.section, action="delete", call=self.call)
        yield Op(kind="thing", name=f"{self.section}-2", action="delete", call=lambda: "id")


HELD = ClientError({"Error": {"Code": "DependencyViolation", "Message": "held"}}, "DeleteThing")


def raising(error: Exception) -> Callable[[], Any]:
    """A call that fails so."""

    def call() -> None:
        raise error

    return call


@pytest.fixture
def log() -> Log:
    """Whom the run tells."""
    return Log()


@pytest.fixture
def run(log: Log) -> Run:
    """A run that calls nothing."""
    return Run(Config(), None, log)  # type: ignore[arg-type]


def _done(log: Log, action: str) -> list[str]:
    return [line.split()[1] for line in log.lines if line.startswith(f"{action} ")]


def test_needs_come_first_and_leave_last(run: Run, log: Log) -> None:
    """Created after what it needs, removed before it; observed in the order of the steps."""
    base = FakeStep("base")
    middle = FakeStep("middle", (base,))
    top = FakeStep("top", (middle, base))
    steps = (top, base, middle)
    ensure_all(run, steps)
    assert _done(log, "create") == ["base", "middle", "top"]
    destroy_all(run, steps)
    assert _done(log, "delete") == [name for one in ("top", "middle", "base") for name in (one, f"{one}-2")]
    names = [one.name for one in observe_all(run, steps)]
    assert names == [name for one in ("top", "base", "middle") for name in (one, f"{one}-2")]


def test_independent_steps_run_beside_each_other(run: Run) -> None:
    """Two steps that wait for each other's call would never end one after the other."""
    meeting = threading.Barrier(2, timeout=DEADLINE_S)

    def meet() -> str:
        meeting.wait()
        return "met"

    ensure_all(run, (FakeStep("a", call=meet), FakeStep("b", call=meet)))


def test_nobody_waits_for_a_settling_step(run: Run) -> None:
    """Issue first, wait last: what needs a step starts when it is ensured, while that one still waits."""
    later = threading.Event()

    def settle() -> None:
        assert later.wait(DEADLINE_S)

    first = FakeStep("first", settling=settle)

    def call() -> str:
        later.set()
        return "id"

    ensure_all(run, (first, FakeStep("second", (first,), call=call)))


def test_a_wait_is_told_from_its_beginning_to_its_end(run: Run, log: Log) -> None:
    """Whoever looks on learns what is waited for, and that it is over, also when it ends badly."""
    run = dataclasses.replace(run, clock=LeapingClock())
    looks = iter((*[None] * 9, True))
    assert run.wait("EC2", "the sun", lambda: next(looks), timeout_s=60)
    with pytest.raises(TimeoutExceeded):
        run.wait("EC2", "the moon", lambda: None, timeout_s=2)
    assert log.lines == [
        *("EC2 waits for the sun", "EC2 has waited for the sun"),
        *("EC2 waits for the moon", "EC2 has waited for the moon"),
    ]


def test_a_section_is_finished_once(run: Run, log: Log) -> None:
    """Also when several steps belong to it."""
    ensure_all(run, (FakeStep("A"), FakeStep("A"), FakeStep("B")))
    assert sorted(line for line in log.lines if line.startswith("finished")) == ["finished A", "finished B"]


def test_a_dry_run_calls_nothing(log: Log) -> None:
    """Shown, not done."""
    calls: list[int] = []
    run = Run(Config(), None, log, dry=True)  # type: ignore[arg-type]
    ensure_all(run, (FakeStep("a", call=lambda: calls.append(1)),))
    assert calls == []
    assert _done(log, "create") == ["a"]


def test_the_first_cause_is_reported(run: Run) -> None:
    """What fails cancels the waits of others; their cancellation is not the news."""
    waiting = threading.Event()

    def fail() -> str:
        assert waiting.wait(DEADLINE_S)
        raise SrekvError("the cause")

    def look() -> None:
        waiting.set()

    def settle() -> None:
        run.wait("B", "never", look, timeout_s=DEADLINE_S)

    never = FakeStep("never")
    b = FakeStep("B", settling=settle)
    a = FakeStep("A", call=fail)
    never.needs = (a,)
    with pytest.raises(SrekvError, match="the cause"):
        ensure_all(run, (a, b, never))
    assert run.cancelled.is_set()


def test_nothing_starts_after_a_failure(run: Run, log: Log) -> None:
    """Steps that need the failed one are not tried."""
    first = FakeStep("first", call=raising(SrekvError("no")))
    with pytest.raises(SrekvError):
        ensure_all(run, (first, FakeStep("second", (first,))))
    assert _done(log, "create") == []


def test_what_cannot_be_deleted_does_not_keep_the_rest(run: Run, log: Log) -> None:
    """Neither the rest of its step nor the steps that it needs; a refusal is noted under what it is about."""
    base = FakeStep("base")
    destroy_all(run, (base, FakeStep("top", (base,), call=raising(HELD))))
    assert _done(log, "delete") == ["top-2", "base", "base-2"]
    assert {key: error.why for key, error in run.refused.items()} == {"top": "DeleteThing: DependencyViolation: held"}


def test_the_last_step_outlives_what_needs_it(run: Run, log: Log) -> None:
    """What names the Region of the rest stays while some of that rest does, and the reason is noted."""
    base, other = FakeStep("base"), FakeStep("other")
    destroy_all(run, (base, other, FakeStep("top", (base, other), call=raising(HELD))), last=base)
    assert _done(log, "delete") == ["top-2", "other", "other-2"]
    assert run.refused["base"].why == "it names the Region of what is left"

    destroy_all(run, (base, FakeStep("top", (base,))), last=base)
    assert _done(log, "delete")[-2:] == ["base", "base-2"]


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://x"),
        ClientError({"Error": {"Code": "ExpiredToken", "Message": "-"}}, "DeleteThing"),
    ],
    ids=["no answer", "expired"],
)
def test_a_failure_about_everything_ends_a_removal(run: Run, log: Log, error: Exception) -> None:
    """Other calls would fail as well."""
    base = FakeStep("base")
    with pytest.raises(SrekvError):
        destroy_all(run, (base, FakeStep("top", (base,), call=raising(error))))
    assert _done(log, "delete") == []


def test_aws_errors_are_explained(run: Run) -> None:
    """A refusal in a call names operation and resource; one while looking names the section."""
    refused = ClientError({"Error": {"Code": "Nope", "Message": "because"}}, "CreateThing")
    unreachable = raising(EndpointConnectionError(endpoint_url="http://x"))
    with pytest.raises(SrekvError, match="create thing a") as caught:
        ensure_all(run, (FakeStep("a", call=raising(refused)),))
    assert caught.value.why == "CreateThing: Nope: because"
    run.cancelled.clear()
    with pytest.raises(SrekvError, match="no answer from AWS: b"):
        ensure_all(run, (FakeStep("b", settling=unreachable),))


def test_a_circle_is_an_error(run: Run) -> None:
    """Steps that need each other are told so instead of waiting for ever."""
    one, two = FakeStep("one"), FakeStep("two")
    one.needs, two.needs = (two,), (one,)
    with pytest.raises(SrekvError, match="circle"):
        ensure_all(run, (one, two))


def test_wait_ends_with_what_it_waited_for(run: Run) -> None:
    """Looked at until there is something; anything that is not None counts, also what is false."""
    answers = iter([None, None, 0])
    assert run.wait("S", "zero", lambda: next(answers), timeout_s=DEADLINE_S) == 0


def test_wait_has_a_deadline_and_a_reason(run: Run) -> None:
    """The error names section, thing and last state, and what to do."""
    with pytest.raises(TimeoutExceeded) as caught:
        run.wait("S", "the thing", lambda: None, timeout_s=0.2, last_seen=lambda: "CREATING")
    assert "S: gave up waiting for the thing" in caught.value.what
    assert caught.value.why == "last seen: CREATING"
    assert caught.value.next_step


def test_a_cancelled_run_does_not_wait(run: Run) -> None:
    """The wait ends at once, long before its deadline; nothing more is carried out."""
    run.cancelled.set()
    with pytest.raises(CancelledError):
        run.wait("S", "never", lambda: None, timeout_s=3600)
    with pytest.raises(CancelledError):
        run.carry_out("S", iter([leave("thing", "x", "1")]))


def _refusing(*codes: str) -> Callable[..., str]:
    """A call that is refused with these codes and then works; it wants `Name` each time."""
    left = list(codes)

    def call(*, Name: str) -> str:  # noqa: N803 - as AWS's parameters are written
        if left:
            raise ClientError({"Error": {"Code": left.pop(0), "Message": f"no {Name} yet"}}, "Use")
        return Name

    return call


@dataclass
class Caller(Retrying):
    """Makes calls for a section of the run."""

    run: Run
    section: str = "S"


def test_a_call_is_made_again_while_something_is_not_yet_there(run: Run) -> None:
    """The codes that mean "not yet" are waited out; others and other messages are not."""
    retry_while, fresh = Caller(run).retry_while, frozenset({"Fresh"})
    assert retry_while(fresh, "x", _refusing("Fresh", "Fresh"), Name="n") == "n"
    with pytest.raises(ClientError):
        retry_while(fresh, "x", _refusing("Other"), Name="n")
    with pytest.raises(ClientError):
        retry_while(fresh, "x", _refusing("Fresh"), saying={"Fresh": ("profile",)}, Name="n")
    with pytest.raises(TimeoutExceeded):
        retry_while(fresh, "x", _refusing(*["Fresh"] * 99), timeout_s=0.2, Name="n")


@dataclass(eq=False)
class FakeLimit(Step):
    """A step of which fields cannot change."""

    ops: tuple[Op, ...]

    def limits(self) -> Ops:
        """Those it was given."""
        return iter(self.ops)


def test_what_cannot_change_is_an_error_or_a_row(run: Run, log: Log) -> None:
    """Before anything begins the first one is raised; a plan shows it with what to do, and goes on."""
    refused = cannot("thing", "it", "t-1", field="size", have=1, want=2, next_step="make another")
    refuse_what_cannot_change((FakeLimit(()),))
    with pytest.raises(ImmutableError) as caught:
        refuse_what_cannot_change((FakeLimit(()), FakeLimit((refused,))))
    assert (caught.value.field, caught.value.have, caught.value.want) == ("size", 1, 2)

    with pytest.raises(ImmutableError):
        run.carry_out("A", iter((refused,)))
    assert log.lines == []

    plan = Run(Config(), None, log, dry=True)  # type: ignore[arg-type]
    plan.carry_out("A", iter((refused, leave("thing", "other", "t-2"))))
    assert log.lines == ["cannot change it t-1", "leave other t-2"]
