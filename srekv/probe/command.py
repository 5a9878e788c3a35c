"""The probe's command line: resolve, watch, request, look, load, and a run's files; each prints one JSON document.

Durations on this command line are wall-clock seconds, except those of `load`, which has a clock of its own (--speed).
A subcommand imports what it needs when it runs: looks are many and short.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import json
import sys
import time
from typing import Any, Callable, Sequence

from srekv.probe import KINDS, wire


def main(argv: Sequence[str]) -> int:
    """Run one subcommand; its exit code is 0 whatever was measured, and not 0 when nothing could be."""
    parser = argparse.ArgumentParser(prog="probe", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="SUBCOMMAND")
    commands.required = True
    for name, (_, summary, *members) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        for names, settings in members:
            command.add_argument(*names, **settings)
    arguments = vars(parser.parse_args(argv))
    run = _COMMANDS[arguments.pop("command")][0]
    try:
        document = run(**arguments)
    except OSError as error:
        document = {"error": str(error)}
    sys.stdout.write(json.dumps(document) + "\n")
    return 1 if "error" in document and len(document) == 1 else 0


def _resolve(name: str, resolver: tuple[str, int], timeout: float, *, system: bool) -> dict[str, Any]:
    document = _answered(wire.resolve(name, resolver, timeout_s=timeout))
    if system:
        try:
            document["system"] = wire.system(name)
        except OSError as error:
            document["system"] = {"error": str(error)}
    return document


def _answered(answer: wire.Answer) -> dict[str, Any]:
    return {
        "answers": [{"address": address, "ttl": ttl} for address, ttl in answer.addresses],
        "rcode": answer.rcode,
        "elapsed_s": round(answer.elapsed_s, 4),
    }


def _watch(name: str, resolver: tuple[str, int], until: list[str], timeout: float, interval: float) -> dict[str, Any]:
    """Ask until the name answers exactly the wanted addresses; every change of the answer is a transition."""
    begin = time.monotonic()
    transitions: list[dict[str, Any]] = []
    seen = None
    while True:
        answer = wire.resolve(name, resolver, timeout_s=min(timeout, wire.TRY_S))
        addresses = sorted(answer.names)
        if addresses != seen:
            transitions.append({"epoch": time.time(), "answer": addresses, "ttl": answer.ttl, "rcode": answer.rcode})
            seen = addresses
        elapsed = time.monotonic() - begin
        matched = addresses == sorted(until)
        if matched or elapsed + interval > timeout:
            return {"matched": matched, "transitions": transitions, "elapsed_s": round(elapsed, 4)}
        time.sleep(interval)


def _request(
    name: str, port: int, resolver: tuple[str, int], *, timeout: float, address: str | None, **request: Any
) -> dict[str, Any]:
    from srekv.probe import exchange

    begin = time.monotonic()
    target = exchange.Target(name, port, resolver)
    request["headers"] = dict(header.split(":", 1) for header in request["headers"])
    try:
        address = address or exchange.Name(target).address(timeout)
    except exchange.NotSentError as error:
        return _unanswered(None, str(error), begin)
    return _exchanged(exchange.Request(host=target.host, **request), address, port, timeout_s=timeout, begin=begin)


def _exchanged(request: Any, address: str, port: int, *, timeout_s: float, begin: float) -> dict[str, Any]:
    """Send it; what came back, or why nothing did. `begin`: since when `elapsed_s` counts, monotonic seconds."""
    from srekv.probe import exchange

    try:
        reply = exchange.send(request, address, port, timeout_s=timeout_s)
    except (exchange.NotSentError, exchange.BrokenError) as error:
        return _unanswered(address, str(error), begin)
    return {
        "address": address,
        "status": reply.status,
        "node": reply.headers.get("x-srekv-node"),
        "headers": dict(reply.headers),
        "body_b64": base64.b64encode(reply.body).decode(),
        "elapsed_s": round(time.monotonic() - begin, 4),
    }


def _unanswered(address: Any, error: str, begin: float) -> dict[str, Any]:
    return {"address": address, "status": None, "error": error, "elapsed_s": round(time.monotonic() - begin, 4)}


def _look(name: str, port: int, resolver: tuple[str, int], paths: list[str], timeout: float) -> dict[str, Any]:
    """What the name answers now, and what the service answers there; each request has the whole timeout."""
    from srekv.probe import exchange

    host = exchange.Target(name, port, resolver).host
    answer = wire.resolve(name, resolver, timeout_s=timeout)
    responses = []
    for path in paths:
        begin = time.monotonic()
        if answer.addresses:
            request = exchange.Request("GET", path, host)
            responses.append(_exchanged(request, answer.names[0], port, timeout_s=timeout, begin=begin))
        else:
            responses.append(_unanswered(None, "%s: %s" % (name, answer.rcode), begin))
    return {**_answered(answer), "responses": responses}


def _load(name: str, port: int, resolver: tuple[str, int], **settings: Any) -> dict[str, Any]:
    from srekv.probe import exchange, load

    load.run(load.Plan(target=exchange.Target(name, port, resolver), **settings))
    return {"out": settings["out"]}


def _conclude(file: str) -> dict[str, Any]:
    from srekv.probe import load

    load.conclude(file)
    return {"out": file}


def _transfer(function: str) -> Callable[..., dict[str, Any]]:
    def call(**arguments: Any) -> Any:
        return getattr(importlib.import_module("srekv.probe.transfer"), function)(**arguments)

    return call


def _endpoint(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address, int(port)


def _header(text: str) -> str:
    if ":" not in text:
        raise argparse.ArgumentTypeError("expected NAME:VALUE")
    return text


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(text.split(",")))
    if not set(kinds) <= set(KINDS):
        raise argparse.ArgumentTypeError("expected some of " + ", ".join(KINDS))
    return kinds


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _option(*names: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    return names, settings


_NAME, _FILE = _option("name"), _option("file")
_RESOLVER = _option("--resolver", type=_endpoint, required=True, metavar="ADDR:PORT")
_TARGET = (_option("--name", required=True), _option("--port", type=int, required=True), _RESOLVER)
_OFFSET = _option("--offset", type=int, default=0)

_COMMANDS: dict[str, tuple[Any, ...]] = {
    "resolve": (
        _resolve,
        "ask the resolver for a name once",
        _NAME,
        _RESOLVER,
        _option("--system", action="store_true", help="ask getaddrinfo too"),
        _option("--timeout", type=_positive, default=3.0),
    ),
    "watch": (
        _watch,
        "wait until a name answers exactly these addresses",
        _NAME,
        _RESOLVER,
        _option("--until", type=lambda text: text.split(","), required=True, metavar="ADDRESS[,ADDRESS]"),
        _option("--timeout", type=_positive, required=True),
        _option("--interval", type=_positive, default=1.0),
    ),
    "request": (
        _request,
        "send one HTTP request",
        _option("method"),
        _option("path"),
        *_TARGET,
        _option("--body-b64", dest="body", type=base64.b64decode, default=""),
        _option("--header", dest="headers", action="append", default=[], type=_header, metavar="NAME:VALUE"),
        _option("--timeout", type=_positive, default=5.0),
        _option("--address", help="send it there, whatever the name answers"),
    ),
    "look": (
        _look,
        "what the name answers, and GET requests there, all at once",
        _option("paths", nargs="*", metavar="PATH"),
        *_TARGET,
        _option("--timeout", type=_positive, default=2.0),
    ),
    "load": (
        _load,
        "operate on keys and write a history",
        *_TARGET,
        _option("--run", required=True, metavar="RUNID"),
        _option("--keys", type=int, default=20),
        _option("--clients", dest="kinds", type=_kinds, default=KINDS, metavar="KIND[,KIND...]", help=", ".join(KINDS)),
        _option("--each", type=int, default=1, help="clients of each kind"),
        _option("--rate", type=_positive, default=20.0, help="operations a second, over all clients"),
        _option("--seconds", type=_positive, required=True, help="stop after this time"),
        _option("--timeout", dest="timeout_s", type=_positive, default=2.0, help="timeout of one operation"),
        _option("--seed", type=int, default=0),
        _option("--out", required=True, metavar="FILE"),
        _option("--speed", type=_positive, default=1.0, help="AWS-equivalent seconds in a wall-clock second"),
    ),
    "conclude": (_conclude, "final reads and tidying up for a load that was killed", _FILE),
    "fetch": (
        _transfer("fetch"),
        "a piece of a file, compressed, with its checksum",
        _FILE,
        _OFFSET,
        _option("--limit", type=int, default=1 << 20, metavar="BYTES"),
    ),
    "status": (
        _transfer("settle"),
        "how far a load has come",
        _FILE,
        _option("--stop", action="store_true", help="stop it"),
        _option("--wait", dest="wait_s", type=float, default=0.0, metavar="SECONDS", help="wait at most this time"),
    ),
    "runs": (_transfer("runs"), "the runs whose histories lie in a directory", _option("directory")),
    "store": (
        _transfer("store"),
        "take a piece of a compressed file; the last piece brings the checksum",
        _FILE,
        _OFFSET,
        _option("--data-b64", dest="data", type=base64.b64decode, required=True),
        _option("--sha256", default=""),
    ),
    "remove": (_transfer("remove"), "remove a run's files, given its history", _FILE),
}
"""Subcommand -> what carries it out, its summary, and its arguments."""
