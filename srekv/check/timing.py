"""An outage as the clients saw it, and what it was made of: detection, DNS switch, recovery; then the failback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, NamedTuple

from srekv.check.model import ClientOutage, Event, Expected, History, Judgement, Operation, Step, Timing
from srekv.check.simulation import PROBE_FAILURE_S, REFUSED_S, SILENT_S, Scenario, outage
from srekv.drill.model import HEADLINE

EXCUSE = 2.0
"""An outage is a violation from so many times the bound on: beyond what a busy machine explains."""

SHORTEST = 0.9
"""An outage below this share of the shortest simulated one is not the fault's: the settings do not explain it."""

SWITCH, CACHE, RECOVERY = "name switches", "last cached answer gone", "first good request"
"""Steps that have these names in more than one waterfall."""


ADVICE = {
    "no-cache": "nothing: it asks for the name each time and moves with it, at the price of a query for each request",
    "honor-ttl": "nothing in the client; a lower TTL, interval or threshold shortens what it sees (srekv predict)",
    "keep-alive": "give pooled connections a maximum age and drop them on an error, so that the name is asked again",
    "cache-forever": "stop caching names for ever: networkaddress.cache.ttl=10 in the JVM's java.security",
    "cache-10s": "do not keep names longer than their TTL: aiohttp's TCPConnector(ttl_dns_cache=...)",
    "retry": "nothing: retries hide short gaps; give them a budget, and retry only what is safe to repeat",
}
"""One line for each kind of client; others get none."""


@dataclass(frozen=True, kw_only=True)
class _Moments:
    """When what happened, in the history's seconds; None: it did not, or nothing shows it."""

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
    fault = history.first("fault")
    if fault is None:
        return None
    settings = history.members("drill")
    moments = _moments(history.events, fault.at, settings)
    expect = settings.get("expect", {})
    switch, allowed = expect.get("switch", True), expect.get("outage") is not False
    clients = _client_outages(history.operations, fault.at, moves=switch is not False)
    headline = next((one for one in clients[:1] if one.observed), None)
    endured = switch is False and moments.switched is None
    steps = _endured(moments, headline) if endured else _steps(moments, headline, settings, history.events)
    asked = any(one.event == "dns" and one.at >= fault.at for one in history.events)
    addresses = all(_address(settings, role) for role in ("primary", "secondary"))
    return Timing(
        fault=fault.members.get("what", "fault"),
        fault_at=fault.at,
        heal_at=moments.heal,
        detection_s=_span(fault.at, moments.detected),
        switch_s=_span(moments.detected, moments.switched),
        recovery_s=_recovery(headline, moments.switched),
        failback_s=_span(moments.heal, moments.back),
        bound_s=settings.get("bound_s") if switch and allowed else None,
        clients=clients,
        steps=tuple(steps),
        expected=_expected(settings, history, headline.outage_s) if switch and allowed and headline else None,
        switch_expected=switch,
        outage_allowed=allowed,
        asked=addresses and asked,
    )


def _moments(events: Sequence[Event], fault_at: float, settings: dict[str, Any]) -> _Moments:
    heal = next((one.at for one in events if one.event == "heal" and one.at >= fault_at), None)
    primary, secondary = _address(settings, "primary"), _address(settings, "secondary")
    switched = _answered(events, fault_at, secondary)
    return _Moments(
        fault=fault_at,
        probe=_failed(events, "observation", fault_at, settings),
        unhealthy=_failed(events, "health", fault_at, settings),
        renamed=_answered(events, fault_at, secondary, authoritative=True),
        switched=switched,
        heal=heal,
        back=None if heal is None or switched is None else _answered(events, heal, primary),
    )


def _failed(events: Sequence[Event], kind: str, since: float, settings: dict[str, Any]) -> float | None:
    """When the first event reports the primary as unhealthy, as far as the event names its subject."""
    known, others = (_names(settings.get(role, {})) for role in ("primary", "secondary"))
    for one in events:
        if one.event == kind and one.at >= since and not one.members["healthy"]:
            subjects = _names(one.members)
            if not subjects & others or subjects & known:
                return one.at
    return None


def _names(members: dict[str, Any]) -> set[str]:
    """The node and the check in a role's or an event's members."""
    return {members[name] for name in ("node", "check") if members.get(name)}


def _address(settings: dict[str, Any], role: str) -> str | None:
    address: str | None = settings.get(role, {}).get("address")
    return address


def _answered(
    events: Sequence[Event], since: float, address: str | None, *, authoritative: bool = False
) -> float | None:
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


