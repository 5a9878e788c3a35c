"""An outage as the clients saw it, and what it was made of: detection, DNS switch, recovery; then the failback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from srekv.check.clients import zoo
from srekv.check.model import HEADLINE, ClientOutage, Event, Expected, History, Judgement, Step, Timing
from srekv.check.simulation import PROBE_FAILURE_S, REFUSED_S, SILENT_S, Scenario, outage

EXCUSE = 2.0
"""An outage is a violation from so many times the bound on: beyond what a busy machine explains."""

SHORTEST = 0.9
"""An outage below this share of the shortest simulated one is not the fault's: the settings do not explain it."""

FAULT = "the fault lasts"
FIRST_PROBE = "first failed probe"
AGREEMENT = "checkers agree"
DETECTION = "detection"
SWITCH = "name switches"
CACHE = "last cached answer gone"
RECOVERY = "first good request"
FAILBACK = "failback"

CURVE = tuple(range(0, 101, 2))
"""The percentiles of the simulated outages that a report draws."""


@dataclass(frozen=True, kw_only=True)
class _Moments:
    """When what happened, in the history's seconds; None: it did not, or nobody saw it."""

    fault: float
    probe: float | None
    unhealthy: float | None
    renamed: float | None
    switched: float | None
    heal: float | None
    back: float | None

    @property
    def detected(self) -> float | None:
        """The health verdict was there at the latest when the name switched: polls see it late."""
        return min((at for at in (self.unhealthy, self.renamed, self.switched) if at is not None), default=None)


def measure(history: History) -> Timing | None:
    """What the fault did to the clients; None when the history holds no fault."""
    fault = _first(history.events, "fault")
    if fault is None:
        return None
    drill = _first(history.events, "drill")
    settings = drill.members if drill else {}
    moments = _moments(history.events, fault, settings)
    switch, allowed = _expectation(settings)
    clients = zoo(history.operations, fault.at, moves=switch is not False)
    headline = next((one for one in clients[:1] if one.observed), None)
    outage_s = headline.outage_s if headline else None
    return Timing(
        fault=fault.members.get("what", "fault"),
        fault_at=fault.at,
        heal_at=moments.heal,
        outage_s=outage_s,
        detection_s=_span(fault.at, moments.detected),
        switch_s=_span(moments.detected, moments.switched),
        recovery_s=_recovery(headline, moments.switched),
        failback_s=_span(moments.heal, moments.back),
        bound_s=settings.get("bound_s") if switch and allowed else None,
        clients=clients,
        steps=tuple(
            _endured(moments, headline)
            if switch is False and moments.switched is None
            else _steps(moments, headline, settings, history.events)
        ),
        expected=_expected(settings, history, outage_s) if switch and allowed and outage_s is not None else None,
        switch_expected=switch,
        outage_allowed=allowed,
        asked_until=_asked_until(history.events, settings),
    )


def _expectation(settings: dict[str, Any]) -> tuple[bool | None, bool]:
    """Whether the name must switch (None: either is right), and whether clients may notice; by default both are so."""
    expect = settings.get("expect", {})
    return expect.get("switch", True), expect.get("outage") is not False


