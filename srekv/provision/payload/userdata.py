"""The cloud-config that makes an Amazon Linux instance a node of the service.

It carries app.payload, which is the package `srekv.app` without what only readers need (`make payload`), and of
requirements.txt, which pins for each Python the newest releases that still support it, that Python's. cloud-init runs
it once, at the first boot; the systemd units are what survives reboot, stop and start, and what unpacks and
installs (aws-facts 4.3). Files get cloud-init's default mode, 0644. The whole is packed with gzip, which cloud-init
unpacks (aws-facts 4.3): it would not fit otherwise.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import operator
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib import resources

from srekv.config import VPC_RESOLVER
from srekv.errors import SrekvError, UsageError

LIMIT = 16_384
"""Bytes of user data that EC2 accepts, before base64 (aws-facts 4.3)."""

HOME = "/opt/srekv"
"""Where everything lives on a node."""

BUNDLE = f"{HOME}/app.bz2"
"""The service; bzip2 makes it smaller by a tenth than gzip, which is all that cloud-init knows."""

UNPACK = """\
import bz2
for part in bz2.open("app.bz2", "rt", encoding="utf-8").read().split("\\f")[1:]:
 name, _, text = part.partition("\\n")
 open(name, "w", encoding="utf-8").write(text)
"""
"""A program that unpacks it where it lies."""

_PYTHONS = {
    # AL2023's own python3 stays 3.9 for ever; 3.13 comes beside it (aws-facts 4.8).
    "al2023": ("3.13", "dnf install -y python3.13 python3.13-pip"),
    "al2": ("3.8", "amazon-linux-extras install -y python3.8"),
}

_PRIVILEGED = {"al2023": "+", "al2": ""}
"""What makes an ExecStartPre run as root; AL2's systemd 219 does not know it and runs everything as root."""

COMMANDS = (
    "systemctl try-restart systemd-resolved.service || true",
    "systemctl daemon-reload",
    "systemctl enable --now --no-block srekv-lease.service",
    "systemctl enable --now --no-block srekv.service",
)
"""What cloud-init runs at the first boot, and never again."""

LEASE_UNIT = "srekv-lease.service"
LEASE_FILE = f"{HOME}/lease-until"
"""When the node ends itself: seconds since the epoch; no file, no lease."""

_SAFE = {
    "table": re.compile(r"[A-Za-z0-9_.-]{3,255}"),
    "region": re.compile(r"[a-z0-9-]{1,32}"),
    "node": re.compile(r"[A-Za-z0-9_.-]{1,255}"),
    "zone": re.compile(r"[a-z0-9.-]{1,253}"),
}


def render(
    *, table: str, region: str, port: int, node: str, zone: str, os: str, lease: datetime | None = None
) -> bytes:
    """The user data of one node, packed: the same bytes for the same arguments, package and zlib.

    Args:
        table: the DynamoDB table's name.
        region: its Region.
        port: the TCP port to serve.
        node: the name that comes back in X-Srekv-Node.
        zone: the private zone, without the trailing dot; the node's resolver must not take it for multicast DNS.
        os: "al2023" or "al2".
        lease: when the node ends itself, an aware time; None: never.

    Raises:
        UsageError: an argument that cannot stand in a unit file.
        SrekvError: the result is larger than EC2 accepts.
    """
    for name, value in (("table", table), ("region", region), ("node", node), ("zone", zone)):
        if not _SAFE[name].fullmatch(value):
            raise UsageError(f"{name} {value!r} cannot go into user data", why=f"expected {_SAFE[name].pattern}")
    files = list(_files(table=table, region=region, port=port, node=node, zone=zone, os=os))
    if lease is not None:
        files.append((LEASE_FILE, f"{epoch(lease)}\n".encode()))
    text = "#cloud-config\nwrite_files:\n" + "".join(_entry(path, content.decode()) for path, content in files)
    text += "runcmd:\n" + "".join(f"- {command}\n" for command in COMMANDS)
    # No time stamp in the archive: equal user data look equal.
    return fitting(gzip.compress(text.encode(), 9, mtime=0))


def epoch(moment: datetime) -> int:
    """A time as LEASE_FILE has it."""
    return int(moment.timestamp())


def fitting(packed: bytes) -> bytes:
    """The user data itself, if EC2 accepts so much.

    Raises:
        SrekvError: it is too large.
    """
    if len(packed) > LIMIT:
        raise SrekvError(
            f"the user data has {len(packed)} bytes",
            why=f"EC2 accepts {LIMIT}",
            next_step="shorten the names, or the files in srekv/app",
        )
    return packed


def fingerprint(*, table: str, region: str, port: int, node: str, zone: str, os: str) -> str:
    """A digest of what `render` would carry, the lease's end excepted; it does not depend on this machine's zlib."""
    content = hashlib.sha256("\n".join(COMMANDS).encode())
    for path, data in _files(table=table, region=region, port=port, node=node, zone=zone, os=os):
        content.update(f"{path} {len(data)}\n".encode() + data)
    return content.hexdigest()[:16]


