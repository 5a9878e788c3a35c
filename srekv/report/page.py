"""What the timeline of a report shows, as plain data: lanes, bars, requests, marks; seconds since the fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from srekv.check.model import Event, History, Operation, Timing
from srekv.route53 import CHECKERS

ERROR = "error"
OTHER = "other"
"""States of a bar or request beside the nodes' names."""

UNANSWERED_S = 2.0
"""How long an operation without an end is drawn, unless the settings say the time-out."""


_State = TypeVar("_State")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Something that lasted: on which lane, from when to when, in which state, and words for the tooltip.

    `share` is how much of it is in that state, 0 to 1: of sixteen checkers, those that fail.
    """

    lane: int
    begin: float
    end: float
    state: str
    label: str
    share: float | None = None

    def to_json(self, zero: float) -> list[Any]:
        """Short, because there are many; counted from `zero` on."""
        begin, end = round(self.begin - zero, 3), round(self.end - zero, 3)
        short = [self.lane, begin, end, self.state, self.label]
        return short if self.share is None else [*short, round(self.share, 3)]


_Lanes = dict[str, int]
"""Lanes by name, in the order in which they were asked for."""


def _lane(lanes: _Lanes, name: str) -> int:
    return lanes.setdefault(name, len(lanes))


def timeline(history: History, timing: Timing) -> dict[str, Any]:
    """Everything that the timeline draws."""
    drill = history.members("drill")
    primary, secondary = (drill.get(role) or {} for role in ("primary", "secondary"))
    nodes = [(node.get("node") or "", node.get("address") or "") for node in (primary, secondary)]
    names = {address: name for name, address in nodes if address}
    known = [name for name, _ in nodes if name]
    lanes: _Lanes = {}
    zero = timing.fault_at
    begin, end = _span(history)
    bars = [
        *_nodes(history, timing, known, lanes, (begin, end)),
        *_checks(_in_order(history.events, primary.get("check"), timing), lanes, begin, end),
        *_answers(history.events, names, lanes, end),
    ]
    requests = list(_requests(history.operations, lanes, timing, drill.get("op_timeout_s", UNANSWERED_S)))
    headline = timing.headline
    outage = (headline.begin, headline.end) if headline and headline.outage_s else (zero, zero)
    return {
        "span": [round(begin - zero, 3), round(end - zero, 3)],
        "lanes": list(lanes),
        "nodes": known or sorted({one.node for one in history.operations if one.node}),
        "bars": [bar.to_json(zero) for bar in bars],
        "requests": [bar.to_json(zero) for bar in requests],
        "phases": [{"name": one.name, "begin": one.begin, "seconds": one.seconds} for one in timing.steps],
        "fault": timing.fault,
        "heal": None if timing.heal_at is None else round(timing.heal_at - zero, 3),
        "outage": [round(one - zero, 3) for one in outage],
    }


def distribution(timing: Timing) -> dict[str, Any] | None:
    """The simulated outages as a curve of (seconds, percent), the measured one, and the bound."""
    found = timing.expected
    return {"curve": found.curve, "measured": timing.outage_s, "bound": found.worst_s} if found else None


def _span(history: History) -> tuple[float, float]:
    """The load's time: what came before its first and after its last operation is not drawn."""
    operations = [one for one in history.operations if not one.final] or list(history.operations)
    times = [one.invoke for one in operations] + [one.complete for one in operations if one.complete is not None]
    times += [one.at for one in history.events if one.event in {"fault", "heal", "dns"}]
    return min(times), max(times)


def _nodes(
    history: History, timing: Timing, names: Sequence[str], lanes: _Lanes, span: tuple[float, float]
) -> Iterable[Bar]:
    """A node's own time: in service, at fault, and after the heal until it answers a client again."""
    begin, end = span
    struck = {one.members["node"] for one in history.events if one.event == "fault" and "node" in one.members}
    struck = struck or set(names[:1])
    for name in names:
        lane = _lane(lanes, f"node {name}")
        if name not in struck:
            yield Bar(lane=lane, begin=begin, end=end, state=name, label="in service")
            continue
        heal = timing.heal_at if timing.heal_at is not None else end
        yield Bar(lane=lane, begin=begin, end=timing.fault_at, state=name, label="in service")
        yield Bar(lane=lane, begin=timing.fault_at, end=heal, state=ERROR, label=timing.fault)
        answered = (one.complete for one in history.operations if one.node == name and one.invoke >= heal)
        back = min((at for at in answered if at is not None), default=end)
        yield Bar(lane=lane, begin=heal, end=min(back, end), state=OTHER, label="healed, no client there yet")
        if back < end:
            yield Bar(lane=lane, begin=back, end=end, state=name, label="in service")


