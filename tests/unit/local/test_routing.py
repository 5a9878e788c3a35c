"""Which records Route 53 answers with: the truth table of policies, health and aliases."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import chain

import pytest
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from srekv.local.model import Alias, Record
from srekv.local.routing import DEEPEST, MOST_VALUES, PLACES, Routes, UnemulatedError, choose, distance, judge

Names = dict[str, list[Record]]
"""The records of a zone by name, all of one type."""


def one(identifier: str, *, check: str | None = None, **policy: object) -> Record:
    """A record set with an address; `policy` are members of a Record."""
    return replace(Record(name="?", type="A", set_identifier=identifier, health_check=check), **policy)


def to(name: str, *, check: str | None = None, evaluate: bool = True, zone: str = "Z1", **policy: object) -> Record:
    """An alias record to a name."""
    return one(f"to {name}", check=check, alias=Alias(zone=zone, name=name, evaluate=evaluate), **policy)


def pair(primary: Record, secondary: Record) -> list[Record]:
    """A failover pair of these."""
    return [replace(primary, failover="PRIMARY"), replace(secondary, failover="SECONDARY")]


def weighted(**weights: int) -> list[Record]:
    """Weighted records, each with a check of its own name."""
    return [one(name, check=name, weight=weight) for name, weight in weights.items()]


def routes_of(names: Names, down: Collection[str], *, region: str = "us-east-1", seed: int = 1) -> Routes:
    """The routes of a zone while these health checks are unhealthy."""

    def targets(record: Record) -> Sequence[Record] | None:
        assert record.alias is not None
        return names.get(record.alias.name, []) if record.alias.zone == "Z1" else None

    health = judge(chain.from_iterable(names.values()), targets, lambda check: check not in down)
    return Routes(targets=targets, health=health, region=region, dice=random.Random(seed))


def answers(names: Names, down: Collection[str] = (), *, region: str = "us-east-1") -> str:
    """Every record that www may be answered with, as sorted identifiers."""
    routes = routes_of(names, down, region=region)
    found = {record.set_identifier or "" for _ in range(200) for record in choose(names["www"], routes)}
    return " ".join(sorted(found))


CHECKED = {"www": pair(one("a", check="a"), one("b", check="b"))}
UNCHECKED = {"www": pair(one("a", check="a"), one("b"))}
WEIGHTS = {"www": weighted(a=1, b=3, z=0)}
ZEROS = {"www": weighted(a=0, b=0)}
LATENCY = {"www": [one(name, check=name, region=name) for name in ("ap-southeast-2", "eu-west-1", "us-west-2")]}
LEVELS = {
    "www": [to("east", region="us-east-1"), to("south", region="ap-southeast-2")],
    "east": weighted(a=10, b=20),
    "south": weighted(c=10, d=20),
}
"""The example of "How health checks work in complex Amazon Route 53 configurations"."""
DEEP = {
    "www": [to("east", region="us-east-1"), to("west", region="us-west-2", check="west")],
    "east": [to("blue", weight=1), to("green", weight=1)],
    "west": weighted(w=1),
    "blue": pair(one("blue1", check="blue1"), one("blue2", check="blue2")),
    "green": pair(to("chain"), one("green2", check="green2")),
    "chain": [to("end")],
    "end": [one("green1", check="green1")],
}
ALIASES = {"www": pair(to("first"), to("second")), "first": weighted(a=1, b=1), "second": weighted(c=1, z=0)}
BLIND = {
    "www": [to("east", region="us-east-1", evaluate=False), to("south", region="ap-southeast-2")],
    "east": weighted(a=1, b=1),
    "south": weighted(c=1),
}
MANY = {"www": [one(f"m{n}", check=f"m{n}", multivalue=True) for n in range(3)]}

TABLE = [
    # failover: the rows of docs/explanation/route53.md
    (CHECKED, "", "a"),
    (CHECKED, "b", "a"),
    (CHECKED, "a", "b"),
    (CHECKED, "a b", "a"),
    (UNCHECKED, "", "a"),
    (UNCHECKED, "a", "b"),
    ({"www": pair(one("a"), one("b", check="b"))}, "b", "a"),
    ({"www": pair(one("a"), one("b"))[:1]}, "", "a"),
    ({"www": pair(one("a", check="a"), one("b"))[:1]}, "a", "a"),
    ({"www": pair(one("a"), one("b", check="b"))[1:]}, "b", "b"),
    # weighted: zero only when all others are unhealthy, or all are zero
    (WEIGHTS, "", "a b"),
    (WEIGHTS, "a", "b"),
    (WEIGHTS, "z", "a b"),
    (WEIGHTS, "a b", "z"),
    (WEIGHTS, "a b z", "a b"),
    ({"www": [*weighted(a=1), one("z", weight=0)]}, "a", "z"),
    ({"www": [one("a", weight=1), one("z", weight=0)]}, "", "a"),
    (ZEROS, "", "a b"),
    (ZEROS, "a", "b"),
    (ZEROS, "a b", "a b"),
    # latency, asked from us-east-1: us-west-2 is nearest, then eu-west-1
    (LATENCY, "", "us-west-2"),
    (LATENCY, "us-west-2", "eu-west-1"),
    (LATENCY, "us-west-2 eu-west-1", "ap-southeast-2"),
    (LATENCY, "us-west-2 eu-west-1 ap-southeast-2", "us-west-2"),
    # multivalue: the healthy ones, or all
    (MANY, "", "m0 m1 m2"),
    (MANY, "m1", "m0 m2"),
    (MANY, "m0 m1 m2", "m0 m1 m2"),
    ({"www": [*MANY["www"], one("m3", multivalue=True)]}, "m0 m1 m2", "m3"),
    # simple records and aliases
    ({"www": [one("a")]}, "", "a"),
    ({"www": [to("x")], "x": [one("a")]}, "", "a"),
    ({"www": [to("x")], "x": [to("y")], "y": weighted(a=1, b=0)}, "a", "b"),
    ({"www": [to("x")], "x": MANY["www"]}, "m1", "m0 m2"),
    ({"www": [to("gone")]}, "", ""),
    ({"www": pair(to("gone"), one("b"))}, "", "b"),
    ({"www": pair(one("a", check="a"), to("gone", evaluate=False))}, "a", ""),
    # failover aliases: as healthy as one of their targets
    (ALIASES, "", "a b"),
    (ALIASES, "a", "b"),
    (ALIASES, "a b", "c"),
    (ALIASES, "a b c", "z"),
    (ALIASES, "a b c z", "a b"),
    ({**ALIASES, "www": pair(to("first", check="x"), to("second"))}, "x", "c"),
    ({**ALIASES, "www": pair(to("first", check="x"), to("second"))}, "x a c z", "b"),
    ({**ALIASES, "www": pair(to("first", check="x", evaluate=False), to("second"))}, "a b", "a b"),
    ({**ALIASES, "www": pair(to("first"), to("second", evaluate=False))}, "a b c z", "c"),
    # the documentation's trees
    (LEVELS, "", "a b"),
    (LEVELS, "a", "b"),
    (LEVELS, "a b", "c d"),
    (LEVELS, "a b c", "d"),
    (LEVELS, "a b c d", "a b"),
    ({**LEVELS, "east": [*weighted(a=10), one("b", weight=20)]}, "a", "b"),
    (BLIND, "a b", "a b"),
    (BLIND, "a", "b"),
    (DEEP, "", "blue1 green1"),
    (DEEP, "blue1", "blue2 green1"),
    (DEEP, "blue1 green1", "blue2 green2"),
    (DEEP, "blue1 blue2", "green1"),
    (DEEP, "blue1 blue2 green1 green2", "w"),
    (DEEP, "blue1 blue2 green1 green2 west", "blue1 green1"),
    # what the local cloud does not know, where it does not matter
    ({"www": pair(one("a", check="a"), to("elb", zone="Z2"))}, "", "a"),
    ({"www": pair(to("elb", zone="Z2", check="x"), one("b", check="b"))}, "x", "b"),
    ({"www": pair(to("x"), one("b")), "x": [*weighted(a=1), to("elb", zone="Z2", weight=0)]}, "", "a"),
    ({"www": pair(to("x"), one("b")), "x": [one("a", check="a", unemulated="GeoLocation")]}, "a", "b"),
]  # fmt: skip


@pytest.mark.parametrize(("names", "down", "expected"), TABLE)
def test_the_truth_table(names: Names, down: str, expected: str) -> None:
    """What may be answered while these health checks are unhealthy, in whichever order the records come."""
    assert answers(names, down.split()) == expected
    reverse = {name: records[::-1] for name, records in names.items()}
    assert answers(reverse, down.split()) == expected


@pytest.mark.parametrize(
    ("names", "down"),
    [
        ({"www": [one("a", unemulated="GeoLocation")]}, ""),
        ({"www": [one("a", check="a", unemulated="GeoLocation")]}, "a"),
        ({"www": [to("x")], "x": [one("a", unemulated="CidrRoutingConfig")]}, ""),
        ({"www": pair(to("x"), one("b")), "x": [one("a", unemulated="GeoLocation")]}, ""),
        ({"www": [to("elb", zone="Z2", evaluate=False)]}, ""),
        ({"www": pair(to("elb", zone="Z2"), one("b"))}, ""),
        ({"www": pair(one("a", check="a"), to("elb", zone="Z2"))}, "a"),
        ({"www": pair(to("x"), one("b")), "x": [*weighted(a=1), to("elb", zone="Z2", weight=0)]}, "a"),
        ({"www": [to("x")], "x": [to("www")]}, ""),
        ({"www": [to("x", evaluate=False)], "x": [to("www", evaluate=False)]}, ""),
        ({"www": pair(to("www"), one("b"))}, ""),
        ({"www": [one("a", region="nowhere-1")]}, ""),
    ],
)
def test_where_the_answer_is_not_known_there_is_none(names: Names, down: str) -> None:
    """Geolocation and its like, AWS resources, circles, Regions without a place: never somebody else's address."""
    with pytest.raises(UnemulatedError):
        choose(names["www"], routes_of(names, down.split()))


