"""A lease: until when a stack's nodes may run. Pure: who asks says what time it is.

The end is a moment of the wall clock, kept as the tag `srekv:lease` (ISO 8601, UTC, whole seconds) on the stack's role,
which says what was promised, and on each instance, which says what the instance itself was told.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from srekv.errors import CommandLine, SrekvError, UsageError
from srekv.provision.naming import LEASE_TAG

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
PENDING = "pending"  # instead of a time on an instance that is being given another lease: if it stays, interrupted

SPENT_S = 600.0
"""A node whose lease ends within so many AWS-equivalent seconds is not started again: it might end while it boots."""


def end_of(seconds: float, *, now: datetime) -> datetime:
    """The end of a lease that begins now and lasts so many wall-clock seconds."""
    return (now + timedelta(seconds=seconds)).astimezone(UTC).replace(microsecond=0)


def as_text(end: datetime | None) -> str:
    """The end as the tag has it; "" without a lease."""
    return end.astimezone(UTC).strftime(_FORMAT) if end else ""


def from_text(text: str) -> datetime | None:
    """The inverse of as_text; raises SrekvError for anything else."""
    if text in {"", PENDING}:
        return None
    try:
        return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise SrekvError(
            f"the tag {LEASE_TAG}={text} is no time",
            why="srekv keeps the end of a stack's lease there, as in 2026-11-23T17:00:00Z, and it was changed",
            next_step="remove the tag from the stack's role: " + CommandLine("aws iam untag-role"),
        ) from None


def is_over(end: datetime | None, *, now: datetime) -> bool:
    """Whether there was a lease and it has ended."""
    return end is not None and end <= now


def refuse_over(end: datetime | None, *, now: datetime) -> None:
    """Raise UsageError when the lease has ended: it is unknown how long the nodes should run now."""
    if end is not None and is_over(end, now=now):
        renew, without = CommandLine("srekv up --lease 2h"), CommandLine("srekv up --no-lease")
        choices = renew + " gives it another one, " + without + " runs it without; "
        raise UsageError(
            f"the stack's lease is over: {describe(end, now=now)}",
            why="its nodes have ended, or will at once",
            next_step=choices + CommandLine("srekv down") + " removes what is left",
        )


def explain_end(end: datetime | None, *, now: datetime) -> SrekvError | None:
    """What is to be said of a stack whose nodes are missing because their lease has ended; None if it has not."""
    if end is None or not is_over(end, now=now):
        return None
    what, renew = "the nodes have ended with their lease", CommandLine("srekv up --lease 2h")
    next_step = CommandLine("srekv down") + " removes the rest; " + renew + " brings the nodes back"
    return SrekvError(what, why=describe(end, now=now), next_step=next_step)


def at_launch(kept: datetime | None, wanted: datetime | None, *, now: datetime, spent_s: float) -> datetime | None:
    """The lease that a new instance is launched with, the stack's former one if it lasts; SSM may give it `wanted`."""
    # A launch whose answer was lost is then repeated with the same parameters, and EC2 knows it by its token (E11).
    if kept is None or wanted is None or kept <= now + timedelta(seconds=spent_s):
        return wanted
    return kept


def document(end: datetime | None, *, now: datetime) -> dict[str, object] | None:
    """The lease as a member of a JSON document; None without a lease."""
    return {"until": as_text(end), "expired": is_over(end, now=now)} if end else None


def describe(end: datetime, *, now: datetime) -> str:
    """For a person, for example "2026-11-23 17:00 UTC (in 1 h 12 min)"."""
    moment = end.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    span = _span(abs((end - now).total_seconds()))
    return f"it ended {span} ago, at {moment}" if is_over(end, now=now) else f"until {moment} (in {span})"


def _span(seconds: float) -> str:
    parts: list[str] = []
    rest = int(seconds)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count and len(parts) < 2:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts) or "0 s"
