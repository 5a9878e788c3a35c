"""The control plane's process: `python -m srekv.local.cloud`, a child of the supervisor.

It serves AWS's APIs on an inherited listening socket (SREKV_API_FD) and speaks to the data plane over an inherited
socketpair (SREKV_LINK_FD). It ends when the supervisor does.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from waitress.server import create_server

from srekv.local.auth import Keyring
from srekv.local.link import FD_VARIABLE, Handler, ThreadLink
from srekv.local.overlay.application import Application
from srekv.local.overlay.input import LARGEST_REQUEST
from srekv.local.overlay.services import Services
from srekv.local.overlay.world import Link, Settings, World
from srekv.local.snapshot import Publisher, role_of

WORKERS = 16
"""Threads that serve requests: both nodes' item calls, and some that wait for the data plane."""

CONNECTIONS = 500
"""Clients keep theirs open; waitress stops accepting at its limit."""


class ControlPlane:
    """A control plane put together: the application and the handlers that its end of the link needs.

    Nothing is imported or started yet. `key` and `secret` are the operator's.
    """

    def __init__(self, settings: Settings, link: Link, *, key: str, secret: str) -> None:
        self.world = World(settings=settings, link=link)
        self.keyring = Keyring(key, secret)
        self.services = Services(self.world)
        self._publisher = Publisher(self.world)
        self.application = Application(self.world, self.keyring, self.services, self._publisher)

    def credentials(self, machine: str) -> dict[str, str] | None:
        """Fresh credentials of a machine's role, or None without a role."""
        with self.world.lock:
            instances = (backend.get_instance_by_id(machine) for backend in self.world.backends("ec2").values())
            role = next((role_of(self.world, instance) for instance in instances if instance), None)
        return self.keyring.mint(role, machine) if role else None

    def settle(self, speed: float) -> None:
        """The clock's speed, for this cloud's life."""
        self.world.settings = replace(self.world.settings, speed=speed)

    def machine_state(self, machine: str, state: str) -> None:
        """A machine reports its state; what follows from that may concern the data plane again."""
        self.services.get("ec2")
        from srekv.local.overlay.ec2 import follow

        follow(self.world, machine, state)
        self._publisher.publish()


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve until the supervisor goes away."""
    parser = argparse.ArgumentParser(prog="python -m srekv.local.cloud")
    parser.add_argument("--region-default", required=True, dest="region")
    parser.add_argument("--account", required=True)
    parser.add_argument("--subnet", required=True)
    parser.add_argument("--dynamodb", default="", dest="database")
    settings = Settings(**vars(parser.parse_args(arguments)), cloud_id=environ.get("SREKV_CLOUD_ID", ""))
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    handlers: dict[str, Handler] = {}
    link = ThreadLink(
        socket.socket(fileno=int(environ[FD_VARIABLE])),
        handlers,
        on_close=lambda: os._exit(0),  # without a data plane there is nothing to be orderly for
    )
    plane = ControlPlane(settings, link, key=environ["SREKV_ROOT_KEY"], secret=environ["SREKV_ROOT_SECRET"])
    handlers.update(credentials=plane.credentials, machine_state=plane.machine_state, settle=plane.settle)
    link.start()
    server = create_server(
        plane.application,
        sockets=[socket.socket(fileno=int(environ["SREKV_API_FD"]))],
        threads=WORKERS,
        connection_limit=CONNECTIONS,
        asyncore_use_poll=True,
        max_request_body_size=LARGEST_REQUEST,
        ident="srekv",
        clear_untrusted_proxy_headers=False,
    )
    threading.Thread(target=plane.services.warm, name="warm", daemon=True).start()
    link.notify("ready")
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
