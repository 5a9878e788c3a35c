"""The rules as a table, and the moments that they last."""

from __future__ import annotations

import re

import pytest

from srekv.conformance.groups import Entry, entries
from srekv.conformance.launches import vcpus
from srekv.conformance.layer import Account, enforced_rules
from srekv.conformance.model import RULES, Call, Conditions, EventuallyVisible, named_ids


def test_every_rule_can_be_looked_up() -> None:
    """Ids are kebab-case; each rule names its rows and its source, and is one sentence."""
    assert set(enforced_rules()) <= RULES.keys()
    for rule in RULES.values():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id), rule
        assert rule.rows, rule
        assert rule.source, rule
        assert rule.says.endswith("."), rule


def test_an_account_holds_to_the_rules_that_it_is_given() -> None:
    """All of them, some by id, or none."""
    assert Account().rule_set.ids == enforced_rules()
    assert Account(rules={"dry-run"}).rule_set.ids == ("dry-run",)
    assert Account(rules=()).rule_set.ids == ()


def test_a_seed_decides_for_good() -> None:
    """The same seed, rule and key give the same number within the bounds; other seeds give others too."""
    numbers = [Conditions(seed=seed).between("some-rule", "key", 0, 3) for seed in range(40)]
    assert numbers == [Conditions(seed=seed).between("some-rule", "key", 0, 3) for seed in range(40)]
    assert set(numbers) == {0, 1, 2, 3}


def test_a_moment_is_counted_in_looks() -> None:
    """It lasts for so many looks, ends by itself or at once; asking whether it lasts is no look."""
    moments = EventuallyVisible()
    moments.start("a", 2)
    moments.start("b", 1)
    moments.start("none", 0)
    assert moments.lasts("a")
    assert [moments.poll("a") for _ in range(3)] == [True, True, False]
    assert not moments.lasts("a")
    moments.end("b")
    moments.end("never began")
    assert not moments.poll("b")
    assert not moments.poll("none")


def test_ids_are_found_however_deep() -> None:
    """In lists and members, but not in filters, which answer with nothing, nor in what a user has written."""
    params = {
        "InstanceId": "i-1",
        "Resources": ["vol-1", "i-2"],
        "Nested": [{"Deep": {"Id": "i-3"}}],
        "Filters": [{"Name": "instance-id", "Values": ["i-4"]}],
        "Tags": [{"Key": "k", "Value": "i-5"}],
        "MaxResults": 5,
    }
    assert list(named_ids(params, "i-")) == ["i-1", "i-2", "i-3"]


@pytest.mark.parametrize(
    ("kind", "count"),
    [("t2.micro", 1), ("t3.micro", 2), ("m5.large", 2), ("c5.xlarge", 4), ("c5.4xlarge", 16), ("c5.metal", 2)],
)
def test_vcpus_follow_the_size(kind: str, count: int) -> None:
    """As EC2's sizes are named."""
    assert vcpus(kind) == count


def test_a_call_adds_one_rule_for_each_peer() -> None:
    """Every kind of peer is one rule; a network is kept without its host bits; all protocols have no ports."""
    web = {
        "IpProtocol": "TCP",
        "FromPort": 80,
        "ToPort": 80,
        "IpRanges": [{"CidrIp": "10.0.0.5/16"}],
        "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
        "PrefixListIds": [{"PrefixListId": "pl-1"}],
        "UserIdGroupPairs": [{"GroupId": "sg-2"}],
    }
    params = {"GroupId": "sg-1", "IpPermissions": [web, {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}
    call = Call("ec2", "AuthorizeSecurityGroupEgress", "us-east-1", params, None)
    assert list(entries(call)) == [
        *(Entry(egress=True, protocol="tcp", first=80, last=80, peer=peer) for peer in _PEERS),
        Entry(egress=True, protocol="-1", first=-1, last=-1, peer="0.0.0.0/0"),
    ]
    assert list(entries(Call("ec2", "CreateSecurityGroup", "us-east-1", params, None))) == []


_PEERS = ("10.0.0.0/16", "::/0", "pl-1", "sg-2")
