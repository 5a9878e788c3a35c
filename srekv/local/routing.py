"""Which records Route 53 answers with: routing policies, health and aliases, as pure functions.

Of the records that share a name and a type, each routing policy makes an order of preference:

| policy     | order of preference                                                                               |
|------------|---------------------------------------------------------------------------------------------------|
| failover   | PRIMARY, SECONDARY                                                                                |
| weighted   | at random by weight, those of weight 0 last; if all are 0, each with the same chance              |
| latency    | by the distance of their Region from the asking VPC's                                             |
| multivalue | no order: up to eight of those that are healthy, at random, or of all when none is                |

The first healthy record of that order is the answer; if none is healthy, all count as healthy, and the first one is.

| record                                     | is healthy                                                        |
|--------------------------------------------|-------------------------------------------------------------------|
| without a check, not evaluating its target | always                                                            |
| with a check                               | while the check is                                                |
| alias with EvaluateTargetHealth            | while one of the records that it leads to is                      |
| such an alias with a check, too            | while both are                                                    |

An alias that is chosen is answered by choosing again among the records that it leads to, so trees of any shape are
one rule applied again. An alias without EvaluateTargetHealth thus keeps its branch, even when all of it is unhealthy.

What the local cloud cannot know stays unknown: geolocation, geoproximity and IP-based records, aliases to AWS
resources or to other zones, circles. Where the answer depends on one of them there is none.

Sources: Route 53 Developer Guide, "How Amazon Route 53 chooses records when health checking is configured", "How
health checks work in complex Amazon Route 53 configurations", "Multivalue answer routing", "Latency-based routing in
private hosted zones"; API reference of ResourceRecordSet. That an alias whose target is gone has no answer, and is
unhealthy if it evaluates its target, is assumed.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from srekv.local.model import Record

MOST_VALUES = 8
"""Multivalue answer records in one answer."""

DEEPEST = 16
"""Aliases that lead to aliases, at most; AWS names no limit, and this one also ends circles."""

_TABLE = csv.DictReader(Path(__file__).with_name("regions.csv").read_text().splitlines())
PLACES = {row["region"]: (float(row["latitude"]), float(row["longitude"])) for row in _TABLE}
"""Region -> latitude and longitude in degrees; every Region that a latency record can name."""

Health = bool | None  # None: not known here
Targets = Callable[[Record], Sequence[Record] | None]
"""The records that an alias leads to, none for a name that does not exist; None where they are not in its zone."""


class UnemulatedError(Exception):
    """The answer depends on what the local cloud does not emulate; the message says on what."""


@dataclass(frozen=True, kw_only=True)
class Routes:
    """What a choice depends on besides the records."""

    targets: Targets  # where aliases lead
    health: Mapping[Record, Health]  # of every record that can be met, from `judge`
    region: str  # the asking VPC's
    dice: random.Random  # the randomness of weighted and multivalue answers


def choose(records: Sequence[Record], routes: Routes, *, depth: int = 0) -> tuple[Record, ...]:
    """The records, none of them an alias, whose values are the answer; none where an alias leads to nothing.

    `records` are all those of one name and one type; `depth` counts the aliases that led here. Raises UnemulatedError.
    """
    for record in records:
        if record.unemulated:
            raise UnemulatedError(f"{record.unemulated} of {record.name} is not emulated")
    if any(record.multivalue for record in records):
        healthy = [record for record in records if routes.health[record]] or list(records)
        return tuple(routes.dice.sample(healthy, min(len(healthy), MOST_VALUES)))
    if not records:
        return ()
    chosen = _first_healthy(sorted(records, key=lambda record: _preference(record, routes)), routes.health)
    if chosen.region and math.isinf(distance(routes.region, chosen.region)):
        raise UnemulatedError(f"how far {chosen.region} is from {routes.region} is not known")
    if chosen.alias is None:
        return (chosen,)
    targets = routes.targets(chosen)
    if targets is None:
        raise UnemulatedError(f"alias to {chosen.alias.name}, which is not in the alias' own zone")
    if depth == DEEPEST:
        raise UnemulatedError(f"more than {DEEPEST} aliases lead to each other")
    return choose(targets, routes, depth=depth + 1)


def judge(records: Iterable[Record], targets: Targets, healthy: Callable[[str], bool]) -> dict[Record, Health]:
    """The health of every record; `healthy` is the verdict on a health check, by its id.

    Each round carries health one alias further. What is still not known in the end depends on itself, or lies deeper
    than `choose` goes.
    """
    passed = {record: record.health_check is None or healthy(record.health_check) for record in records}
    known: dict[Record, Health] = dict.fromkeys(passed)
    for _ in range(DEEPEST + 1):
        before = known
        known = {record: passed[record] and _judge_target(record, targets, before) for record in passed}
        if known == before:
            break
    return known


def _judge_target(record: Record, targets: Targets, known: Mapping[Record, Health]) -> Health:
    if record.alias is None or not record.alias.evaluate:
        return True
    found = targets(record)
    states = {None} if found is None else {known[one] for one in found}
    return next((state for state in (True, None) if state in states), False)


def _preference(record: Record, routes: Routes) -> tuple[bool, float]:
    """Smaller is earlier.

    Of exponential random numbers each is the smallest in proportion to its rate, and so on among the rest: that is
    Route 53's choice by weight, and its next choice when the first one is unhealthy.
    """
    if record.weight is not None:
        return record.weight == 0, routes.dice.expovariate(record.weight or 1)
    if record.region is not None:
        return False, distance(routes.region, record.region)
    return record.failover == "SECONDARY", 0.0


def _first_healthy(ordered: Sequence[Record], health: Mapping[Record, Health]) -> Record:
    for record in ordered:
        if health[record] is None and record.alias:
            raise UnemulatedError(f"the health of {record.alias.name}, which decides on {record.name}, is not known")
        if health[record]:
            return record
    return ordered[0]


def distance(one: str, other: str) -> float:
    """The angle between two Regions in radians: 0 for one and the same, infinite for a place that is not known.

    Route 53 takes the record "closest in distance", and which distance is not published: here it is the great circle
    between the places that AWS names its Regions after.
    """
    if one == other:
        return 0.0
    if one not in PLACES or other not in PLACES:
        return math.inf
    (south, west), (north, east) = (tuple(map(math.radians, PLACES[region])) for region in (one, other))
    cosine = math.sin(south) * math.sin(north) + math.cos(south) * math.cos(north) * math.cos(east - west)
    return math.acos(max(-1.0, min(1.0, cosine)))