def test_weights_are_proportions() -> None:
    """Of 20,000 seeded answers each record has its share; without an unhealthy one the others share its part."""
    names = {"www": weighted(a=1, b=2, c=5, z=0)}
    for down, weights in (((), {"a": 1, "b": 2, "c": 5}), (("c",), {"a": 1, "b": 2})):
        routes = routes_of(names, down, seed=7)
        seen = Counter(choose(names["www"], routes)[0].set_identifier for _ in range(20_000))
        assert seen.keys() == weights.keys()
        for name, weight in weights.items():
            assert seen[name] / 20_000 == pytest.approx(weight / sum(weights.values()), abs=0.015)


def test_at_most_eight_values_of_many_and_each_in_its_turn() -> None:
    """Eight healthy multivalue records at a time, other ones for other queries; unhealthy ones only when all are."""
    names = {"www": [one(f"m{n:02}", check=f"m{n:02}", multivalue=True) for n in range(20)]}
    routes = routes_of(names, ["m00", "m01"])
    chosen = [[record.set_identifier for record in choose(names["www"], routes)] for _ in range(200)]
    assert {len(set(one)) for one in chosen} == {MOST_VALUES}
    assert set(chain.from_iterable(chosen)) == {f"m{n:02}" for n in range(2, 20)}


