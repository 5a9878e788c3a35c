"""Moto's DynamoDB as a process of its own, one request at a time: two at once would break its conditions.

Prints its port and ends with the standard input.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from waitress.server import create_server

if __name__ == "__main__":
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is what is wanted here
    application: Any = DomainDispatcherApplication(create_backend_app)
    server = create_server(application, host="127.0.0.1", port=0, threads=1, asyncore_use_poll=True)
    sys.stdout.write(f"{server.effective_port}\n")
    sys.stdout.flush()
    threading.Thread(target=server.run, daemon=True).start()
    sys.stdin.read()
    os._exit(0)  # it has nothing to finish
