"""What lets through: security groups and network ACLs the checkers, policies a node's role; each evaluated. Pure.

A security group is stateful: what it lets in may answer. A network ACL is not: its rules are asked in the order of
their numbers, the first that matches decides, and the answers to the checkers' ephemeral ports are asked again on
their way out (VPC User Guide, "Control subnet traffic with network access control lists").
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srekv.doctor.facts import AclEntry, Checkers, GroupRule, span

EPHEMERAL = (1024, 65535)
"""The ports that a checker may call from; AWS advises to open all of them for clients on the internet."""

TCP = frozenset({"tcp", "6"})
ANY = "-1"

Network = ipaddress.IPv4Network


@dataclass(frozen=True, kw_only=True)
class Passage:
    """How much of a traffic gets through, 0 to 1, and the first rule that stops some; None: no rule let it in."""

    share: float
    stopped_by: AclEntry | None = None


def through_groups(rules: Iterable[GroupRule], checkers: Checkers, port: int) -> Passage:
    """How much of the checkers' ranges the security groups' rules together let in to a port."""
    opened: list[str] = []
    for rule in rules:
        # protocol -1 opens all ports (aws-facts 3)
        if rule.protocol == ANY or (rule.protocol in TCP and rule.low <= port <= rule.high):
            if set(rule.prefix_lists) & set(checkers.prefix_lists):
                return Passage(share=1.0)
            opened += rule.cidrs
    ranges = _networks(checkers.ranges)
    return Passage(share=_size(_common(ranges, _networks(opened))) / _size(ranges))


def open_ports(rules: Iterable[GroupRule], checkers: Checkers) -> tuple[str, ...]:
    """The ports that the rules open to all of the checkers, for a person."""
    tcp = [rule for rule in rules if rule.protocol in TCP]
    opened = [rule for rule in tcp if through_groups([rule], checkers, rule.low).share == 1.0]
    return tuple(sorted({span(rule.low, rule.high) for rule in opened}))


def inwards(entries: Sequence[AclEntry], ranges: Sequence[str], port: int) -> Passage:
    """How much of these ranges a network ACL lets in to a TCP port."""
    return _through_acl([one for one in entries if not one.egress], ranges, (port, port))


def outwards(entries: Sequence[AclEntry], ranges: Sequence[str]) -> Passage:
    """How much of the answers to these ranges' ephemeral ports a network ACL lets out."""
    return _through_acl([one for one in entries if one.egress], ranges, EPHEMERAL)


def _through_acl(entries: Sequence[AclEntry], ranges: Sequence[str], ports: tuple[int, int]) -> Passage:
    ordered = sorted((one for one in entries if one.protocol in {ANY, "6"}), key=lambda one: one.number)
    networks = _networks(ranges)
    allowed, stopped_by = 0, None
    for low, high in _intervals(ordered, ports):
        passed, culprit = _first_match([one for one in ordered if one.low <= low and high <= one.high], networks)
        allowed += passed * (high - low + 1)
        stopped_by = stopped_by or culprit
    return Passage(share=allowed / (_size(networks) * (ports[1] - ports[0] + 1)), stopped_by=stopped_by)


def _intervals(entries: Sequence[AclEntry], ports: tuple[int, int]) -> list[tuple[int, int]]:
    """The ports cut where a rule begins or ends: within a piece each rule matches all ports or none."""
    low, high = ports
    starts = sorted({low} | {cut for one in entries for cut in (one.low, one.high + 1) if low < cut <= high})
    return [(start, end - 1) for start, end in zip(starts, [*starts[1:], high + 1], strict=True)]


def _first_match(entries: Sequence[AclEntry], networks: Sequence[Network]) -> tuple[int, AclEntry | None]:
    """How many addresses pass, and the first rule that stopped some; what no rule decides is denied."""
    undecided, passed, culprit = list(networks), 0, None
    for entry in entries:
        matching = _common(undecided, _networks([entry.cidr]))
        if not matching:
            continue
        if entry.allows:
            passed += _size(matching)
        else:
            culprit = culprit or entry
        undecided = _without(undecided, matching)
    return passed, culprit


def _networks(cidrs: Iterable[str]) -> list[Network]:
    """The IPv4 blocks among them, none in another."""
    blocks = [ipaddress.IPv4Network(cidr, strict=False) for cidr in cidrs if ":" not in cidr]
    return list(ipaddress.collapse_addresses(blocks))


def _size(networks: Iterable[Network]) -> int:
    return sum(one.num_addresses for one in networks)


def _common(some: Sequence[Network], others: Sequence[Network]) -> list[Network]:
    """The blocks that lie in both; of two overlapping CIDR blocks one contains the other."""
    pairs = [(one, other) for one in some for other in others if one.overlaps(other)]
    return [min(pair, key=lambda block: block.num_addresses) for pair in pairs]


def _without(networks: Iterable[Network], taken: Sequence[Network]) -> list[Network]:
    """What is left of the blocks; each taken block lies in one of them."""
    left = list(networks)
    for block in taken:
        home = next(one for one in left if one.supernet_of(block))
        left.remove(home)
        left += home.address_exclude(block)
    return left


def allows(documents: Iterable[Mapping[str, Any]], action: str, resource: str) -> bool:
    """One Allow and no Deny among all statements; actions are compared without regard to case.

    Conditions are not evaluated: an Allow with a condition does not count and a Deny with one does, the strict sides.
    """
    effects = [
        statement["Effect"]
        for document in documents
        for statement in listed(document.get("Statement"))
        if _matches(statement, "Action", action.lower(), lower=True)
        and _matches(statement, "Resource", resource)
        and (statement.get("Effect") == "Deny" or not statement.get("Condition"))
    ]
    return "Allow" in effects and "Deny" not in effects


def _matches(statement: Mapping[str, Any], member: str, value: str, *, lower: bool = False) -> bool:
    """Whether a member, or its Not..., matches; IAM's wildcards are * and ?, it knows no [sets]."""
    named = listed(statement.get(member, statement.get(f"Not{member}")))
    patterns = [str(one).replace("[", "[[]") for one in named]
    hit = any(fnmatch.fnmatchcase(value, one.lower() if lower else one) for one in patterns)
    return hit is (member in statement)


def listed(value: Any) -> list[Any]:
    """A policy's value or list of values as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
