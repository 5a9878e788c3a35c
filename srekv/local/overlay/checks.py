"""Route 53's rules for health check configurations, as pure functions over the API's own structures."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

INTERVALS = (10, 30)


class InvalidCheckError(Exception):
    """A configuration that Route 53 refuses with InvalidInput."""


def normalise(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with Route 53's defaults (aws-recorded R43) and a path with a leading slash (aws-facts 1.1)."""
    kept = {name: value for name, value in config.items() if value not in (None, "", [])}
    defaults = {"Disabled": False, "Inverted": False, "EnableSNI": False}
    if kept.get("Type") != "CALCULATED":
        defaults["MeasureLatency"] = False
        numbers = {
            "RequestInterval": 30,
            "FailureThreshold": 3,
            "Port": 443 if "HTTPS" in str(kept.get("Type")) else 80,
        }
        kept = {**numbers, **kept}
        kept.update({name: int(kept[name]) for name in numbers})
    path = str(kept.get("ResourcePath", ""))
    if path and not path.startswith("/"):
        kept["ResourcePath"] = "/" + path
    return {**defaults, **kept}


def check_config(config: Mapping[str, Any], *, own_network: str) -> None:
    """Refuse what Route 53 refuses (aws-recorded R34 to R38).

    Args:
        config: a normalised configuration.
        own_network: this cloud's own addresses in CIDR notation; they are public as far as this cloud goes.

    Raises:
        InvalidCheckError: with Route 53's text.
    """
    if config["Type"] in ("CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL"):
        return
    _check_numbers(config)
    address, host, kind = config.get("IPAddress"), config.get("FullyQualifiedDomainName"), config["Type"]
    if not address and not host:
        raise InvalidCheckError("Invalid parameter : IP address and fully qualified domain name can not be both empty.")
    if address:
        _check_address(address, ipaddress.ip_network(own_network))
    if kind == "TCP" and config.get("ResourcePath"):
        raise InvalidCheckError("TCP health checks must not have a resource path specified.")
    if kind == "TCP" and address and host:
        raise InvalidCheckError(
            "TCP health checks that have IP address must not have a fully qualified domain name specified."
        )
    if config["EnableSNI"] and not kind.startswith("HTTPS"):
        raise InvalidCheckError(f"Invalid parameter : Health checks with {kind} type must not enable SNI support.")
    if kind.endswith("STR_MATCH") and not config.get("SearchString"):
        raise InvalidCheckError("String match health checks must have a search string specified.")


def _check_numbers(config: Mapping[str, Any]) -> None:
    interval, threshold, port = config["RequestInterval"], config["FailureThreshold"], config["Port"]
    if interval not in INTERVALS:
        raise InvalidCheckError(
            "Invalid XML ; javax.xml.stream.XMLStreamException: org.xml.sax.SAXParseException; lineNumber: 1; "
            f"columnNumber: 1; cvc-enumeration-valid: Value '{interval}' is not facet-valid with respect to "
            "enumeration '[10, 30]'. It must be a value from the enumeration."
        )
    for value, low, high, member in ((threshold, 1, 10, "failureThreshold"), (port, 1, 65535, "port")):
        if not low <= value <= high:
            bound = f"less than or equal to {high}" if value > high else f"greater than or equal to {low}"
            raise InvalidCheckError(
                f"1 validation error detected: Value '{value}' at 'healthCheckConfig.{member}' failed to satisfy "
                f"constraint: Member must have value {bound}"
            )


def _check_address(text: str, own: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    """Row R34: private, documentation and other non-routable addresses are forbidden."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise InvalidCheckError(f"Invalid parameter : IP address {text} is not valid.") from None
    if address in own or (address.is_global and not address.is_multicast):
        return
    raise InvalidCheckError(f"IPv{address.version} address {text} is forbidden.")
