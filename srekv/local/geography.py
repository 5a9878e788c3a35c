"""How far AWS's Regions are from each other: Route 53 answers a VPC with the latency record "closest in distance".

Source: Route 53 Developer Guide, "Latency-based routing in private hosted zones". Which distance it takes is not
published; here it is the great circle between the places that AWS names its Regions after.
"""

from __future__ import annotations

import math

PLACES = {
    "af-south-1": (-33.9, 18.4),  # Cape Town
    "ap-east-1": (22.3, 114.2),  # Hong Kong
    "ap-east-2": (25.0, 121.6),  # Taipei
    "ap-northeast-1": (35.7, 139.7),  # Tokyo
    "ap-northeast-2": (37.6, 127.0),  # Seoul
    "ap-northeast-3": (34.7, 135.5),  # Osaka
    "ap-south-1": (19.1, 72.9),  # Mumbai
    "ap-south-2": (17.4, 78.5),  # Hyderabad
    "ap-southeast-1": (1.4, 103.8),  # Singapore
    "ap-southeast-2": (-33.9, 151.2),  # Sydney
    "ap-southeast-3": (-6.2, 106.8),  # Jakarta
    "ap-southeast-4": (-37.8, 145.0),  # Melbourne
    "ap-southeast-5": (3.1, 101.7),  # Malaysia
    "ap-southeast-6": (-36.8, 174.8),  # New Zealand
    "ap-southeast-7": (13.8, 100.5),  # Thailand
    "ca-central-1": (45.5, -73.6),  # Montreal
    "ca-west-1": (51.0, -114.1),  # Calgary
    "cn-north-1": (39.9, 116.4),  # Beijing
    "cn-northwest-1": (37.5, 105.2),  # Ningxia
    "eu-central-1": (50.1, 8.7),  # Frankfurt
    "eu-central-2": (47.4, 8.5),  # Zurich
    "eu-north-1": (59.3, 18.1),  # Stockholm
    "eu-south-1": (45.5, 9.2),  # Milan
    "eu-south-2": (41.7, -0.9),  # Aragon
    "eu-west-1": (53.3, -6.3),  # Ireland
    "eu-west-2": (51.5, -0.1),  # London
    "eu-west-3": (48.9, 2.4),  # Paris
    "eusc-de-east-1": (52.4, 13.1),  # Brandenburg
    "il-central-1": (32.1, 34.8),  # Tel Aviv
    "me-central-1": (25.2, 55.3),  # United Arab Emirates
    "me-south-1": (26.1, 50.6),  # Bahrain
    "mx-central-1": (20.6, -100.4),  # Queretaro
    "sa-east-1": (-23.5, -46.6),  # Sao Paulo
    "us-east-1": (38.9, -77.4),  # Northern Virginia
    "us-east-2": (40.0, -83.0),  # Ohio
    "us-gov-east-1": (40.0, -83.0),  # Ohio
    "us-gov-west-1": (45.8, -119.7),  # Oregon
    "us-west-1": (37.4, -122.0),  # Northern California
    "us-west-2": (45.8, -119.7),  # Oregon
}
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
