"""Route 53's rules for health check configurations, as pure functions over the API's own structures."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from srekv.local.overlay.errors import broken_constraint, not_in_enumeration

INTERVALS = (10, 30)


def normalise(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with Route 53's defaults (aws-recorded R43) and a path with a leading slash (aws-facts 1.1)."""
    kept = {name: value for name, value in config.items() if value not in (None, "", [])}
    defaults = {"Disabled": False, "Inverted": False, "EnableSNI": False}
    if kept.get("Type") != "CALCULATED":
        port = 443 if "HTTPS" in str(kept.get("Type")) else 80
        numbers = {"RequestInterval": 30, "FailureThreshold": 3, "Port": port}
        kept |= {name: int(kept.get(name, usual)) for name, usual in numbers.items()}
        defaults["MeasureLatency"] = False
    if "ResourcePath" in kept:
        kept["ResourcePath"] = "/" + str(kept["ResourcePath"]).removeprefix("/")
    return {**defaults, **kept}


def config_problem(config: Mapping[str, Any], *, own_network: str) -> str | None:
    """Why Route 53 answers InvalidInput to a normalised configuration (aws-recorded R34 to R38), or None.

    `own_network` has this cloud's own addresses in CIDR notation, which are public as far as this cloud goes.
    """
    is_called = config["Type"] not in ("CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL")
    return next(_problems(config, own_network), None) if is_called else None


def _problems(config: Mapping[str, Any], own_network: str) -> Iterator[str]:
    if config["RequestInterval"] not in INTERVALS:
        yield not_in_enumeration(config["RequestInterval"], INTERVALS)
    for member, place, most in (("FailureThreshold", "failureThreshold", 10), ("Port", "port", 65535)):
        value = config[member]
        if not 1 <= value <= most:
            bound = f"less than or equal to {most}" if value > most else "greater than or equal to 1"
            yield broken_constraint(value, f"healthCheckConfig.{place}", f"have value {bound}")
    address, host, kind = config.get("IPAddress"), config.get("FullyQualifiedDomainName"), config["Type"]
    if not address and not host:
        yield "Invalid parameter : IP address and fully qualified domain name can not be both empty."
    if address:
        yield from _address_problem(address, own_network)
    if kind == "TCP" and config.get("ResourcePath"):
        yield "TCP health checks must not have a resource path specified."
    if kind == "TCP" and address and host:
        yield "TCP health checks that have IP address must not have a fully qualified domain name specified."
    if config["EnableSNI"] and not kind.startswith("HTTPS"):
        yield f"Invalid parameter : Health checks with {kind} type must not enable SNI support."
    if kind.endswith("STR_MATCH") and not config.get("SearchString"):
        yield "String match health checks must have a search string specified."


def _address_problem(text: str, own_network: str) -> Iterator[str]:
    """Row R34: private, documentation and other non-routable addresses are forbidden."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        yield f"Invalid parameter : IP address {text} is not valid."
        return
    if address not in ipaddress.ip_network(own_network) and (not address.is_global or address.is_multicast):
        yield f"IPv{address.version} address {text} is forbidden."
