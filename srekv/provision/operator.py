"""Which address the operator's requests come from, as the target sees it."""

from __future__ import annotations

import ipaddress
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from srekv.config import Config
from srekv.errors import SrekvError

ECHO_URL = "https://checkip.amazonaws.com"
"""Answers with the address that it sees the request come from."""


def operator_cidrs(config: Config, endpoint: str | None) -> tuple[str, ...]:
    """The operator's CIDR blocks: those given, else this machine's own address.

    Args:
        config: allow_cidrs wins.
        endpoint: the URL that boto3 was told to use in place of AWS's, or None. Seen from such an endpoint the operator
            is the address that this machine reaches it from; seen from AWS it is the public address.

    Raises:
        SrekvError: the address cannot be learned.
    """
    if config.allow_cidrs:
        # As EC2 writes them: it takes neither an address without its /32 nor a netmask.
        return tuple(str(ipaddress.ip_network(cidr)) for cidr in config.allow_cidrs)
    try:
        address = _address_towards(endpoint) if endpoint else _public_address()
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise SrekvError(
            "cannot learn this machine's public address",
            why=f"no route to {endpoint}: {error}" if endpoint else f"{ECHO_URL}: {error}",
            next_step="give it with --allow-cidr, e.g. 203.0.113.7/32",
        ) from error
    return (f"{address}/32",)


def _address_towards(endpoint: str) -> str:
    """The local address of a route to the endpoint; a UDP socket's connect sends nothing."""
    parts = urlsplit(endpoint)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((parts.hostname or "", parts.port or 443))
        return str(probe.getsockname()[0])


def _public_address() -> str:
    with urllib.request.urlopen(ECHO_URL, timeout=5) as answer:
        return str(ipaddress.IPv4Address(answer.read(64).decode("ascii", "replace").strip()))
