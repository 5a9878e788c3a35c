"""How far AWS's Regions are from each other: Route 53 answers a VPC with the latency record "closest in distance".

Source: Route 53 Developer Guide, "Latency-based routing in private hosted zones". Which distance it takes is not
published; here it is the great circle between the places that AWS names its Regions after.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

_TABLE = csv.DictReader(Path(__file__).with_name("regions.csv").read_text().splitlines())
PLACES = {row["region"]: (float(row["latitude"]), float(row["longitude"])) for row in _TABLE}
"""Region -> latitude and longitude in degrees; every Region that a latency record can name."""


def distance(one: str, other: str) -> float:
    """The angle between two Regions in radians: 0 for one and the same, infinite for a place that is not known."""
    if one == other:
        return 0.0
    if one not in PLACES or other not in PLACES:
        return math.inf
    (south, west), (north, east) = (tuple(map(math.radians, PLACES[region])) for region in (one, other))
    cosine = math.sin(south) * math.sin(north) + math.cos(south) * math.cos(north) * math.cos(east - west)
    return math.acos(max(-1.0, min(1.0, cosine)))
