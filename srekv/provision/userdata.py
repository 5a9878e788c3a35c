"""The cloud-config that makes an Amazon Linux instance a node of the service.

It carries the package `srekv.app` itself, file by file, and requirements.txt, which pins for each Python the newest
releases that still support it; both are read from the installed package. cloud-init runs it once, at the first boot;
the systemd unit is what survives reboot, stop and start (aws-facts 4.3). Files get cloud-init's default mode, 0644.
"""

from __future__ import annotations

import base64
import gzip
import re
from importlib import resources

from srekv.errors import SrekvError, UsageError

LIMIT = 16_384
"""Bytes of user data that EC2 accepts, before base64 (aws-facts 4.3)."""

HOME = "/opt/srekv"
"""Where everything lives on a node."""

_PYTHONS = {
    # AL2023's own python3 stays 3.9 for ever; 3.13 comes beside it (aws-facts 4.8).
    "al2023": ("python3.13", "dnf install -y python3.13 python3.13-pip"),
    "al2": ("python3.8", "amazon-linux-extras install -y python3.8"),
}

_SAFE = {
    "table": re.compile(r"[A-Za-z0-9_.-]{3,255}"),
    "region": re.compile(r"[a-z0-9-]{1,32}"),
    "node": re.compile(r"[A-Za-z0-9_.-]{1,255}"),
    "zone": re.compile(r"[a-z0-9.-]{1,253}"),
}


def render(*, table: str, region: str, port: int, node: str, zone: str, os: str) -> str:
    """The user data of one node: the same text for the same arguments and package.

    Args:
        table: the DynamoDB table's name.
        region: its Region.
        port: the TCP port to serve.
        node: the name that comes back in X-Srekv-Node.
        zone: the private zone, without the trailing dot; the node's resolver must not take it for multicast DNS.
        os: "al2023" or "al2".

    Raises:
        UsageError: an argument that cannot stand in a unit file.
        SrekvError: the result is larger than EC2 accepts.
    """
    for name, value in (("table", table), ("region", region), ("node", node), ("zone", zone)):
        if not _SAFE[name].fullmatch(value):
            raise UsageError(f"{name} {value!r} cannot go into user data", why=f"expected {_SAFE[name].pattern}")
    python, install = _PYTHONS[os]
    files = (
        *_app_files(),
        _packed(
            f"{HOME}/requirements.txt", resources.files("srekv.provision").joinpath("requirements.txt").read_bytes()
        ),
        _plain("/etc/systemd/system/srekv.service", _unit(table=table, region=region, port=port, node=node)),
        # A .local zone is never sent to a DNS server unless it is configured as a domain (aws-facts 2.8).
        _plain("/etc/systemd/resolved.conf.d/srekv.conf", f"[Resolve]\nDomains=~{zone}\n"),
    )
    text = "#cloud-config\nwrite_files:\n" + "".join(files) + "runcmd:\n" + _commands(python, install)
    if len(text.encode()) > LIMIT:
        raise SrekvError(
            f"the user data has {len(text.encode())} bytes",
            why=f"EC2 accepts {LIMIT}",
            next_step="shorten the names, or the files in srekv/app",
        )
    return text


def _app_files() -> tuple[str, ...]:
    app = sorted(resources.files("srekv.app").iterdir(), key=lambda entry: entry.name)
    sources = [entry for entry in app if entry.name.endswith(".py")]
    return (
        _plain(f"{HOME}/srekv/__init__.py", "#\n"),
        *(_packed(f"{HOME}/srekv/app/{source.name}", source.read_bytes()) for source in sources),
    )


def _packed(path: str, content: bytes) -> str:
    """A file as gzip in base64; no time stamp, so that equal files look equal."""
    packed = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
    return f"- path: {path}\n  encoding: gz+b64\n  content: {packed}\n"


def _plain(path: str, content: str) -> str:
    return f"- path: {path}\n  content: |\n{_indent(content)}"


def _indent(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def _unit(*, table: str, region: str, port: int, node: str) -> str:
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


def _commands(python: str, install: str) -> str:
    """One shell command an item; what needs the network is tried again for about two minutes."""
    commands = (
        _retried(install),
        f"{python} -m venv {HOME}/venv",
        _retried(f"{HOME}/venv/bin/pip install -q --no-input -r {HOME}/requirements.txt"),
        "systemctl try-restart systemd-resolved.service || true",
        "systemctl daemon-reload",
        "systemctl enable --now srekv.service",
    )
    return "".join(f"- {command}\n" for command in commands)


def _retried(command: str) -> str:
    return f"for pause in 2 5 10 20 40 40; do {command} && break; sleep $pause; done"
