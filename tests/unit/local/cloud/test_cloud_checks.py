"""Route 53's rules for health check configurations (aws-recorded section 3)."""

from __future__ import annotations

from typing import Any

import pytest

from srekv.local.overlay.checks import config_problem, normalise

BASE = {"Type": "HTTP", "IPAddress": "127.53.0.130", "Port": 8080, "ResourcePath": "/health", "RequestInterval": 10}

REFUSED = {
    "R34 private": ({"IPAddress": "10.0.0.10"}, "IPv4 address 10.0.0.10 is forbidden."),
    "R34 documentation": ({"IPAddress": "203.0.113.10"}, "IPv4 address 203.0.113.10 is forbidden."),
    "R34 another cloud's loopback": ({"IPAddress": "127.53.1.130"}, "IPv4 address 127.53.1.130 is forbidden."),
    "R34 shared": ({"IPAddress": "100.64.0.1"}, "IPv4 address 100.64.0.1 is forbidden."),
    "R35 interval": ({"RequestInterval": 20}, "Value '20' is not facet-valid"),
    "R36 nothing to check": ({"IPAddress": None}, "can not be both empty"),
    "R37 TCP path": ({"Type": "TCP"}, "TCP health checks must not have a resource path specified."),
    "R38 SNI": ({"EnableSNI": True}, "Health checks with HTTP type must not enable SNI support."),
    "R38 search": ({"Type": "HTTP_STR_MATCH"}, "String match health checks must have a search string specified."),
    "threshold": ({"FailureThreshold": 11}, "less than or equal to 10"),
    "port": ({"Port": 0}, "greater than or equal to 1"),
}


@pytest.mark.parametrize(("changes", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_a_configuration_that_aws_refuses_is_refused(changes: dict[str, Any], text: str) -> None:
    """In the row's words."""
    problem = config_problem(normalise({**BASE, **changes}), own_network="127.53.0.0/24")
    assert problem
    assert text in problem


@pytest.mark.parametrize("address", ["127.53.0.254", "8.8.8.8"])
def test_public_and_own_addresses_are_accepted(address: str) -> None:
    """This cloud's own loopback addresses are its public ones."""
    assert config_problem(normalise({**BASE, "IPAddress": address}), own_network="127.53.0.0/24") is None


def test_defaults_are_filled_in() -> None:
    """Row R43, and a path gets its slash."""
    config = normalise({"Type": "HTTP", "IPAddress": "8.8.8.8", "ResourcePath": "health"})
    expected = {"RequestInterval": 30, "FailureThreshold": 3, "Port": 80, "ResourcePath": "/health", "Inverted": False}
    assert {name: config[name] for name in expected} == expected
