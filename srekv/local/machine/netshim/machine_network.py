"""What a network namespace would do for a machine if it did not need root, for its Python programs (Python 3.8+).

- Binding a wildcard address binds the machine's own loopback address, so that two machines can serve the same port.
- Names with a dot ask the VPC's resolver first, and the host's resolver when that knows nothing.
- 169.254.169.253 (and the VPC's network plus two) is the resolver, 169.254.169.254 the machine's metadata service.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import socket
from pathlib import Path
from typing import Any

RESOLVERS = ("169.254.169.253", "172.31.0.2")
METADATA = "169.254.169.254"
TIMEOUT_S = 2.0

_ADDRESS = os.environ.get("SREKV_MACHINE_ADDRESS", "")
_RESOLVER = os.environ.get("SREKV_MACHINE_RESOLVER", "")
_SERVICE = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")

_bind = socket.socket.bind
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_sendto: Any = socket.socket.sendto
_recvfrom = socket.socket.recvfrom
_getaddrinfo: Any = socket.getaddrinfo
_gethostbyname = socket.gethostbyname


def lookup(name: str) -> list[str]:
    """The IPv4 addresses that the VPC's resolver has for a name; empty when it has none or does not answer."""
    if not _RESOLVER:
        return []
    try:
        plain = name.encode("idna").decode()
        return list(_dns_client().resolve(plain, _pair(_RESOLVER), timeout_s=TIMEOUT_S).names)
    except ValueError:  # no name of a host
        return []


@functools.lru_cache
def _dns_client() -> Any:
    """The one that travels to the nodes; programs of a machine cannot import the tool's package."""
    spec: Any = importlib.util.spec_from_file_location("machine_dns", Path(__file__).parents[3] / "probe/wire.py")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def install() -> None:
    """Put the machine's network in place of the host's for this process; nothing outside a machine."""
    if not _ADDRESS:
        return
    for method in (bind, connect, connect_ex, sendto, recvfrom):
        setattr(socket.socket, method.__name__, method)
    for function in (getaddrinfo, gethostbyname):
        setattr(socket, function.__name__, function)


def bind(self: socket.socket, address: Any) -> None:
    """Bind, a wildcard to the machine's address."""
    if self.family == socket.AF_INET and address[0] in ("", "0.0.0.0"):  # noqa: S104 - the wildcard is what we replace
        _bind(self, (_ADDRESS, *address[1:]))
    elif self.family == socket.AF_INET6 and address[0] in ("", "::"):
        try:
            _bind(self, ("::ffff:" + _ADDRESS, address[1]))
        except OSError:
            _bind(self, ("::1", *address[1:]))  # an IPv6-only socket cannot have an IPv4 address
    else:
        _bind(self, address)


def connect(self: socket.socket, address: Any) -> None:
    """Connect, the VPC's special addresses to where they are, names through the VPC's resolver."""
    _connect(self, _outward(self, address))


def connect_ex(self: socket.socket, address: Any) -> int:
    """As connect, with an error number."""
    return _connect_ex(self, _outward(self, address))


def sendto(self: socket.socket, data: Any, *rest: Any) -> int:
    """Send a datagram, the VPC's special addresses to where they are."""
    sent: int = _sendto(self, data, *rest[:-1], _outward(self, rest[-1]))
    return sent


def recvfrom(self: socket.socket, *args: Any) -> tuple[bytes, Any]:
    """Receive a datagram; one from the resolver comes from the address that a program in a VPC asked."""
    data, address = _recvfrom(self, *args)
    if _RESOLVER and address == _pair(_RESOLVER):
        address = (RESOLVERS[0], 53)
    return data, address


def getaddrinfo(host: Any, port: Any, family: int = 0, *rest: int, **named: int) -> Any:
    """The addresses of a name: those of the VPC's resolver, else the host's."""
    if _is_name(host) and family in (socket.AF_UNSPEC, socket.AF_INET):
        addresses = lookup(_text(host))
        found = [entry for address in addresses for entry in _getaddrinfo(address, port, family, *rest, **named)]
        if found:
            return found
    return _getaddrinfo(host, port, family, *rest, **named)


def gethostbyname(name: str) -> str:
    """The first address of a name."""
    found = lookup(name) if _is_name(name) else []
    return found[0] if found else _gethostbyname(name)


def _outward(self: socket.socket, address: Any) -> Any:
    if self.family != socket.AF_INET:
        return address
    host, port = address[0], address[1]
    if host in RESOLVERS and port == 53:
        return _pair(_RESOLVER)
    if host == METADATA and port == 80 and _SERVICE:
        return _pair(_SERVICE.split("://", 1)[-1].strip("/"))
    if _is_name(host):
        found = lookup(host)
        return (found[0], port) if found else address
    return address


def _is_name(host: Any) -> bool:
    """Whether this is a name with a dot, not an address."""
    text = _text(host)
    if "." not in text or ":" in text:
        return False
    return not text.replace(".", "").isdigit()


def _text(host: Any) -> str:
    if isinstance(host, (bytes, bytearray)):
        return host.decode("ascii", "replace")
    return host if isinstance(host, str) else ""


def _pair(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host, int(port)


def next_on_path(name: str, own: Path, path: list[str]) -> str | None:
    """The file of the module of that name that would have been imported were it not for the directory `own`."""
    for directory in map(Path, path):
        candidate = directory / (name + ".py")
        if directory.resolve() != own and candidate.is_file():
            return str(candidate)
    return None