def _moments(events: Sequence[Event], fault: Event, settings: dict[str, Any]) -> _Moments:
    heal = _first(events, "heal", since=fault.at)
    primary, secondary = _address(settings, "primary"), _address(settings, "secondary")
    switched = _answers(events, fault.at, secondary, authoritative=False)
    unhealthy = _first_of(events, "health", fault.at, settings)
    probe = _first_of(events, "observation", fault.at, settings)
    back = _answers(events, heal.at, primary, authoritative=False) if heal and switched is not None else None
    return _Moments(
        fault=fault.at,
        probe=probe.at if probe else None,
        unhealthy=unhealthy.at if unhealthy else None,
        renamed=_answers(events, fault.at, secondary, authoritative=True),
        switched=switched,
        heal=heal.at if heal else None,
        back=back,
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


def _first_of(events: Sequence[Event], kind: str, since: float, settings: dict[str, Any]) -> Event | None:
    """The first event after the fault that says unhealthy of the primary, as far as the event names its subject."""
    known, others = (_names(settings.get(role, {})) for role in ("primary", "secondary"))
    for one in events:
        if one.event == kind and one.at >= since and not one.members["healthy"]:
            subjects = _names(one.members)
            if not subjects & others or subjects & known:
                return one
    return None


def _names(members: dict[str, Any]) -> set[str]:
    """The node and the check in a role's or an event's members."""
    return {members[name] for name in ("node", "check") if members.get(name)}


def _address(settings: dict[str, Any], role: str) -> str | None:
    address: str | None = settings.get(role, {}).get("address")
    return address


def _answers(events: Sequence[Event], since: float, address: str | None, *, authoritative: bool) -> float | None:
    """When the name first answered that address and nothing else."""
    found = (
        one.at
        for one in events
        if one.event == "dns"
        and one.at >= since
        and one.members["answer"] == [address]
        and bool(one.members.get("authoritative")) == authoritative
    )
    return next(found, None)


def _asked_until(events: Sequence[Event], settings: dict[str, Any]) -> float | None:
    if not all(_address(settings, role) for role in ("primary", "secondary")):
        return None
    return max((one.at for one in events if one.event == "dns"), default=None)


def _span(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else round(end - begin, 4)


def _recovery(headline: ClientOutage | None, switched: float | None) -> float | None:
    """From the switch to the end of the longest outage; 0 when nobody had one or it was over by then."""
    if switched is None or headline is None or not headline.recovered:
        return None if switched is None or headline else 0.0
    return round(max(0.0, headline.end - switched), 4) if headline.outage_s else 0.0


def _steps(
    moments: _Moments, headline: ClientOutage | None, settings: dict[str, Any], events: Sequence[Event]
) -> list[Step]:
    """The waterfall: each step begins where the one before ended; one that never ended is the last before failback."""
    marks: list[tuple[str, float | None, str]] = []
    detected = moments.detected
    if moments.probe is not None and detected is not None and moments.probe <= detected:
        marks += [(FIRST_PROBE, moments.probe, ""), (AGREEMENT, detected, "")]
    else:
        marks.append((DETECTION, detected, ""))
    if moments.renamed is not None:
        marks += [(SWITCH, moments.renamed, ""), (CACHE, moments.switched, "")]
    else:
        note = _window(moments, settings, events)
        marks.append((f"{SWITCH}, {CACHE}", moments.switched, note))
    if headline is not None:
        marks.append((RECOVERY, _good_again(headline, moments.switched), ""))
    steps: list[Step] = []
    begin = moments.fault
    for name, end, note in marks:
        steps.append(Step(name=name, begin=begin, end=None if end is None else max(begin, end), note=note))
        if end is None:
            break
        begin = max(begin, end)
    if moments.heal is not None:
        steps.append(Step(name=FAILBACK, begin=moments.heal, end=moments.back))
    return steps


def _endured(moments: _Moments, headline: ClientOutage | None) -> list[Step]:
    """The steps of a fault that must not make the name switch, and did not: it lasts, and then it is over."""
    steps = [Step(name=FAULT, begin=moments.fault, end=moments.heal)]
    if moments.heal is not None and headline is not None and headline.outage_s:
        end = max(moments.heal, headline.end) if headline.recovered else None
        steps.append(Step(name=RECOVERY, begin=moments.heal, end=end))
    return steps


def _good_again(headline: ClientOutage, switched: float | None) -> float | None:
    if not headline.recovered:
        return None
    return headline.end if headline.outage_s or switched is None else switched


def _window(moments: _Moments, settings: dict[str, Any], events: Sequence[Event]) -> str:
    """When the name itself may have switched, from the TTLs that the resolver counted down.

    A private name can only be asked through the VPC's caching resolver. An answer with r seconds left of its TTL was
    fetched TTL - r seconds ago: the name switched between the last fetch of the old and the first of the new answer.
    The TTL on the wire is in whole wall-clock seconds, so a clock that runs fast blurs it.
    """
    ttl, speed = settings.get("ttl"), settings.get("speed", 1)
    if ttl is None or moments.switched is None:
        return ""
    seen = [one for one in events if one.event == "dns" and "ttl" in one.members]
    old = [one for one in seen if one.at < moments.switched and one.members["answer"]]
    new = next((one for one in seen if one.at == moments.switched), None)
    if not old or new is None or speed >= ttl:
        return f"asked through a cache: the name itself may have changed up to {ttl:g} s earlier"
    low = max(moments.fault, _fetched(old[-1], ttl, speed))
    high = max(low, min(moments.switched, _fetched(new, ttl, speed) + speed))
    return f"the name itself changed {low - moments.fault:.1f} to {high - moments.fault:.1f} s after the fault"


def _fetched(answer: Event, ttl: float, speed: float) -> float:
    """When the resolver fetched an answer, at the earliest."""
    return answer.at - max(0.0, ttl - speed * float(answer.members["ttl"]))


def scenario(settings: dict[str, Any], *, clients: int = 1) -> Scenario | None:
    """The settings of a drill as its `drill` event tells them; None when it does not."""
    interval, threshold, ttl = (settings.get(name) for name in ("interval", "threshold", "ttl"))
    if not (interval and threshold and ttl):
        return None
    default = SILENT_S if "fault" not in settings else REFUSED_S
    rate, load = settings.get("rate"), settings.get("clients")
    return Scenario(
        interval=int(interval),
        threshold=int(threshold),
        ttl=int(ttl),
        probe_failure_s=PROBE_FAILURE_S.get(str(settings.get("fault")), default),
        pause_s=load / rate if load and rate else Scenario.pause_s,
        op_timeout_s=float(settings.get("op_timeout_s") or Scenario.op_timeout_s),
        clients=max(1, clients),
    )


def _expected(settings: dict[str, Any], history: History, outage_s: float) -> Expected | None:
    clients = {one.client for one in history.operations if one.zoo == HEADLINE and not one.final}
    settled = scenario(settings, clients=len(clients))
    if settled is None:
        return None
    simulated = outage(settled)
    percentile, best = simulated.percentile(outage_s), simulated.best
    if settings.get("fault") == "stop":  # an orderly stop ends the service first: its port refuses (aws-facts 4.4)
        best = outage(replace(settled, probe_failure_s=REFUSED_S)).best
    return Expected(
        best=round(best, 1),
        p50=round(simulated.quantile(0.5), 1),
        p95=round(simulated.quantile(0.95), 1),
        worst=round(settled.bound_s, 1),
        percentile=round(percentile, 1),
        luck=_luck(percentile, outage_s / best, f"{best:.1f} to {settled.bound_s:.1f} s"),
        curve=tuple((round(simulated.quantile(share / 100), 2), share) for share in CURVE),
    )


def _luck(percentile: float, share_of_best: float, span: str) -> str:
    """Whether a measured outage was luck, in words."""
    if share_of_best < SHORTEST:
        return f"not explained: more than 10 % shorter than every simulated one ({span})"
    if percentile <= 0:
        return f"as short as the shortest simulated ones ({span})"
    if percentile >= 100:
        return f"longer than every simulated one ({span})"
    share = f"{percentile:.0f} % of simulated failovers are shorter"
    if percentile < 10:
        return f"good luck: only {share}"
    return f"bad luck: {share}" if percentile > 90 else f"typical: {share}"


_TOO_SHORT = "check that nothing else stopped the node or failed its checks before the fault, then drill again"


def judge_timing(timing: Timing) -> Judgement:
    """Held when the fault did what it must: the name switched and came back, or stayed; and the clients recovered.

    Unknown when the history lacks something, or the outage is too short to be the fault's.
    """
    if complaints := _complaints(timing):
        return Judgement(checker="timing", verdict="violated", summary="; ".join(complaints))
    if missing := _missing(timing):
        return Judgement(checker="timing", verdict="unknown", summary="; ".join(missing))
    if timing.expected and timing.outage_s is not None and timing.outage_s < SHORTEST * timing.expected.best:
        return Judgement(checker="timing", verdict="unknown", summary=_account(timing), fix=_TOO_SHORT)
    return Judgement(checker="timing", verdict="held", summary=_account(timing))


def _missing(timing: Timing) -> list[str]:
    """What the history lacks, without which the drill cannot be judged."""
    missing = [] if timing.headline else ["no client operated after the fault, so no outage was measured"]
    if timing.switch_expected is not None and not _asked(timing):
        missing.append("no answer of the name is recorded after the fault, so nothing shows whether it switched")
    if timing.heal_at is None:
        missing.append("no heal is recorded, so recovery and failback are not known")
    return missing


def _asked(timing: Timing) -> bool:
    return timing.asked_until is not None and timing.asked_until >= timing.fault_at


def _complaints(timing: Timing) -> list[str]:
    complaints = []
    switched = timing.switch_s is not None
    if timing.switch_expected and not switched and _asked(timing):
        complaints.append("the name never switched to the secondary")
    if timing.switch_expected is False and switched:
        complaints.append("the name switched to the secondary, and had no reason to")
    headline = timing.headline
    if headline is not None and not headline.recovered and (switched or timing.heal_at is not None):
        complaints.append(f"clients never recovered: {headline.name}")
    if switched and timing.heal_at is not None and timing.failback_s is None:
        complaints.append("the name never came back to the primary")
    if headline is not None and not timing.outage_allowed and headline.errors:
        complaints.append(f"{headline.errors} operations failed where none may: {headline.outage_s:.1f} s of outage")
    if headline and _bounded(timing) and timing.bound_s is not None and headline.outage_s > EXCUSE * timing.bound_s:
        complaints.append(f"an outage of {headline.outage_s:.1f} s, the settings explain {timing.bound_s:.1f} s")
    return complaints


def _bounded(timing: Timing) -> bool:
    """Whether the failover ends the outage: where no switch is expected, it lasts as long as the fault does."""
    return bool(timing.switch_expected) and timing.outage_allowed


def _account(timing: Timing) -> str:
    if not timing.outage_allowed:
        return "no client noticed"
    if not timing.switch_expected:
        stayed = "the name stayed" if timing.switch_s is None else "the name switched"
        return f"{stayed}; the fault cost the clients {timing.outage_s:.1f} s"
    bound = "" if timing.bound_s is None else f" (at most {timing.bound_s:.1f} s expected)"
    chance = f"; {timing.expected.luck}" if timing.expected else ""
    return f"an outage of {timing.outage_s:.1f} s{bound}{chance}"
