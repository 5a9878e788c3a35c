"""An outage as the clients saw it, and the phases it is made of: detection, DNS switch, recovery; then the failback."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from srekv.check.model import ClientOutage, Event, History, Judgement, Operation, Timing

EXCUSE = 2.0
"""An outage is a violation from so many times the bound on: beyond what a busy machine explains."""


def measure(history: History) -> Timing | None:
    """What the fault did to the clients; None when the history holds no fault."""
    fault = _first(history.events, "fault")
    if fault is None:
        return None
    drill = _first(history.events, "drill")
    heal = _first(history.events, "heal", since=fault.at)
    clients = _clients(history.operations, fault.at)
    worst = max(clients, key=lambda one: one.outage_s, default=None)
    switched = _answers(history.events, fault.at, _address(drill, "secondary"))
    unhealthy = _first(history.events, "health", since=fault.at, healthy=False)
    detected = min((at for at in (unhealthy.at if unhealthy else None, switched) if at is not None), default=None)
    back = _answers(history.events, heal.at, _address(drill, "primary")) if heal and switched is not None else None
    return Timing(
        fault=str(fault.members.get("what", "fault")),
        fault_at=fault.at,
        heal_at=heal.at if heal else None,
        outage_s=worst.outage_s if worst else 0.0,
        detection_s=_span(fault.at, detected),
        switch_s=_span(detected, switched),
        recovery_s=_recovery(worst, switched),
        failback_s=_span(heal.at if heal else None, back),
        bound_s=drill.members.get("bound_s") if drill else None,
        clients=clients,
    )


def _first(events: Sequence[Event], kind: str, *, since: float = float("-inf"), **members: object) -> Event | None:
    return next(
        (
            one
            for one in events
            if one.event == kind and one.at >= since and all(one.members.get(k) == v for k, v in members.items())
        ),
        None,
    )


def _address(drill: Event | None, role: str) -> str | None:
    node = drill.members.get(role) if drill else None
    return node.get("address") if isinstance(node, dict) else None


def _answers(events: Sequence[Event], since: float, address: str | None) -> float | None:
    """When the name first answered that address and nothing else."""
    event = _first(events, "dns", since=since, answer=[address])
    return event.at if event else None


def _span(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else round(end - begin, 4)


def _recovery(worst: ClientOutage | None, switched: float | None) -> float | None:
    """From the switch to the end of the longest outage; 0 when nobody had one or it was over by then."""
    if switched is None or worst is None or not worst.recovered:
        return None if switched is None or worst else 0.0
    return round(max(0.0, worst.end - switched), 4) if worst.outage_s else 0.0


def _clients(operations: Iterable[Operation], fault_at: float) -> tuple[ClientOutage, ...]:
    by_client: dict[str, list[Operation]] = {}
    for operation in operations:
        if not operation.final:
            by_client.setdefault(operation.client, []).append(operation)
    return tuple(_outage(name, by_client[name], fault_at) for name in sorted(by_client))


def _outage(name: str, operations: list[Operation], fault_at: float) -> ClientOutage:
    """The longest time from one good answer to the next that ended after the fault and held at least one bad one.

    A client waits for one operation before it begins the next, so its operations are in order. Idle time around a
    failure counts: the client had nothing to show for it.
    """
    longest = (0.0, fault_at, fault_at, True)
    good_at = min((one.invoke for one in operations), default=fault_at)
    bad = 0
    for one in sorted(operations, key=lambda one: one.invoke):
        if not _is_good(one):
            bad += 1
            continue
        end = one.complete if one.complete is not None else one.invoke
        if bad and end >= fault_at:
            longest = max(longest, (end - good_at, good_at, end, True))
        good_at, bad = end, 0
    if bad:
        end = max(one.complete or one.invoke for one in operations)
        longest = max(longest, (end - good_at, good_at, end, False))
    errors = sum(not _is_good(one) for one in operations if one.invoke >= fault_at)
    seconds, begin, end, recovered = longest
    return ClientOutage(name=name, outage_s=round(seconds, 4), errors=errors, begin=begin, end=end, recovered=recovered)


def _is_good(operation: Operation) -> bool:
    return operation.outcome in {"ok", "conflict"}


def judge_timing(timing: Timing) -> Judgement:
    """Held when the name switched, every client recovered, and the name came back, all within reason."""
    complaints = _complaints(timing)
    summary = "; ".join(complaints) or _account(timing)
    return Judgement(checker="timing", verdict="violated" if complaints else "held", summary=summary)


def _complaints(timing: Timing) -> list[str]:
    complaints = []
    if timing.switch_s is None:
        complaints.append("the name never switched to the secondary")
    if any(not client.recovered for client in timing.clients):
        names = ", ".join(client.name for client in timing.clients if not client.recovered)
        complaints.append(f"clients never recovered: {names}")
    if timing.switch_s is not None and timing.heal_at is not None and timing.failback_s is None:
        complaints.append("the name never came back to the primary")
    if timing.bound_s is not None and timing.outage_s > EXCUSE * timing.bound_s:
        complaints.append(f"an outage of {timing.outage_s:.1f} s, the settings explain {timing.bound_s:.1f} s")
    return complaints


def _account(timing: Timing) -> str:
    bound = "" if timing.bound_s is None else f" (at most {timing.bound_s:.1f} s expected)"
    return f"an outage of {timing.outage_s:.1f} s{bound}"