@pytest.mark.parametrize(("aliases", "known"), [(DEEPEST, True), (DEEPEST + 1, False)])
@pytest.mark.parametrize("evaluate", [False, True])
def test_aliases_lead_to_aliases_so_far_and_no_further(aliases: int, known: bool, evaluate: bool) -> None:
    """A chain has an end that does not depend on where it is entered."""
    names = {f"n{n}": [to(f"n{n + 1}", evaluate=evaluate)] for n in range(aliases)} | {f"n{aliases}": [one("a")]}
    routes = routes_of(names, ())
    assert choose(names["n1"], routes)[0].set_identifier == "a"
    if known:
        assert choose(names["n0"], routes)[0].set_identifier == "a"
    else:
        with pytest.raises(UnemulatedError):
            choose(names["n0"], routes)


@pytest.mark.parametrize(
    ("region", "nearest"),
    [("eu-west-1", "eu-west-1"), ("ap-southeast-4", "ap-southeast-2"), ("ca-west-1", "us-west-2")],
)
def test_a_latency_record_is_chosen_by_the_asking_vpcs_region(region: str, nearest: str) -> None:
    """The Region's own record, else the one that is closest in distance."""
    assert answers(LATENCY, region=region) == nearest


def test_every_region_has_a_place() -> None:
    """Distances are known for whatever Region a latency record names, and are as on a globe."""
    model = get_session().get_service_model("route53")
    assert set(model.shape_for("ResourceRecordSetRegion").enum) <= PLACES.keys()
    assert distance("us-east-1", "us-east-1") == 0
    assert distance("eu-west-1", "us-east-1") * 6371 == pytest.approx(5470, rel=0.03)  # km, Dublin to Washington
    assert distance("us-gov-east-1", "us-east-2") == pytest.approx(0, abs=1e-6)


POLICIES = st.sampled_from(
    [{}, {"failover": "PRIMARY"}, {"failover": "SECONDARY"}, {"weight": 0}, {"weight": 5}, {"region": "eu-west-1"}]
)
ANY_RECORD = st.builds(
    lambda target, check, evaluate, policy: (
        one("x", check=check, **policy) if target is None else to(target, check=check, evaluate=evaluate, **policy)
    ),
    st.sampled_from(["n0", "n1", "n2", "gone", None]),
    st.sampled_from(["a", "b", None]),
    st.booleans(),
    POLICIES,
)


@given(
    st.fixed_dictionaries({f"n{n}": st.lists(ANY_RECORD, max_size=4, unique=True) for n in range(3)}),
    st.sets(st.sampled_from("ab")),
)
def test_every_tree_has_one_record_or_a_reason(names: Names, down: set[str]) -> None:
    """Whatever the shape and the health, circles and missing targets included: one record, or why there is none."""
    routes = routes_of(names, down)
    for records in names.values():
        try:
            chosen = choose(records, routes)
        except UnemulatedError:
            assert any(record.alias for record in records)
        else:
            assert len(chosen) <= 1
            assert all(record.alias is None for record in chosen)
            if records and all(record.alias is None for record in records):
                assert chosen
