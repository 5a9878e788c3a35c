"""The control plane: let in, dispatch to the service that the signature names, publish what changed."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from srekv.local.auth import Caller, HttpRequest, Keyring, Refusal, Scope, parse_authorization
from srekv.local.loopback import host_of, is_loopback
from srekv.local.overlay.errors import Answer, Fault, Protocol, denial_fault, refusal_fault, render
from srekv.local.overlay.input import as_xml, refuse_unreadable
from srekv.local.overlay.permissions import denial
from srekv.local.overlay.services import Service, Services
from srekv.local.overlay.world import Link, Settings, World
from srekv.local.runtime import API_PORT
from srekv.local.snapshot import Publisher, leftovers, role_of

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

_log = logging.getLogger(__name__)


class ControlPlane:
    """Everything that the API endpoint answers (WSGI), and the handlers that its end of the link needs.

    Nothing is imported or started yet. `key` and `secret` are the operator's.
    """

    def __init__(self, settings: Settings, link: Link, *, key: str, secret: str) -> None:
        self.world = World(settings=settings, link=link)
        self.keyring = Keyring(key, secret)
        self.services = Services(self.world)
        self._publisher = Publisher(self.world)
        self._others: Callable[[Environ, StartResponse], Iterable[bytes]] | None = None

    # For the data plane

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
        self.services.get("ec2")  # imported in its turn
        from srekv.local.overlay.ec2 import follow

        follow(self.world, machine, state)
        self._publisher.publish()

    # For clients

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        status, headers, body = self._answer(environ, read_request(environ))
        if any("xml" in value for name, value in headers.items() if name.lower() == "content-type"):
            body = as_xml(body)
        headers["Content-Length"] = str(len(body))
        start_response(f"{status} {'OK' if status < 400 else 'Error'}", list(headers.items()))
        return [body]

    def _answer(self, environ: Environ, request: HttpRequest) -> Answer:
        protocol = _guess_protocol(request)
        if not is_loopback(host_of(request.headers.get("host", ""))):  # as by DNS rebinding (RFC 9110, 15.5.20)
            text = f"the Host header names no address of this cloud, http://{self.world.settings.subnet}.1:{API_PORT}"
            return render(protocol, Fault(421, "MisdirectedRequest", text))
        if request.path == "/_srekv/ping":
            return _json({"cloud": self.world.settings.cloud_id})
        try:
            scope = parse_authorization(request.headers.get("authorization", ""))
            service = self.services.get(scope.service)
            if service is not None and protocol != "json":  # CloudWatch speaks JSON as well as the query protocol
                protocol = service.protocol
            caller = self.keyring.verify(request, scope)
        except Refusal as refusal:
            return render(protocol, refusal_fault(protocol, refusal))
        if request.path == "/_srekv/empty" and caller.role is None:
            with self.world.lock:
                resources = leftovers(self.world)
            return _json({"empty": not resources, "resources": resources})
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.world.settings.account  # moto asks this header whose backends to use
        if scope.service != "s3" and (unreadable := refuse_unreadable(environ, request, protocol)):
            return render(protocol, unreadable)
        try:
            if service is None:
                return self._other(environ, protocol, scope, caller)
            return self._serve(service, environ, scope, caller)
        except NotImplementedError as error:
            code = "UnknownOperationException" if protocol == "json" else "InvalidAction"
            return render(protocol, Fault(400, code, f"{error} (not in the local cloud)"))
        except Exception as error:  # noqa: BLE001 - whatever moto raises is this request's answer
            _log.exception("%s %s", scope.service, request.path)
            return render(protocol, Fault(500, "InternalFailure", f"{type(error).__name__}: {error}"))

    def _serve(self, service: Service, environ: Environ, scope: Scope, caller: Caller) -> Answer:
        from moto.core.request import Request

        request = Request(environ)
        request.from_wsgi_server = True
        response = service.response()
        response.world = self.world
        response.setup_class(request)
        action = response._get_action() or ""  # noqa: SLF001 - moto's own dispatch asks the same
        params = getattr(response, "params", {})
        refused = denial(self.world, caller, service=scope.service, region=scope.region, action=action, params=params)
        if refused:
            return render(service.protocol, denial_fault(service.protocol, refused))
        with nullcontext() if action in service.unlocked else service.lock or self.world.lock:
            status, headers, body = response.call_action()
        is_read = action.startswith(("BatchGet", "Describe", "Get", "List", "Lookup", "Query", "Scan"))
        if service.publishes and not is_read:
            self._publisher.publish()
        kept = {str(name): str(value) for name, value in headers.items()}
        kept = {name: value for name, value in kept.items() if name.lower() not in ("status", "content-length")}
        return status, kept, body.encode() if isinstance(body, str) else bytes(body)

    def _other(self, environ: Environ, protocol: Protocol, scope: Scope, caller: Caller) -> Answer:
        """A service without a module here, by moto's own application. Machines' roles have no business there.

        One request at a time and while nothing else is imported: their first requests import them.
        """
        if caller.role is not None:
            return render(protocol, denial_fault(protocol, f"{caller.role} is not authorized to use {scope.service}"))
        with self.world.importing:
            if self._others is None:
                from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

                self._others = DomainDispatcherApplication(create_backend_app)
            started: list[tuple[int, dict[str, str]]] = []
            parts = self._others(environ, lambda status, headers, *_: started.append((int(status[:3]), dict(headers))))
            body = b"".join(parts)
        return *started[-1], body


def read_request(environ: Environ) -> HttpRequest:
    """The signed parts of a request; its body is read once and can be read again from the environ."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    environ["RAW_URI"] = raw = environ.get("REQUEST_URI") or environ.get("PATH_INFO", "/")
    path, _, query = raw.partition("?")
    named = {name.removeprefix("HTTP_"): value for name, value in environ.items() if name.startswith("HTTP_")}
    named |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if name in environ}
    headers = {name.replace("_", "-").lower(): value for name, value in named.items()}
    return HttpRequest(method=environ["REQUEST_METHOD"], path=path, query=query, headers=headers, body=body)


def _guess_protocol(request: HttpRequest) -> Protocol:
    """The shape of an error for a request whose service is not known."""
    if "x-amz-target" in request.headers:
        return "json"
    return "rest-xml" if request.path.startswith("/2013-04-01/") else "query"


def _json(document: dict[str, Any]) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()
