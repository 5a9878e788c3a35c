"""What each kind of client saw of a fault: its longest outage, its availability, its errors, and what to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from srekv.check.model import ClientOutage, Operation
from srekv.drill.model import HEADLINE

ADVICE = {
    "no-cache": "nothing: it asks for the name each time and moves with it, at the price of a query for each request",
    "honor-ttl": "nothing in the client; a lower TTL, interval or threshold shortens what it sees (srekv predict)",
    "keep-alive": "give pooled connections a maximum age and drop them on an error, so that the name is asked again",
    "cache-forever": "stop caching names for ever: networkaddress.cache.ttl=10 in the JVM's java.security",
    "cache-10s": "do not keep names longer than their TTL: aiohttp's TCPConnector(ttl_dns_cache=...)",
    "retry": "nothing: retries hide short gaps; give them a budget, and retry only what is safe to repeat",
}
"""One line for each kind of client; others get none."""


class _Gap(NamedTuple):
    """A time without a good answer, in which something failed."""

    begin: float
    end: float
    recovered: bool

    @property
    def seconds(self) -> float:
        return self.end - self.begin


def client_outages(operations: Iterable[Operation], fault_at: float, *, moves: bool) -> tuple[ClientOutage, ...]:
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
    none = _Gap(fault_at, fault_at, recovered=True)
    longest = max((gap for found in gaps for gap in found), key=lambda gap: gap.seconds, default=none)
    failed = [one for client in clients for one in client if not one.good and one.invoke >= fault_at]
    spans = [_end(client) - client[0].invoke for client in clients]
    dark = sum(gap.seconds for found in gaps for gap in found)
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
        advice=_advice(name, errors=len(failed), moves=moves),
        observed=any(_end([client[-1]]) >= fault_at for client in clients),
    )


def _advice(name: str, *, errors: int, moves: bool) -> str:
    if not errors:
        return "nothing: it did not notice"
    return ADVICE.get(name, "") if moves else "nothing: the name does not move away from such a fault"


def _gaps(operations: list[Operation]) -> Iterator[_Gap]:
    """From one good answer to the next, if something failed in between.

    A client waits for one operation before it begins the next, so its operations are in order. Idle time around a
    failure counts: the client had nothing to show for it.
    """
    operations.sort(key=lambda one: one.invoke)
    good_at = operations[0].invoke
    bad = False
    for one in operations:
        if one.good:
            end = one.invoke if one.complete is None else one.complete
            if bad:
                yield _Gap(good_at, end, recovered=True)
            good_at, bad = end, False
        else:
            bad = True
    if bad:
        yield _Gap(good_at, _end(operations), recovered=False)


def _end(operations: Iterable[Operation]) -> float:
    return max(one.invoke if one.complete is None else one.complete for one in operations)
