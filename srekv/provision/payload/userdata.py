"""The cloud-config that makes an Amazon Linux instance a node of the service.

It carries app.payload, which is the package `srekv.app` without what only readers need (`make payload`), and of
requirements.txt, which pins for each Python the newest releases that still support it, that Python's. cloud-init runs
it once, at the first boot; the systemd units are what survives reboot, stop and start, and what installs
(aws-facts 4.3). Files get the default mode, 0644.

EC2's limit decides the form: the files lie in one bzip2 stream, a tenth smaller than in gzip, which is all that
cloud-init knows (aws-facts 4.3). A cloud-config is text, so the stream is base64, and a gzip member of its own, which
only codes the 64 letters, takes back what that costs. `srekv doctor` reads the resolver's file, so that one is plain.
"""

from __future__ import annotations

import base64
import bz2
import hashlib
import operator
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import NamedTuple

from srekv.config import VPC_RESOLVER
from srekv.errors import SrekvError, UsageError

LIMIT = 16_384  # bytes of user data that EC2 accepts, before base64 (aws-facts 4.3)
HOME = "/opt/srekv"  # where everything lives on a node
ARCHIVE = f"{HOME}/files.bz2"  # files: path from HOME, line feed, content; a form feed before the next one

UNPACK = (
    'for file in __import__("bz2").BZ2File("files.bz2").read().split(b"\\f"):'
    'name,_,text=file.partition(b"\\n");open(name,"wb").write(text)'
)
"""A program that unpacks it where it lies; Python 2.7 runs it as well."""


class _System(NamedTuple):
    """What differs between the operating systems."""

    present: str  # the Python that every instance has: AL2's is 2.7, which cloud-init and yum need
    python: str  # the version that the service gets: AL2023's own stays 3.9 for ever (aws-facts 4.8)
    packages: str  # the command that installs that
    root: str  # what makes an ExecStartPre run as root; AL2's systemd 219 does not know it, everything is root's there


_SYSTEMS = {
    "al2023": _System("python3", "3.13", "dnf install -y python3.13 python3.13-pip", root="+"),
    "al2": _System("python", "3.8", "amazon-linux-extras install -y python3.8", root=""),
}

COMMANDS = (
    "systemctl try-restart systemd-resolved || true",
    "systemctl daemon-reload",
    "systemctl enable --now --no-block srekv-lease srekv",
)
"""What cloud-init runs at the first boot after it has unpacked the files, and never again."""

RESOLVER_FILE = "/etc/systemd/resolved.conf.d/srekv.conf"

LEASE_UNIT = "srekv-lease.service"
LEASE_FILE = f"{HOME}/lease-until"  # when the node ends itself: seconds since the epoch; no file, no lease

_SAFE = {
    "table": re.compile(r"[A-Za-z0-9_.-]{3,255}"),
    "region": re.compile(r"[a-z0-9-]{1,32}"),
    "node": re.compile(r"[A-Za-z0-9_.-]{1,255}"),
    "zone": re.compile(r"[a-z0-9.-]{1,253}"),
}


