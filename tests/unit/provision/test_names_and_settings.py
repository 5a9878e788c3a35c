"""Names, stored settings, and the rules that decide without asking anybody."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.config import Config
from srekv.errors import SrekvError
from srekv.provision.model import Observation
from srekv.provision.naming import NODES, Names, tag_map
from srekv.provision.ready import Streaks
from srekv.provision.steps.firewall import operator_cidrs
from srekv.provision.steps.network import is_arm
from srekv.provision.steps.settings import as_tags, settings_of

STACKS = st.from_regex(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,19}", fullmatch=True)
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def _all_names(names: Names) -> set[str]:
    return {
        *(names.role, names.table, names.security_group, names.key_pair, names.dashboard),
        *(names.instance(node) for node in NODES),
        *(names.check(node) for node in NODES),
        *(names.alarm(subject) for subject in ("az1-unhealthy", "az2-unhealthy", "table-throttled")),
        *(names.reference_prefix(what) for what in (*NODES, "zone")),
    }


def test_the_default_stack_has_the_labs_names() -> None:
    """The names that the lab prescribes."""
    names = Names("srekv")
    assert (names.role, names.table) == ("EC2_DynamoDB_Access", "SREKeyValue")
    assert [names.check(node) for node in NODES] == ["hc-az1", "hc-az2"]


@given(STACKS, STACKS)
def test_two_stacks_share_no_name(one: str, other: str) -> None:
    """Two stack names never lead to one resource name, and no reference of one begins like the other's."""
    if one == other:
        return
    assert not _all_names(Names(one)) & _all_names(Names(other))
    assert not Names(one).reference_prefix("zone").startswith(Names(other).reference_prefix("zone"))


@given(STACKS)
def test_names_fit(stack: str) -> None:
    """Every name keeps to AWS's limits: roles 64, security groups not sg-, references 64, dashboards' alphabet."""
    names = Names(stack)
    assert len(names.role) <= 64
    assert not names.security_group.startswith("sg-")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", names.dashboard)
    assert re.fullmatch(r"[A-Za-z0-9_.-]{3,255}", names.table)


CONFIGS = st.builds(
    Config,
    interval=st.sampled_from([10, 30]),
    threshold=st.integers(1, 10),
    ttl=st.integers(0, 100_000),
    port=st.integers(1, 65535),
    os=st.sampled_from(["al2023", "al2"]),
    unsupported=st.booleans(),
    alarms=st.booleans(),
    deletion_protection=st.booleans(),
    zone=st.sampled_from(["example.internal", "a.b.local"]),
    allow_cidrs=st.lists(st.ip_addresses(v=4).map(lambda ip: f"{ip}/32"), max_size=5, unique=True).map(tuple),
)


