"""`python -m srekv.app`: exit code 0 after SIGTERM, 2 for impossible settings, 3 when it cannot listen."""

import json
import logging
import os
import re
import signal
import sys
import threading
from typing import Mapping

from srekv.app import server


class _Lines(logging.Formatter):
    """One JSON object a line, whatever is logged."""

    def format(self, record: logging.LogRecord) -> str:
        line = record.msg if isinstance(record.msg, dict) else {"reason": record.getMessage()}
        trace = {"trace": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps({"time": round(record.created, 3), "level": record.levelname, **line, **trace})


def setting(environ: Mapping[str, str], name: str, pattern: str = r"[\w.-]{1,255}", default: str = "") -> str:
    """The variable's value; raises ValueError when it can never work."""
    value = environ.get(name) or default
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError(f"{name}={value!r} is invalid: expected {pattern}" if value else f"{name} is not set")
    return value


def main(environ: Mapping[str, str]) -> int:
    """Serve until told to stop; the exit code."""
    try:
        table = setting(environ, "SREKV_TABLE", r"[\w.-]{3,255}")
        node = setting(environ, "SREKV_NODE")
        region = setting(environ, "AWS_REGION", default=environ.get("AWS_DEFAULT_REGION", ""))
        host = setting(environ, "SREKV_HOST", r"[\w.:-]+", "0.0.0.0")  # noqa: S104 - a node serves its network
        log = setting(environ, "SREKV_LOG", "all|errors", "errors")
        kind = setting(environ, "SREKV_STORE", "thin|boto3", "thin")
        port = int(setting(environ, "SREKV_PORT", r"\d{1,5}", "80"))
        sock = server.listen(host, port)
    except ValueError as error:
        sys.stderr.write(f"srekv.app: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"srekv.app: cannot listen on {host}:{port}: {error}\n")
        return 3
    # Clients may connect from here on; what is slow to import comes now.
    from srekv.app import clients, dynamodb, faults, metrics, routes

    logging.basicConfig(level=logging.ERROR)
    logging.getLogger().handlers[0].setFormatter(_Lines())
    logging.getLogger("srekv.app").setLevel(logging.INFO if log == "all" else logging.WARNING)
    stopping = threading.Event()
    counts = metrics.Metrics()
    real = dynamodb.DynamoStore(table, lambda: clients.connect(region, kind), metrics=counts)
    store = faults.FaultyStore(real, environ.get("SREKV_FAULT_FILE", ""))
    app = routes.create_app(store, node, stopping, counts)
    serving = server.Server(app, sock, node, stopping, counts, held=lambda: "hang" in store.active())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    serving.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