def _files(*, table: str, region: str, port: int, node: str, zone: str, os: str) -> Iterator[tuple[str, bytes]]:
    """Every file of a node: its path and its bytes."""
    version, packages = _PYTHONS[os]
    yield BUNDLE, _bundle(version).encode()
    yield f"{HOME}/install", _install(f"python{version}", packages).encode()
    unit = _unit(table=table, region=region, port=port, node=node, root=_PRIVILEGED[os])
    yield "/etc/systemd/system/srekv.service", unit.encode()
    yield f"{HOME}/lease", _LEASE_SCRIPT.encode()
    yield f"/etc/systemd/system/{LEASE_UNIT}", _LEASE_SERVICE.encode()
    # A .local zone is never sent to a DNS server unless it is configured as a domain (aws-facts 2.8), and a domain
    # without a server beside it is ignored: what DHCP says belongs to the link (systemd issue 20231).
    resolved = f"[Resolve]\nDNS={VPC_RESOLVER}\nDomains=~{zone}\n"
    yield "/etc/systemd/resolved.conf.d/srekv.conf", resolved.encode()


@cache
def _bundle(version: str) -> str:
    """The service's package and its pins, each file after a form feed and a line with its name."""
    package = resources.files("srekv.provision.payload")
    pins = _pins(package.joinpath("requirements.txt").read_text("utf-8"), version)
    app = package.joinpath("app.payload").read_text("utf-8")
    return f"{app}\frequirements.txt\n{pins}\fsrekv/__init__.py\n"


def _pins(requirements: str, version: str) -> str:
    """The pins that hold for this Python, without the markers that said so: they take room."""
    compare = {"<": operator.lt, "==": operator.eq, ">=": operator.ge}
    lines = []
    for line in requirements.splitlines():
        pin, _, marker = line.partition("; ")
        said = re.fullmatch(r'python_version (<|==|>=) "([\d.]+)"', marker)
        if said is None or compare[said[1]](_number(version), _number(said[2])):
            lines.append(pin if said else line)
    return "\n".join(lines) + "\n"


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _entry(path: str, content: str) -> str:
    """One item of write_files."""
    if path == BUNDLE:
        packed = base64.b64encode(bz2.compress(content.encode())).decode()
        return f"- path: {path}\n  encoding: b64\n  content: {packed}\n"
    lines = content.removesuffix("\n").split("\n")
    return f"- path: {path}\n  content: |\n" + "".join(f"    {line}\n" for line in lines)


def _unit(*, table: str, region: str, port: int, node: str, root: str) -> str:
    # AL2's systemd 219 knows neither DynamicUser nor AmbientCapabilities and serves as root, as the lab does; its
    # name for StartLimitIntervalSec is the one in [Service], which newer ones accept as well.
    privilege = "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" if port < 1024 else ""
    return f"""\
[Unit]
Description=srekv key-value service
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Environment=SREKV_TABLE={table}
Environment=SREKV_HOST=0.0.0.0
Environment=SREKV_PORT={port}
Environment=SREKV_NODE={node}
Environment=SREKV_FAULT_FILE=/run/srekv/fault
Environment=AWS_REGION={region}
WorkingDirectory={HOME}
ExecStartPre={root}/bin/sh {HOME}/install
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


def _install(python: str, packages: str) -> str:
    """Installs once, before the first start that finds nothing installed.

    systemd runs it again until it succeeds: a network that comes late, or an instance stopped in the middle of its
    first boot, heals by itself. It runs as root, so no package's own program does: wheels only.
    """
    return f"""\
#!/bin/sh
set -e
cd {HOME}
[ ! -e installed ] || exit 0
{packages}
mkdir -p srekv/app
{python} -c '{UNPACK}'
{python} -m venv venv
venv/bin/pip install -q --no-input --only-binary :all: -r requirements.txt
touch installed
"""


_LEASE_SERVICE = f"""\
[Unit]
Description=end of the srekv lease
After=chronyd.service

[Service]
ExecStartPre=-/usr/bin/chronyc waitsync 60 1 0 10
TimeoutStartSec=900
ExecStart=/bin/sh {HOME}/lease
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
"""Runs at every boot, so that a node that was stopped over the end of its lease ends then.

A clock that was not set yet must not end a live lease: chronyc waits for it, for ten minutes at most. A clock that
cannot be set by then is believed: a node that never ends costs more.
"""

_LEASE_SCRIPT = f"""\
#!/bin/sh
# Powers the machine off when its lease is over; EC2 then terminates it. Runs every minute: the end may move.
cd {HOME} || exit 1
while :; do
  left=60
  if [ -e lease-until ] && read -r end <lease-until && [ "$end" -gt 0 ]; then
    left=$((end - $(date +%s)))
    if [ "$left" -le 0 ]; then
      echo "the lease is over"
      systemctl poweroff
      left=60
    fi
    [ "$left" -le 60 ] || left=60
  fi
  sleep "$left"
done
"""