@given(CONFIGS)
def test_settings_survive_a_trip_through_tags(config: Config) -> None:
    """What is stored is what is read, within what IAM accepts as a tag."""
    tags = as_tags(config)
    read = settings_of({"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]})
    for name, value in read.items():
        assert getattr(config, name) == value
    assert {"interval", "threshold", "ttl", "port", "zone", "alarms", "deletion_protection"} <= set(read)
    for key, value in tags.items():
        assert re.fullmatch(r"[\w .:/=+@-]{1,128}", key)
        assert re.fullmatch(r"[\w .:/=+@-]{0,256}", value)


def test_no_role_no_settings() -> None:
    """Without a role, and without tags, nothing is stored; a spoilt number is an error with the tag's name."""
    assert settings_of(None) == settings_of({}) == {}
    with pytest.raises(SrekvError, match="srekv:ttl=soon"):
        settings_of({"Tags": [{"Key": "srekv:ttl", "Value": "soon"}]})


def test_tags() -> None:
    """A stack's resources carry its tag, their Name, and more as srekv:KEY."""
    assert tag_map(Names("two").tags("x", node="az1")) == {"srekv:stack": "two", "Name": "x", "srekv:node": "az1"}
    assert tag_map(None) == {}


def _reports(good: int, bad: int, age_s: float = 0) -> list[Observation]:
    at = NOW - timedelta(seconds=age_s)
    return [
        Observation(checker=str(number), region="r", healthy=number < good, status="", at=at)
        for number in range(good + bad)
    ]


@pytest.mark.parametrize(
    ("observations", "proof"),
    [
        ([], False),
        (_reports(0, 16), False),
        (_reports(2, 14), False),
        (_reports(3, 13), True),
        (_reports(16, 0), True),
        (_reports(16, 0, age_s=60), False),
        (_reports(3, 0) + _reports(13, 0, age_s=60), True),
        (_reports(2, 0) + _reports(14, 0, age_s=60), False),
        (_reports(1, 0), True),
    ],
)
def test_enough(observations: list[Observation], proof: bool) -> None:
    """More than 18 % of the checkers that report, with reports newer than the command; nothing proves nothing."""
    streaks = Streaks(threshold=3, since=NOW.timestamp() - 1, doubtful=False)
    streaks.feed(observations)
    assert streaks.sure is proof


def _rounds(*healthy: bool) -> list[list[Observation]]:
    """Sixteen checkers that say the same, round after round, ten seconds apart."""
    return [
        [
            Observation(checker=str(number), region="r", healthy=one, status="", at=NOW + timedelta(seconds=10 * turn))
            for number in range(16)
        ]
        for turn, one in enumerate(healthy)
    ]


@pytest.mark.parametrize(
    ("rounds", "doubtful", "proof"),
    [
        (_rounds(True), True, False),
        (_rounds(True, True), True, False),
        (_rounds(True, True, True), True, True),
        (_rounds(True, True, False, True, True), True, False),
        (_rounds(False, False, True), False, True),
        (_rounds(False, False, False, True), False, False),
        (_rounds(False, False, False, True, True, True), False, True),
        ([*_rounds(True), *_rounds(True), *_rounds(True)], True, False),
    ],
)
def test_a_check_that_was_down_must_come_round(rounds: list[list[Observation]], doubtful: bool, proof: bool) -> None:
    """Threshold passes in a row, where checkers may hold the node for down: one pass may follow many failures."""
    streaks = Streaks(threshold=3, since=NOW.timestamp() - 1, doubtful=doubtful)
    for one in rounds:
        streaks.feed(one)
    assert streaks.sure is proof


@pytest.mark.parametrize(
    ("instance_type", "arm"),
    [
        ("a1.medium", True),
        ("t4g.micro", True),
        ("c7gn.large", True),
        ("t2.micro", False),
        ("g5.xlarge", False),
        ("m6id.large", False),
    ],
)
def test_processor_of_a_type(instance_type: str, arm: bool) -> None:
    """The "g" after the generation means Graviton; a "g" before it is a graphics card."""
    assert is_arm(instance_type) is arm


@pytest.mark.parametrize(
    ("config", "endpoint", "cidrs"),
    [
        (Config(allow_cidrs=("10.0.0.0/8",)), None, ("10.0.0.0/8",)),
        (Config(allow_cidrs=("10.0.0.0/8",)), "http://127.0.0.1:1", ("10.0.0.0/8",)),
        (Config(), "http://127.0.0.1:1", ("127.0.0.1/32",)),
    ],
)
def test_the_operators_address(config: Config, endpoint: str | None, cidrs: Any) -> None:
    """Given blocks win; towards an endpoint of one's own it is the address that reaches it."""
    assert operator_cidrs(config, endpoint) == cidrs


def test_an_unknown_address_is_an_error() -> None:
    """Where it cannot be learned, the option that gives it is named."""
    with pytest.raises(SrekvError, match="public address") as caught:
        operator_cidrs(Config(), "http://[::1]:1")
    assert "--allow-cidr" in caught.value.next_step
