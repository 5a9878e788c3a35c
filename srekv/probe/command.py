"""The probe's command line: resolve, watch, request, look, load, and a run's files; each prints one JSON document.

Durations on this command line are wall-clock seconds, except those of `load`, which has a clock of its own (--speed).
A subcommand imports what it needs when it runs: looks are many and short.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from typing import Any, Sequence

from srekv.probe import KINDS, wire


def main(argv: Sequence[str]) -> int:
    """Run one subcommand; its exit code is 0 whatever was measured, and not 0 when nothing could be."""
    arguments = _parser().parse_args(argv)
    try:
        document = arguments.run(arguments)
    except OSError as error:
        document = {"error": str(error)}
    sys.stdout.write(json.dumps(document) + "\n")
    return 1 if "error" in document and len(document) == 1 else 0


def _resolve(arguments: argparse.Namespace) -> dict[str, Any]:
    answer = wire.resolve(arguments.name, arguments.resolver, timeout_s=arguments.timeout)
    document = _answered(answer)
    if arguments.system:
        document["system"] = _system(arguments.name)
    return document


def _answered(answer: wire.Answer) -> dict[str, Any]:
    return {
        "answers": [{"address": address, "ttl": ttl} for address, ttl in answer.addresses],
        "rcode": answer.rcode,
        "elapsed_s": round(answer.elapsed_s, 4),
    }


def _system(name: str) -> Any:
    try:
        return list(wire.system(name))
    except OSError as error:
        return {"error": str(error)}


def _watch(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ask until the name answers exactly the wanted addresses; every change of the answer is a transition."""
    wanted = sorted(arguments.until)
    begin = time.monotonic()
    transitions: list[dict[str, Any]] = []
    seen = None
    while True:
        answer = wire.resolve(arguments.name, arguments.resolver, timeout_s=min(arguments.timeout, wire.TRY_S))
        addresses = sorted(answer.names)
        if addresses != seen:
            transitions.append({"epoch": time.time(), "answer": addresses, "ttl": answer.ttl, "rcode": answer.rcode})
            seen = addresses
        elapsed = time.monotonic() - begin
        if addresses == wanted or elapsed + arguments.interval > arguments.timeout:
            return {"matched": addresses == wanted, "transitions": transitions, "elapsed_s": round(elapsed, 4)}
        time.sleep(arguments.interval)


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    from srekv.probe import exchange
    from srekv.probe.names import Name, Target

    begin = time.monotonic()
    target = Target(arguments.name, arguments.port, arguments.resolver)
    headers = dict(header.split(":", 1) for header in arguments.header)
    body = base64.b64decode(arguments.body_b64)
    request = exchange.Request(arguments.method, arguments.path, target.host, headers, body)
    try:
        address = arguments.address or Name(target).address(arguments.timeout)
    except exchange.NotSentError as error:
        return _unanswered(None, str(error), begin)
    return _exchanged(request, address, target.port, timeout_s=arguments.timeout, begin=begin)


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


