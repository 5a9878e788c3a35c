"""Settings: what is given wins over what the stack was made with, that over the default; keys; nothing half stored."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from srekv.errors import SrekvError, UsageError


def _ttls(world: Any) -> set[int]:
    return {record["TTL"] for record in world.listing()["records"] if "Failover" in record}


def _rules(world: Any) -> set[tuple[int, str]]:
    """The inbound rules of the stack's group: port and CIDR."""
    return {
        (rule["FromPort"], rule["CidrIpv4"])
        for rule in world.listing()["security group rules"]
        if not rule["IsEgress"] and "CidrIpv4" in rule
    }


def test_given_over_stored_over_default(world: Any) -> None:
    """--ttl 60 stays through a plain `up`, a new value replaces it, and an untouched setting keeps its default."""
    world.up(ttl=60, threshold=2)
    assert world.up().done == {}
    assert _ttls(world) == {60}
    assert {check["HealthCheckConfig"]["FailureThreshold"] for check in world.listing()["checks"]} == {2}

    assert world.up(ttl=5).repairs == [
        ("record", "change", "PRIMARY TTL 60 -> 5; SECONDARY TTL 60 -> 5"),
        ("role", "change", "srekv:ttl 60 -> 5"),
    ]
    assert world.up().done == {}
    assert _ttls(world) == {5}


@pytest.mark.parametrize(
    "given",
    [
        {"interval": 30},
        {"port": 8080},
        {"zone": "example.internal", "record": "kv"},
        {"instance_type": "t3.small"},
        {"alarms": True},
        {"deletion_protection": True},
        {"allow_cidrs": ("198.51.100.0/24", "203.0.113.7/32")},
        {"os": "al2", "unsupported": True},
    ],
    ids="-".join,
)
def test_every_setting_is_remembered(world: Any, given: dict[str, Any]) -> None:
    """A plain `up` after one with that setting finds nothing to do."""
    world.up(**given)
    assert world.up().done == {}
    opened, _ = world.stack()
    assert {name: getattr(opened.run.config, name) for name in given} == given


def test_what_was_accepted_goes_with_what_it_was_for(world: Any) -> None:
    """With another operating system the tag is removed: Amazon Linux 2 has to be accepted again."""
    world.up(os="al2", unsupported=True)
    assert ("role", "change", "srekv:unsupported true removed") in world.up(os="al2023").repairs
    opened, _ = world.stack(os="al2")
    assert not opened.run.config.unsupported


def test_a_flag_can_be_taken_back(world: Any) -> None:
    """Deletion protection keeps `down` from the table, before anything else is touched, until it is switched off."""
    world.up(deletion_protection=True)
    before = world.listing()
    with pytest.raises(SrekvError, match="protected") as caught:
        world.down()
    assert "--no-deletion-protection" in str(caught.value.next_step)
    assert world.calls.mutating == []
    assert world.listing() == before
    world.up(deletion_protection=False)
    assert world.down()[0] == ()


def test_a_refused_setting_is_not_stored(world: Any) -> None:
    """A key pair that is not there is refused, and the next plain `up` does not ask for it."""
    world.up()
    with pytest.raises(UsageError, match="no key pair nobody"):
        world.up(key_name="nobody")
    assert world.calls.mutating == []
    assert world.up().done == {}


def test_a_setting_tag_spoilt_by_hand(world: Any) -> None:
    """A stored setting that is no number is an error that names the tag."""
    world.up()
    world.by_hand("iam").tag_role(RoleName="EC2_DynamoDB_Access", Tags=[{"Key": "srekv:ttl", "Value": "soon"}])
    with pytest.raises(SrekvError, match="srekv:ttl=soon"):
        world.up()


def test_impossible_settings_are_refused_before_the_first_call(world: Any) -> None:
    """UsageError, and nobody was asked anything."""
    with pytest.raises(UsageError):
        world.up(interval=20)
    assert world.calls.log == []


def test_no_key_no_ssh(world: Any) -> None:
    """Port 22 is opened for an operator who named a key pair, and only then."""
    world.by_hand("ec2").create_key_pair(KeyName="mine")
    world.up(allow_cidrs=("198.51.100.0/24",))
    assert not [rule for rule in _rules(world) if rule[0] == 22]
    world.down()
    world.up(allow_cidrs=("198.51.100.0/24",), key_name="mine")
    assert [rule for rule in _rules(world) if rule[0] == 22] == [(22, "198.51.100.0/24")]
    assert {one["KeyName"] for one in world.listing()["instances"]} == {"mine"}
    world.down()
    assert [pair["KeyName"] for pair in world.listing()["key pairs"]] == ["mine"]


def test_create_key(world: Any, tmp_path: Path) -> None:
    """The private key is written once, for its owner only; a second `up`, with or without the option, leaves it."""
    file = tmp_path / "key.pem"
    world.up(create_key=str(file))
    text = file.read_text()
    assert "PRIVATE KEY" in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {one["KeyName"] for one in world.listing()["instances"]} == {"srekv-key"}

    assert world.up(create_key=str(file)).done == {}
    assert world.up().done == {}
    assert file.read_text() == text

    world.down()
    assert world.listing()["key pairs"] == []
    assert file.read_text() == text


def test_create_key_overwrites_nothing(world: Any, tmp_path: Path) -> None:
    """An existing file is refused and kept; no key pair is made."""
    file = tmp_path / "key.pem"
    file.write_text("mine")
    with pytest.raises(UsageError, match="not overwritten"):
        world.up(create_key=str(file))
    assert file.read_text() == "mine"
    assert world.listing()["key pairs"] == []


def test_a_lost_private_key(world: Any, tmp_path: Path) -> None:
    """AWS gives a private key away once: where the file is gone or empty, `up` says how to make a new pair."""
    file = tmp_path / "key.pem"
    world.up(create_key=str(file))
    file.write_text("")
    with pytest.raises(SrekvError, match="does not hold its private key") as caught:
        world.up(create_key=str(file))
    assert "delete-key-pair" in str(caught.value.next_step)


def test_a_key_file_that_cannot_be_written(world: Any, tmp_path: Path) -> None:
    """An impossible path is an error with a reason, and no key pair stays behind."""
    with pytest.raises(SrekvError) as caught:
        world.up(create_key=str(tmp_path / "no" / "such" / "folder" / "key"))
    assert "No such file" in str(caught.value)
    assert world.listing()["key pairs"] == []