def _in_order(events: Sequence[Event], check: object, timing: Timing) -> Sequence[Event]:
    """The events, where the primary's check is seen to change no later than the name that follows it.

    A poll that came late saw the check change after its effect: the cause was there when the name switched.
    """
    if timing.detection_s is not None:
        events = _no_later(events, check, timing.fault_at, timing.detection_s, healthy=False)
    if timing.heal_at is not None and timing.failback_s is not None:
        events = _no_later(events, check, timing.heal_at, timing.failback_s, healthy=True)
    return events


def _no_later(events: Sequence[Event], check: object, since: float, took: float, *, healthy: bool) -> list[Event]:
    """The events, with those of a check from `since` until it first has that health `took` later at the latest."""
    limit = since + took
    ours = [one for one in events if one.event == "health" and one.members.get("check") == check and one.at >= since]
    last = next((one.at for one in ours if bool(one.members.get("healthy")) == healthy), limit)
    late = [one for one in ours if limit < one.at <= last]
    return [replace(one, at=limit) if one in late else one for one in events]


def _runs(samples: Iterable[tuple[float, _State]], end: float) -> Iterator[tuple[float, float, _State]]:
    """From when to when each state lasts, the last one to the end: equal ones in a row are one."""
    firsts = [next(same) for _, same in groupby(samples, key=itemgetter(1))]
    for (begin, state), stop in zip(firsts, [*(at for at, _ in firsts[1:]), end], strict=True):
        if stop > begin:
            yield begin, stop, state


def _checks(events: Sequence[Event], lanes: _Lanes, begin: float, end: float) -> Iterable[Bar]:
    """What health checks report, over time: the verdict, and how many checkers' last report was a failure."""
    reports = [one for one in events if one.event in {"health", "observation"} and "check" in one.members]
    names = ("healthy", "failing", "checkers")
    for name in sorted({one.members["check"] for one in reports}):
        lane = _lane(lanes, f"check {name}")
        ours = [one for one in reports if one.members["check"] == name]
        polls = [one for one in ours if one.event == "health"]
        seen = [(max(one.at, begin), tuple(one.members.get(name) for name in names)) for one in polls]
        for start, stop, (healthy, failing, checkers) in _runs([(begin, (True, None, None)), *seen], end):
            state, word = ("healthy", "healthy") if healthy else (ERROR, "unhealthy")
            count = "" if failing is None or checkers is None else f", {failing} of {checkers} checkers fail"
            yield Bar(lane=lane, begin=start, end=stop, state=state, label=word + count)
        probes = [one for one in ours if one.event == "observation" and "checker" in one.members]
        failed: dict[str, bool] = {}
        for one, until in zip(probes, [*(other.at for other in probes[1:]), end], strict=False):
            failed[one.members["checker"]] = not one.members["healthy"]
            number, lane = sum(failed.values()), _lane(lanes, f"checkers of {name}")
            if number and until > one.at:
                label = f"{number} checkers failed their last probe"
                yield Bar(lane=lane, begin=one.at, end=until, state=ERROR, label=label, share=number / CHECKERS)


def _answers(events: Sequence[Event], names: dict[str, str], lanes: _Lanes, end: float) -> Iterable[Bar]:
    for authoritative in (True, False):
        told = [one for one in events if one.event == "dns" and bool(one.members.get("authoritative")) == authoritative]
        if not told:
            continue
        lane = _lane(lanes, "name server" if authoritative else "DNS answer")
        for begin, stop, answer in _runs(((one.at, tuple(one.members["answer"])) for one in told), end):
            state = names.get(answer[0], OTHER) if len(answer) == 1 else ERROR
            label = ", ".join(f"{one} ({names[one]})" if one in names else one for one in answer) or "no answer"
            yield Bar(lane=lane, begin=begin, end=stop, state=state, label=label)


def _requests(operations: Iterable[Operation], lanes: _Lanes, timing: Timing, limit_s: float) -> Iterable[Bar]:
    for client in timing.clients:
        _lane(lanes, client.name)
    for one in operations:
        if one.final:
            continue
        end = one.complete if one.complete is not None else one.invoke + limit_s
        state = one.node or OTHER if one.good else ERROR
        words = f"{one.op}, {one.outcome}" if one.good else f"{one.op}: {one.cause}"
        yield Bar(lane=_lane(lanes, one.policy), begin=one.invoke, end=end, state=state, label=words)
