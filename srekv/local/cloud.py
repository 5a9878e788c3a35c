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

from waitress.server import create_server

from srekv.local.link import FD_VARIABLE, Handler, ThreadLink
from srekv.local.overlay.application import ControlPlane
from srekv.local.overlay.input import LARGEST_REQUEST
from srekv.local.overlay.world import Settings


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
        plane,
        sockets=[socket.socket(fileno=int(environ["SREKV_API_FD"]))],
        threads=16,  # both nodes' item calls, and some that wait for the data plane
        connection_limit=500,  # clients keep theirs open; waitress stops accepting at its limit
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
