"""Security groups and network ACLs, against the plainest evaluation there is: one packet after another."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.doctor.facts import AclEntry, Checkers, GroupRule
from srekv.doctor.reach import EPHEMERAL, inwards, open_ports, outwards, through_groups
from srekv.provision.steps.firewall import RANGES

SMALL = "198.51.100.0/28"
"""So few addresses that each of them can be tried."""

BLOCKS = st.sampled_from(
    ["0.0.0.0/0", "198.51.100.0/24", "198.51.100.0/29", "198.51.100.8/29", "198.51.100.4/30", "198.51.100.5/32"]
)


def _entry(
    number: int, verb: str, cidr: str = "0.0.0.0/0", *, ports: tuple[int, int] = (0, 65535), **more: object
) -> AclEntry:
    values: dict[str, object] = {"egress": False, "protocol": "6", **more}
    return AclEntry(number=number, allows=verb == "allow", cidr=cidr, low=ports[0], high=ports[1], **values)  # type: ignore[arg-type]


def _passes(entries: Sequence[AclEntry], address: ipaddress.IPv4Address, port: int) -> bool:
    """What AWS does with one packet: the lowest number that matches decides, nothing matches: denied."""
    for entry in sorted(entries, key=lambda one: one.number):
        matches = address in ipaddress.ip_network(entry.cidr) and entry.low <= port <= entry.high
        if matches and entry.protocol in {"-1", "6"}:
            return entry.allows
    return False


ENTRIES = st.lists(
    st.builds(
        _entry,
        number=st.integers(1, 40),
        verb=st.sampled_from(["allow", "deny"]),
        cidr=BLOCKS,
        ports=st.tuples(st.integers(70, 90), st.integers(70, 90)).map(lambda pair: (min(pair), max(pair))),
        protocol=st.sampled_from(["-1", "6", "17"]),
    ),
    max_size=8,
    unique_by=lambda one: one.number,
)


@given(entries=ENTRIES, port=st.integers(70, 90))
def test_an_acl_passes_what_single_packets_pass(entries: list[AclEntry], port: int) -> None:
    """The share of a range that gets in is the share of its addresses whose packet gets in."""
    addresses = list(ipaddress.ip_network(SMALL))
    passed = sum(_passes(entries, address, port) for address in addresses)
    passage = inwards(entries, [SMALL], port)
    assert passage.share == passed / len(addresses)
    if passage.stopped_by is not None:
        assert not passage.stopped_by.allows
        assert passage.share < 1


@given(entries=ENTRIES)
def test_answers_need_every_ephemeral_port(entries: list[AclEntry]) -> None:
    """Whatever is said about other ports, answers get out as far as the ephemeral ports are allowed."""
    out = [
        _entry(one.number, "allow" if one.allows else "deny", one.cidr, ports=(one.low, one.high), egress=True)
        for one in entries
    ]
    assert outwards(out, [SMALL]).share == 0.0
    assert outwards([*out, _entry(50, "allow", ports=EPHEMERAL, egress=True)], [SMALL]).share == 1.0
    half = outwards([_entry(1, "allow", ports=(33280, 65535), egress=True)], [SMALL]).share
    assert half == (65536 - 33280) / (65536 - 1024)


@pytest.mark.parametrize(
    ("entries", "share", "number"),
    [
        ([_entry(100, "allow", protocol="-1"), _entry(32767, "deny", protocol="-1")], 1.0, None),
        ([_entry(90, "deny", ports=(80, 80)), _entry(100, "allow")], 0.0, 90),
        ([_entry(100, "allow"), _entry(110, "deny", ports=(80, 80))], 1.0, None),
        ([_entry(90, "deny", "54.0.0.0/8"), _entry(100, "allow")], None, 90),
        ([_entry(100, "allow", ports=(443, 443))], 0.0, None),
        ([_entry(100, "allow", protocol="17")], 0.0, None),
        ([], 0.0, None),
    ],
)
def test_first_match_wins(entries: list[AclEntry], share: float | None, number: int | None) -> None:
    """The rule with the lowest number decides, and the one that stops the checkers is named."""
    passage = inwards(entries, RANGES, 80)
    assert (0 < passage.share < 1) if share is None else passage.share == share
    assert (passage.stopped_by.number if passage.stopped_by else None) == number


def _rule(*cidrs: str, port: int = 80, protocol: str = "tcp", lists: tuple[str, ...] = ()) -> GroupRule:
    return GroupRule(protocol=protocol, low=port, high=port, cidrs=cidrs, prefix_lists=lists)


@pytest.mark.parametrize(
    ("rules", "share"),
    [
        ([_rule(*RANGES)], 1.0),
        ([_rule("0.0.0.0/0")], 1.0),
        ([_rule("0.0.0.0/1"), _rule("128.0.0.0/1")], 1.0),
        ([_rule(lists=("pl-1",))], 1.0),
        ([_rule(lists=("pl-2",))], 0.0),
        ([_rule("0.0.0.0/0", port=443)], 0.0),
        ([_rule("0.0.0.0/0", protocol="udp")], 0.0),
        ([_rule("0.0.0.0/0", port=-1, protocol="-1")], 1.0),
        ([_rule("203.0.113.7/32")], 0.0),
        ([_rule("::/0")], 0.0),
        ([], 0.0),
    ],
)
def test_a_group_admits_the_checkers(rules: list[GroupRule], share: float) -> None:
    """By the checkers' prefix list or by blocks that cover their ranges together, on the port of the check."""
    assert through_groups(rules, Checkers(prefix_lists=("pl-1",), ranges=RANGES), 80).share == share


@given(st.lists(BLOCKS, max_size=4))
def test_a_group_admits_what_single_addresses_are_admitted(cidrs: list[str]) -> None:
    """Overlapping blocks count once."""
    addresses = list(ipaddress.ip_network(SMALL))
    admitted = sum(any(address in ipaddress.ip_network(cidr) for cidr in cidrs) for address in addresses)
    share = through_groups([_rule(*cidrs)], Checkers(prefix_lists=(), ranges=(SMALL,)), 80).share
    assert share == admitted / len(addresses)


def test_the_ports_that_are_open_are_named() -> None:
    """Ports that only somebody else may use are not."""
    checkers = Checkers(prefix_lists=(), ranges=RANGES)
    assert open_ports([_rule("0.0.0.0/0", port=443), _rule("10.0.0.0/8", port=22)], checkers) == ("443",)
