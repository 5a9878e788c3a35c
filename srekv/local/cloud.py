"""The control plane's process: `python -m srekv.local.cloud`, a child of the supervisor.

It serves AWS's APIs on an inherited listening socket (SREKV_API_FD) and speaks to the data plane over an inherited
socketpair (SREKV_LINK_FD). It ends when the supervisor does.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from waitress.server import create_server

from srekv.local.auth import Keyring
from srekv.local.link import FD_VARIABLE, ThreadLink
from srekv.local.overlay.application import Application
from srekv.local.overlay.input import LARGEST_REQUEST
from srekv.local.overlay.services import Services
from srekv.local.overlay.world import Link, Settings, World
from srekv.local.snapshot import Publisher, role_of

API_FD_VARIABLE = "SREKV_API_FD"
KEY_VARIABLE, SECRET_VARIABLE = "SREKV_ROOT_KEY", "SREKV_ROOT_SECRET"
CLOUD_VARIABLE = "SREKV_CLOUD_ID"

WORKERS = 16
"""Threads that serve requests: both nodes' item calls, and some that wait for the data plane."""

CONNECTIONS = 500
"""Clients keep theirs open; waitress stops accepting at its limit."""


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    """A control plane put together: the application and the handlers that its end of the link needs."""

    world: World
    keyring: Keyring
    services: Services
    publisher: Publisher
    application: Application

    @classmethod
    def build(cls, settings: Settings, link: Link, *, key: str, secret: str) -> ControlPlane:
        """Wire the parts together; nothing is imported or started yet."""
        world = World(settings=settings, link=link)
        keyring, services, publisher = Keyring(key, secret), Services(world), Publisher(world)
        application = Application(world, keyring, services, publisher)
        return cls(world=world, keyring=keyring, services=services, publisher=publisher, application=application)

    def credentials(self, machine: str) -> dict[str, str] | None:
        """Fresh credentials of a machine's role, or None without a role."""
        self.services.get("ec2")
        from srekv.local.overlay.ec2 import find_instance

        with self.world.lock:
            found = find_instance(self.world, machine)
            role = role_of(self.world, found[1]) if found else None
        return self.keyring.mint(role, machine) if role else None

    def settle(self, speed: float) -> None:
        """The clock's speed, for this cloud's life."""
        self.world.settings = replace(self.world.settings, speed=speed)

    def machine_state(self, machine: str, state: str) -> None:
        """A machine reports its state; what follows from that may concern the data plane again."""
        self.services.get("ec2")
        from srekv.local.overlay.ec2 import follow

        follow(self.world, machine, state)
        self.publisher.publish()


class LateLink:
    """A link that is connected after the control plane was built: each needs the other."""

    def __init__(self) -> None:
        self._link: Link | None = None

    def connect(self, link: Link) -> None:
        """From now on calls go to this link."""
        self._link = link

    def call(self, method: str, /, **params: Any) -> Any:
        """As Link.call."""
        return self._connected().call(method, **params)

    def notify(self, method: str, /, **params: Any) -> None:
        """As Link.notify."""
        self._connected().notify(method, **params)

    def _connected(self) -> Link:
        if self._link is None:
            raise RuntimeError("the link is not connected yet")
        return self._link


def serve(plane: ControlPlane, listener: socket.socket) -> Any:
    """A WSGI server on a listening socket; `run()` serves until `close()`."""
    return create_server(
        plane.application,
        sockets=[listener],
        threads=WORKERS,
        connection_limit=CONNECTIONS,
        asyncore_use_poll=True,
        max_request_body_size=LARGEST_REQUEST,
        ident="srekv",
        clear_untrusted_proxy_headers=False,
    )


def warm(services: Services) -> None:
    """Load every service with the garbage collector at rest.

    Loading makes a million objects that live for ever; collecting among them again and again took as long as the
    loading itself (1.8 s instead of 1.0 s, measured). Frozen, they cost later collections nothing either.
    """
    gc.disable()
    services.warm()
    gc.freeze()
    gc.enable()


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve until the supervisor goes away."""
    settings = _settings(arguments, environ)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    late = LateLink()
    plane = ControlPlane.build(settings, late, key=environ[KEY_VARIABLE], secret=environ[SECRET_VARIABLE])
    link = ThreadLink(
        socket.socket(fileno=int(environ[FD_VARIABLE])),
        {"credentials": plane.credentials, "machine_state": plane.machine_state, "settle": plane.settle},
        on_close=lambda: os._exit(0),  # without a data plane there is nothing to be orderly for
    )
    late.connect(link)
    link.start()
    server = serve(plane, socket.socket(fileno=int(environ[API_FD_VARIABLE])))
    threading.Thread(target=warm, args=(plane.services,), name="warm", daemon=True).start()
    link.notify("ready")
    server.run()
    return 0


def _settings(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    parser = argparse.ArgumentParser(prog="python -m srekv.local.cloud")
    parser.add_argument("--region-default", required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--subnet", required=True)
    parser.add_argument("--dynamodb", default="")
    options = parser.parse_args(arguments)
    return Settings(
        account=options.account,
        region=options.region_default,
        subnet=options.subnet,
        cloud_id=environ.get(CLOUD_VARIABLE, ""),
        database=options.dynamodb,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
