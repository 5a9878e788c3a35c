"""The WSGI application: let in, dispatch to the service that the signature names, publish what changed."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from srekv.local.auth import Caller, HttpRequest, Keyring, Refusal, Scope, parse_authorization
from srekv.local.loopback import host_of, is_loopback
from srekv.local.overlay.errors import Answer, Fault, Protocol, denial_fault, refusal_fault, render
from srekv.local.overlay.input import as_xml, refuse_unreadable
from srekv.local.overlay.inventory import leftovers
from srekv.local.overlay.permissions import denial
from srekv.local.overlay.service import Service
from srekv.local.overlay.services import Services
from srekv.local.overlay.world import World
from srekv.local.runtime import API_PORT
from srekv.local.snapshot import Publisher

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

PING, EMPTY = "/_srekv/ping", "/_srekv/empty"

_READS = ("BatchGet", "Describe", "Get", "List", "Lookup", "Query", "Scan")
"""How the names of actions begin that change nothing."""

_log = logging.getLogger(__name__)


class Application:
    """Everything that the API endpoint answers.

    Args:
        world: the control plane.
        keyring: who is let in.
        services: what is served.
        publisher: whom changes are told to.
    """

    def __init__(self, world: World, keyring: Keyring, services: Services, publisher: Publisher) -> None:
        self._world = world
        self._keyring = keyring
        self._services = services
        self._publisher = publisher
        self._others: Callable[[Environ, StartResponse], Iterable[bytes]] | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        request = read_request(environ)
        if not is_loopback(host_of(request.headers.get("host", ""))):
            answer = render(_guess_protocol(request), self._misdirected(), _request_id())
        elif request.path == PING:
            answer = _json(200, {"cloud": self._world.settings.cloud_id})
        else:
            answer = self._authenticated(environ, request)
        status, headers, body = answer
        if any("xml" in value for name, value in headers.items() if name.lower() == "content-type"):
            body = as_xml(body)
        headers["Content-Length"] = str(len(body))
        start_response(f"{status} {'OK' if status < 400 else 'Error'}", list(headers.items()))
        return [body]

    def _misdirected(self) -> Fault:
        """The answer to a request for another host, as by DNS rebinding (RFC 9110, section 15.5.20)."""
        message = f"the Host header names no address of this cloud, http://{self._world.settings.subnet}.1:{API_PORT}"
        return Fault(status=421, code="MisdirectedRequest", message=message)

    def _empty(self) -> Answer:
        with self._world.lock:
            resources = leftovers(self._world)
        return _json(200, {"empty": not resources, "resources": resources})

    def _authenticated(self, environ: Environ, request: HttpRequest) -> Answer:
        protocol = _guess_protocol(request)
        try:
            scope = parse_authorization(request.headers.get("authorization", ""))
            service = self._services.get(scope.service)
            if service is not None and protocol != "json":  # CloudWatch speaks JSON as well as the query protocol
                protocol = service.protocol
            caller = self._keyring.verify(request, scope)
        except Refusal as refusal:
            return render(protocol, refusal_fault(protocol, refusal), _request_id())
        if request.path == EMPTY and caller.role is None:
            return self._empty()
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._world.settings.account  # moto asks this header whose backends to use
        if scope.service != "s3" and (unreadable := refuse_unreadable(environ, request, protocol)):
            return render(protocol, unreadable, _request_id())
        try:
            if service is None:
                return self._other(environ, protocol, scope, caller)
            return self._serve(service, environ, scope, caller)
        except NotImplementedError as error:
            code = "UnknownOperationException" if protocol == "json" else "InvalidAction"
            fault = Fault(status=400, code=code, message=f"{error} (not in the local cloud)")
        except Exception as error:  # noqa: BLE001 - whatever moto raises is this request's answer
            _log.exception("%s %s", scope.service, request.path)
            fault = Fault(status=500, code="InternalFailure", message=f"{type(error).__name__}: {error}")
        return render(protocol, fault, _request_id())

    def _serve(self, service: Service, environ: Environ, scope: Scope, caller: Caller) -> Answer:
        from moto.core.request import Request

        request = Request(environ)
        request.from_wsgi_server = True
        response = service.make()
        response.setup_class(request)
        action = response._get_action() or ""  # noqa: SLF001 - moto's own dispatch asks the same
        params = getattr(response, "params", {})
        refused = denial(self._world, caller, service=scope.service, region=scope.region, action=action, params=params)
        if refused:
            return render(service.protocol, denial_fault(service.protocol, refused), _request_id())
        if action in service.unlocked:
            answer = response.call_action()
        else:
            with service.lock:
                answer = response.call_action()
        if service.publishes and not action.startswith(_READS):
            self._publisher.publish()
        return _plain(answer)

    def _other(self, environ: Environ, protocol: Protocol, scope: Scope, caller: Caller) -> Answer:
        """A service without a module here, by moto's own application. Machines' roles have no business there.

        One request at a time and while nothing else is imported: their first requests import them.
        """
        if caller.role is not None:
            message = f"{caller.role} is not authorized to use {scope.service}"
            return render(protocol, denial_fault(protocol, message), _request_id())
        with self._world.importing:
            if self._others is None:
                from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

                self._others = DomainDispatcherApplication(create_backend_app)
            started: list[tuple[int, dict[str, str]]] = []
            body = b"".join(
                self._others(environ, lambda status, headers, *_: started.append((int(status[:3]), dict(headers))))
            )
        status, headers = started[-1]
        return status, headers, body


def read_request(environ: Environ) -> HttpRequest:
    """The signed parts of a request; its body is read once and can be read again from the environ."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    raw = environ.get("REQUEST_URI") or environ.get("PATH_INFO", "/")
    environ["RAW_URI"] = raw
    path, _, query = raw.partition("?")
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if name in environ:
            headers[name.replace("_", "-").lower()] = environ[name]
    claimed = headers.get("x-amz-content-sha256", "")
    if claimed and claimed != hashlib.sha256(body).hexdigest():
        headers.pop("authorization", None)
    return HttpRequest(method=environ["REQUEST_METHOD"], path=path, query=query, headers=headers, body=body)


def _guess_protocol(request: HttpRequest) -> Protocol:
    """The shape of an error for a request whose service is not known."""
    if "x-amz-target" in request.headers:
        return "json"
    return "rest-xml" if request.path.startswith("/2013-04-01/") else "query"


def _plain(answer: tuple[int, Any, Any]) -> Answer:
    status, headers, body = answer
    kept = {
        str(name): str(value) for name, value in headers.items() if name.lower() not in ("status", "content-length")
    }
    return status, kept, body.encode() if isinstance(body, str) else bytes(body)


def _json(status: int, document: dict[str, Any]) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


def _request_id() -> str:
    return str(uuid.uuid4())