def _span(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else round(end - begin, 4)


def _recovery(headline: ClientOutage | None, switched: float | None) -> float | None:
    """From the switch to the end of the longest outage; 0 without an outage, or if it was over by then."""
    if switched is None or headline is None or not headline.recovered:
        return None if switched is None or headline else 0.0
    return round(max(0.0, headline.end - switched), 4) if headline.outage_s else 0.0


def _steps(
    moments: _Moments, headline: ClientOutage | None, settings: dict[str, Any], events: Sequence[Event]
) -> list[Step]:
    """The waterfall: each step begins where the one before ended; one that never ended is the last before failback."""
    detected, switched = moments.detected, moments.switched
    marks: list[tuple[str, float | None, str]] = [("detection", detected, "")]
    if moments.probe is not None and detected is not None and moments.probe <= detected:
        marks = [("first failed probe", moments.probe, ""), ("checkers agree", detected, "")]
    if moments.renamed is not None:
        marks += [(SWITCH, moments.renamed, ""), (CACHE, switched, "")]
    else:
        marks.append((f"{SWITCH}, {CACHE}", switched, _window(moments, settings, events)))
    if headline is not None:
        good = headline.end if headline.outage_s or switched is None else switched
        marks.append((RECOVERY, good if headline.recovered else None, ""))
    steps: list[Step] = []
    begin = moments.fault
    for name, end, note in marks:
        steps.append(_step(moments, name, begin, None if end is None else max(begin, end), note))
        if end is None:
            break
        begin = max(begin, end)
    if moments.heal is not None:
        steps.append(_step(moments, "failback", moments.heal, moments.back))
    return steps


def _endured(moments: _Moments, headline: ClientOutage | None) -> list[Step]:
    """The steps of a fault that must not make the name switch, and did not: it lasts, and then it is over."""
    heal = moments.heal
    steps = [_step(moments, "the fault lasts", moments.fault, heal)]
    if heal is not None and headline is not None and headline.outage_s:
        steps.append(_step(moments, RECOVERY, heal, max(heal, headline.end) if headline.recovered else None))
    return steps


def _step(moments: _Moments, name: str, begin: float, end: float | None, note: str = "") -> Step:
    zero = moments.fault
    return Step(name=name, begin=begin - zero, end=None if end is None else end - zero, note=note)


def _window(moments: _Moments, settings: dict[str, Any], events: Sequence[Event]) -> str:
    """When the name itself may have switched, from the TTLs that the resolver counted down.

    A private name can only be asked through the VPC's caching resolver. An answer with r seconds left of its TTL was
    fetched TTL - r seconds ago: the name switched between the last fetch of the old and the first of the new answer.
    The TTL on the wire is in whole wall-clock seconds, so a clock that runs fast blurs it.
    """
    ttl, speed = settings.get("ttl"), float(settings.get("speed", 1))
    if ttl is None or moments.switched is None:
        return ""

    def fetched(answer: Event) -> float:
        return answer.at - max(0.0, float(ttl) - speed * float(answer.members["ttl"]))

    seen = [one for one in events if one.event == "dns" and "ttl" in one.members]
    old = [one for one in seen if one.at < moments.switched and one.members["answer"]]
    new = next((one for one in seen if one.at == moments.switched), None)
    if not old or new is None or speed >= ttl:
        return f"asked through a cache: the name itself may have changed up to {ttl:g} s earlier"
    low = max(moments.fault, fetched(old[-1]))
    high = max(low, min(moments.switched, fetched(new) + speed))
    return f"the name itself changed {low - moments.fault:.1f} to {high - moments.fault:.1f} s after the fault"


class _Gap(NamedTuple):
    """A time without a good answer, in which something failed."""

    seconds: float
    begin: float
    end: float
    recovered: bool


def _client_outages(operations: Iterable[Operation], fault_at: float, *, moves: bool) -> tuple[ClientOutage, ...]:
    """Every kind of client's outage after the fault, the headline first.

    `moves` is whether the name may move away from the fault: where it may not, how a client treats it matters little.
    """
    kinds: dict[str, dict[str, list[Operation]]] = {}
    for one in operations:
        if not one.final:
            kinds.setdefault(one.policy, {}).setdefault(one.client, []).append(one)
    names = sorted(kinds, key=lambda name: (name != HEADLINE, name))
    return tuple(_outage(name, list(kinds[name].values()), fault_at, moves=moves) for name in names)


def _outage(name: str, clients: Sequence[list[Operation]], fault_at: float, *, moves: bool) -> ClientOutage:
    gaps = [[gap for gap in _gaps(client) if gap.end >= fault_at] for client in clients]
    none = _Gap(0.0, fault_at, fault_at, recovered=True)
    longest = max((gap for found in gaps for gap in found), key=itemgetter(0), default=none)
    failed = [one for client in clients for one in client if not one.good and one.invoke >= fault_at]
    spans = [_end(client) - client[0].invoke for client in clients]
    dark = sum(gap.seconds for found in gaps for gap in found)
    advice = ADVICE.get(name, "") if moves else "nothing: the name does not move away from such a fault"
    return ClientOutage(
        name=name,
        outage_s=round(longest.seconds, 4),
        errors=len(failed),
        begin=longest.begin,
        end=longest.end,
        recovered=all(found[-1].recovered for found in gaps if found),
        availability=round(1 - dark / sum(spans), 6) if sum(spans) else 1.0,
        operations=sum(map(len, clients)),
        errors_by_kind=dict(Counter(one.cause for one in failed).most_common()),
        advice=advice if failed else "nothing: it did not notice",
        observed=any(_end([client[-1]]) >= fault_at for client in clients),
    )


def _gaps(operations: list[Operation]) -> Iterator[_Gap]:
    """From one good answer to the next, if something failed in between.

    A client waits for one operation before it starts the next, so its operations are in order. Idle time around a
    failure counts: the client had nothing to show for it.
    """
    operations.sort(key=lambda one: one.invoke)
    good_at = operations[0].invoke
    bad = False
    for one in operations:
        if one.good:
            end = one.invoke if one.complete is None else one.complete
            if bad:
                yield _Gap(end - good_at, good_at, end, recovered=True)
            good_at, bad = end, False
        else:
            bad = True
    if bad:
        end = _end(operations)
        yield _Gap(end - good_at, good_at, end, recovered=False)


def _end(operations: Iterable[Operation]) -> float:
    return max(one.invoke if one.complete is None else one.complete for one in operations)


def _expected(settings: dict[str, Any], history: History, outage_s: float) -> Expected | None:
    """What to expect of the settings in a `drill` event; None when it lacks them."""
    interval, threshold, ttl = (settings.get(name) for name in ("interval", "threshold", "ttl"))
    if not (interval and threshold and ttl):
        return None
    default = SILENT_S if "fault" not in settings else REFUSED_S
    rate, load = settings.get("rate"), settings.get("clients")
    clients = {one.client for one in history.operations if one.policy == HEADLINE and not one.final}
    scenario = Scenario(
        interval=int(interval),
        threshold=int(threshold),
        ttl=int(ttl),
        probe_failure_s=PROBE_FAILURE_S.get(str(settings.get("fault")), default),
        pause_s=load / rate if load and rate else Scenario.pause_s,
        op_timeout_s=float(settings.get("op_timeout_s") or Scenario.op_timeout_s),
        clients=max(1, len(clients)),
    )
    simulated = outage(scenario)
    percentile, best, worst = simulated.percentile(outage_s), simulated.best, scenario.bound_s
    if settings.get("fault") == "stop":  # an orderly stop ends the service first: its port refuses (aws-facts 4.4)
        best = outage(replace(scenario, probe_failure_s=REFUSED_S)).best
    return Expected(
        **simulated.summary() | {"best_s": round(best, 1)},
        worst_s=round(worst, 1),
        percentile=round(percentile, 1),
        luck=_luck(percentile, outage_s / best, f"{best:.1f} to {worst:.1f} s"),
        curve=tuple((round(simulated.quantile(share / 100), 2), share) for share in range(0, 101, 2)),
    )


def _luck(percentile: float, share_of_best: float, span: str) -> str:
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


def judge_timing(timing: Timing) -> Judgement:
    """Held when the fault did what it must: the name switched and came back, or stayed; and the clients recovered.

    Unknown when the history lacks something, or the outage is too short to be the fault's.
    """
    if complaints := _complaints(timing):
        return Judgement(checker="timing", verdict="violated", summary="; ".join(complaints))
    missing = [] if timing.headline else ["no client operated after the fault, so no outage was measured"]
    if timing.switch_expected is not None and not timing.asked:
        missing.append("no answer of the name is recorded after the fault, so nothing shows whether it switched")
    if timing.heal_at is None:
        missing.append("no heal is recorded, so recovery and failback are not known")
    if missing:
        return Judgement(checker="timing", verdict="unknown", summary="; ".join(missing))
    if timing.expected and timing.outage_s is not None and timing.outage_s < SHORTEST * timing.expected.best_s:
        fix = "check that nothing else stopped the node or failed its checks before the fault, then drill again"
        return Judgement(checker="timing", verdict="unknown", summary=_account(timing), fix=fix)
    return Judgement(checker="timing", verdict="held", summary=_account(timing))


def _complaints(timing: Timing) -> list[str]:
    complaints = []
    switched, headline, bound_s = timing.switch_s is not None, timing.headline, timing.bound_s
    if timing.switch_expected and not switched and timing.asked:
        complaints.append("the name never switched to the secondary")
    if timing.switch_expected is False and switched:
        complaints.append("the name switched to the secondary, and had no reason to")
    if headline and not headline.recovered and (switched or timing.heal_at is not None):
        complaints.append(f"clients never recovered: {headline.name}")
    if switched and timing.heal_at is not None and timing.failback_s is None:
        complaints.append("the name never came back to the primary")
    if headline and not timing.outage_allowed and headline.errors:
        complaints.append(f"{headline.errors} operations failed where none may: {headline.outage_s:.1f} s of outage")
    if headline and bound_s is not None and headline.outage_s > EXCUSE * bound_s:
        complaints.append(f"an outage of {headline.outage_s:.1f} s, the settings explain {bound_s:.1f} s")
    return complaints


def _account(timing: Timing) -> str:
    if not timing.outage_allowed:
        return "no client noticed"
    if not timing.switch_expected:
        stayed = "the name stayed" if timing.switch_s is None else "the name switched"
        return f"{stayed}; the fault cost the clients {timing.outage_s:.1f} s"
    bound = "" if timing.bound_s is None else f" (at most {timing.bound_s:.1f} s expected)"
    chance = f"; {timing.expected.luck}" if timing.expected else ""
    return f"an outage of {timing.outage_s:.1f} s{bound}{chance}"