def _look(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the name answers now, and what the service answers there; each request has the whole time-out."""
    from srekv.probe import exchange
    from srekv.probe.names import Target

    target = Target(arguments.name, arguments.port, arguments.resolver)
    answer = wire.resolve(target.name, target.resolver, timeout_s=arguments.timeout)
    responses = []
    for path in arguments.paths:
        begin = time.monotonic()
        if answer.addresses:
            request = exchange.Request("GET", path, target.host)
            responses.append(
                _exchanged(request, answer.names[0], target.port, timeout_s=arguments.timeout, begin=begin)
            )
        else:
            responses.append(_unanswered(None, "%s: %s" % (target.name, answer.rcode), begin))
    return {**_answered(answer), "responses": responses}


def _load(arguments: argparse.Namespace) -> dict[str, Any]:
    from srekv.probe import load
    from srekv.probe.names import Target

    plan = load.Plan(
        target=Target(arguments.name, arguments.port, arguments.resolver),
        run=arguments.run_id,
        keys=arguments.keys,
        kinds=arguments.clients,
        each=arguments.each,
        rate=arguments.rate,
        seconds=arguments.seconds,
        timeout_s=arguments.timeout,
        seed=arguments.seed,
        out=arguments.out,
        speed=arguments.speed,
    )
    load.run(plan)
    return {"out": plan.out}


def _conclude(arguments: argparse.Namespace) -> dict[str, Any]:
    from srekv.probe import load

    load.conclude(arguments.file)
    return {"out": arguments.file}


def _fetch(arguments: argparse.Namespace) -> dict[str, Any]:
    from srekv.probe import transfer

    return transfer.fetch(arguments.file, offset=arguments.offset, limit=arguments.limit)


def _status(arguments: argparse.Namespace) -> dict[str, Any]:
    from srekv.probe import transfer

    return transfer.settle(arguments.file, stop=arguments.stop, wait_s=arguments.wait)


def _runs(arguments: argparse.Namespace) -> dict[str, Any]:
    from srekv.probe import transfer

    return transfer.runs(arguments.directory)


def _store(arguments: argparse.Namespace) -> dict[str, Any]:
    from srekv.probe import transfer

    data = base64.b64decode(arguments.data_b64)
    return transfer.store(arguments.file, offset=arguments.offset, data=data, sha256=arguments.sha256)


def _remove(arguments: argparse.Namespace) -> dict[str, Any]:
    from srekv.probe import transfer

    return transfer.remove(arguments.file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="probe", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="SUBCOMMAND")
    commands.required = True

    resolve = commands.add_parser("resolve", help="ask the resolver for a name once")
    resolve.add_argument("name")
    resolve.add_argument("--resolver", type=_endpoint, required=True, metavar="ADDR:PORT")
    resolve.add_argument("--system", action="store_true", help="ask getaddrinfo too")
    resolve.add_argument("--timeout", type=_positive, default=3.0)
    resolve.set_defaults(run=_resolve)

    watch = commands.add_parser("watch", help="wait until a name answers exactly these addresses")
    watch.add_argument("name")
    watch.add_argument("--resolver", type=_endpoint, required=True, metavar="ADDR:PORT")
    watch.add_argument("--until", type=lambda text: text.split(","), required=True, metavar="ADDRESS[,ADDRESS]")
    watch.add_argument("--timeout", type=_positive, required=True)
    watch.add_argument("--interval", type=_positive, default=1.0)
    watch.set_defaults(run=_watch)

    request = commands.add_parser("request", help="send one HTTP request")
    request.add_argument("method")
    request.add_argument("path")
    _add_target(request)
    request.add_argument("--body-b64", default="")
    request.add_argument("--header", action="append", default=[], type=_header, metavar="NAME:VALUE")
    request.add_argument("--timeout", type=_positive, default=5.0)
    request.add_argument("--address", help="send it there, whatever the name answers")
    request.set_defaults(run=_request)

    look = commands.add_parser("look", help="what the name answers, and GET requests there, all at once")
    look.add_argument("paths", nargs="*", metavar="PATH")
    _add_target(look)
    look.add_argument("--timeout", type=_positive, default=2.0)
    look.set_defaults(run=_look)

    _add_load(commands.add_parser("load", help="operate on keys and write a history"))

    _add_files(commands)
    return parser


def _add_files(commands: Any) -> None:
    conclude = commands.add_parser("conclude", help="final reads and tidying up for a load that was killed")
    conclude.add_argument("file")
    conclude.set_defaults(run=_conclude)

    fetch = commands.add_parser("fetch", help="a piece of a file, compressed, with its checksum")
    fetch.add_argument("file")
    fetch.add_argument("--offset", type=int, default=0)
    fetch.add_argument("--limit", type=int, default=1 << 20, metavar="BYTES")
    fetch.set_defaults(run=_fetch)

    status = commands.add_parser("status", help="how far a load has come")
    status.add_argument("file")
    status.add_argument("--stop", action="store_true", help="stop it")
    status.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait at most this time")
    status.set_defaults(run=_status)

    runs = commands.add_parser("runs", help="the runs whose histories lie in a directory")
    runs.add_argument("directory")
    runs.set_defaults(run=_runs)

    store = commands.add_parser("store", help="take a piece of a compressed file; the last piece brings the checksum")
    store.add_argument("file")
    store.add_argument("--offset", type=int, default=0)
    store.add_argument("--data-b64", required=True)
    store.add_argument("--sha256", default="")
    store.set_defaults(run=_store)

    remove = commands.add_parser("remove", help="remove a run's files, given its history")
    remove.add_argument("file")
    remove.set_defaults(run=_remove)


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--resolver", type=_endpoint, required=True, metavar="ADDR:PORT")


def _add_load(parser: argparse.ArgumentParser) -> None:
    _add_target(parser)
    parser.add_argument("--run", dest="run_id", required=True, metavar="RUNID")
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--clients", type=_kinds, default=KINDS, metavar="KIND[,KIND...]", help=", ".join(KINDS))
    parser.add_argument("--each", type=int, default=1, help="clients of each kind")
    parser.add_argument("--rate", type=_positive, default=20.0, help="operations a second, over all clients")
    parser.add_argument("--seconds", type=_positive, required=True, help="stop after this time")
    parser.add_argument("--timeout", type=_positive, default=2.0, help="time-out of one operation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--speed", type=_positive, default=1.0, help="AWS-equivalent seconds in a wall-clock second")
    parser.set_defaults(run=_load)


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