@dataclass(frozen=True, kw_only=True)
class UserData:
    """What one node's user data is made of; raises UsageError for what cannot stand in a unit file."""

    table: str
    region: str
    port: int
    node: str  # comes back in X-Srekv-Node
    zone: str  # the private one, without the trailing dot; the node's resolver must not take it for multicast DNS
    os: str  # "al2023" or "al2"

    def __post_init__(self) -> None:
        for name, safe in _SAFE.items():
            value = getattr(self, name)
            if not safe.fullmatch(value):
                raise UsageError(f"{name} {value!r} cannot go into user data", why=f"expected {safe.pattern}")

    def packed(self, lease: datetime | None) -> bytes:
        """The same bytes for the same node, package and zlib; raises SrekvError if EC2 does not accept that many."""
        archive = bz2.compress(b"\f".join(f"{name}\n{content}".encode() for name, content in self._archived()))
        plain = {RESOLVER_FILE: _resolver(self.zone)}
        if lease is not None:
            plain[LEASE_FILE] = f"{epoch(lease)}\n"
        commands = (f"cd {HOME} && mkdir -p srekv/app && {_SYSTEMS[self.os].present} -c '{UNPACK}'", *COMMANDS)
        text = "#cloud-config\nruncmd:\n" + "".join(f"- {command}\n" for command in commands)
        text += "write_files:\n"
        for path, content in plain.items():
            text += f"- path: {path}\n  content: |\n" + "".join(f"    {line}\n" for line in content.splitlines())
        text += f"- path: {ARCHIVE}\n  encoding: b64\n  content: "
        packed = _gzip(text.encode(), zlib.Z_DEFAULT_STRATEGY)
        return fitting(packed + _gzip(base64.b64encode(archive), zlib.Z_HUFFMAN_ONLY))

    def fingerprint(self) -> str:
        """A digest of what is carried, the lease's end excepted; it does not depend on this machine's zlib."""
        content = hashlib.sha256("\n".join((UNPACK, *COMMANDS, _resolver(self.zone))).encode())
        for name, text in self._archived():
            content.update(f"{name} {len(text)}\n{text}".encode())
        return content.hexdigest()[:16]

    def _archived(self) -> Iterator[tuple[str, str]]:
        """Every file of the archive: its path from HOME and its text."""
        system, units = _SYSTEMS[self.os], "../../etc/systemd/system"
        for module in _read("app.payload").split("\f")[1:]:
            name, _, text = module.partition("\n")
            yield name, text
        yield "srekv/__init__.py", ""
        yield "requirements.txt", _pins(_read("requirements.txt"), system.python)
        yield "install", _install(f"python{system.python}", system.packages)
        yield f"{units}/srekv.service", self._unit(system.root)
        yield "lease", _LEASE_SCRIPT
        yield f"{units}/{LEASE_UNIT}", _LEASE_SERVICE

    def _unit(self, root: str) -> str:
        # AL2's systemd 219 knows neither DynamicUser nor AmbientCapabilities and serves as root, as the lab does. Its
        # StartLimitInterval is StartLimitIntervalSec of the section [Unit] by now, and newer ones accept both.
        privilege = "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" if self.port < 1024 else ""
        return f"""\
[Unit]
Description=srekv key-value service
Wants=network-online.target
After=network-online.target

[Service]
Environment=SREKV_TABLE={self.table}
Environment=SREKV_PORT={self.port}
Environment=SREKV_NODE={self.node}
Environment=SREKV_FAULT_FILE=/run/srekv/fault
Environment=AWS_REGION={self.region}
WorkingDirectory={HOME}
ExecStartPre={root}/bin/sh install
TimeoutStartSec=900
ExecStart={HOME}/venv/bin/python -m srekv.app
Restart=always
RestartSec=1
StartLimitInterval=0
TimeoutStopSec=5
DynamicUser=yes
{privilege}RuntimeDirectory=srekv
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def _gzip(data: bytes, strategy: int) -> bytes:
    """One member, without a time stamp: equal user data look equal."""
    stream = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS, 9, strategy)
    return stream.compress(data) + stream.flush()


def epoch(moment: datetime) -> int:
    """A time as LEASE_FILE has it."""
    return int(moment.timestamp())


def fitting(packed: bytes) -> bytes:
    """The user data unchanged, if EC2 accepts that many bytes; raises SrekvError otherwise."""
    if len(packed) > LIMIT:
        what, next_step = f"the user data has {len(packed)} bytes", "shorten the names, or the files in srekv/app"
        raise SrekvError(what, why=f"EC2 accepts {LIMIT}", next_step=next_step)
    return packed


def _resolver(zone: str) -> str:
    # A .local zone is never sent to a DNS server unless it is configured as a domain (aws-facts 2.8), and a domain
    # without a server with it is ignored: what DHCP gives belongs to the link (systemd issue 20231).
    return f"[Resolve]\nDNS={VPC_RESOLVER}\nDomains=~{zone}\n"


@cache
def _read(name: str) -> str:
    return resources.files("srekv.provision.payload").joinpath(name).read_text("utf-8")


def _pins(requirements: str, version: str) -> str:
    """The pins that hold for this Python, without the markers that said so: they take room."""

    def number(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(".")))

    compare = {"<": operator.lt, "==": operator.eq, ">=": operator.ge}
    lines = []
    for line in requirements.splitlines():
        pin, _, marker = line.partition("; ")
        condition = re.fullmatch(r'python_version (<|==|>=) "([\d.]+)"', marker)
        if condition is None or compare[condition[1]](number(version), number(condition[2])):
            lines.append(pin if condition else line)
    return "\n".join(lines) + "\n"


def _install(python: str, packages: str) -> str:
    # Runs before each start until it succeeds, then never: a network that comes late, or an instance stopped in its
    # first boot, heals by itself. It runs as root, so no package's own program does: wheels only.
    return f"""\
#!/bin/sh
set -e
[ ! -e installed ] || exit 0
{packages}
{python} -m venv venv
venv/bin/pip install -q --no-input --only-binary :all: -r requirements.txt
touch installed
"""


_LEASE_SERVICE = f"""\
[Unit]
Description=end of the srekv lease
After=chronyd.service

[Service]
WorkingDirectory={HOME}
ExecStartPre=-/usr/bin/chronyc waitsync 60 1 0 10
TimeoutStartSec=900
ExecStart=/bin/sh lease
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
"""Runs at every boot, so that a node that was stopped over the end of its lease ends then.

A clock that was not set yet must not end a live lease: chronyc waits for it, for ten minutes at most. A clock that
cannot be set by then is believed: a node that never ends costs more.
"""

_LEASE_SCRIPT = """\
#!/bin/sh
while :; do
  if [ -e lease-until ] && read -r end <lease-until && [ "$end" -gt 0 ] && [ "$end" -le "$(date +%s)" ]; then
    systemctl poweroff
  fi
  sleep 5
done
"""
"""Powers the machine off when its lease is over; EC2 then terminates it. It reads the file anew: the end may move."""
