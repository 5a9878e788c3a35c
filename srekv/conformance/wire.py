"""Answers in each service's own protocol, so that botocore's parser and retries see them as they see AWS's."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.endpoint import convert_to_response_dict
from botocore.httpsession import URLLib3Session
from botocore.parsers import create_parser

from srekv.conformance.model import Call, Raw, Refusal

_XML = "text/xml;charset=UTF-8"


class _Body(io.BytesIO):
    """What botocore reads an answer's bytes from."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        """Everything that is left, at once."""
        yield self.read()


def refuse(url: str, call: Call, refusal: Refusal) -> AWSResponse:
    """The refusal as AWS sends it.

    Raises:
        ValueError: nobody has taught this module the service's protocol.
    """
    protocol = call.model.service_model.resolved_protocol
    writer = _WRITERS.get(protocol)
    if writer is None:
        raise ValueError(f"cannot write an error in the protocol {protocol} of {call.service}")
    return reply(url, writer(call, refusal, str(uuid.uuid4())))


def reply(url: str, raw: Raw) -> AWSResponse:
    """These bytes as an answer to a request to this URL."""
    return AWSResponse(url, raw.status, HTTPHeaders.from_dict(raw.headers), _Body(raw.body))


def access_key(request: Any) -> str:
    """The access key that a prepared request was signed with, or ""."""
    header = request.headers.get("Authorization", "")
    text = header.decode() if isinstance(header, bytes) else str(header)
    return text.partition("Credential=")[2].partition("/")[0]


def send(request: Any) -> AWSResponse:
    """Send a prepared request to the backend on a connection of its own, and read the whole answer."""
    http = URLLib3Session()
    try:
        response = http.send(request)
        _ = response.content
    finally:
        http.close()
    return response


def parse(response: AWSResponse, model: Any) -> dict[str, Any]:
    """What botocore makes of the answer to this operation."""
    parser = create_parser(model.service_model.resolved_protocol)
    parsed: dict[str, Any] = parser.parse(convert_to_response_dict(response, model), model.output_shape)
    return parsed


def _ec2(_: Call, refusal: Refusal, request_id: str) -> Raw:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response><Errors><Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
        f"</Errors><RequestID>{request_id}</RequestID></Response>"
    )
    return Raw(refusal.status, {"Content-Type": _XML}, body.encode())


def _xml(call: Call, refusal: Refusal, request_id: str) -> Raw:
    """The query protocol and REST with XML: the same envelope."""
    namespace = call.model.service_model.metadata.get("xmlNamespace", "")
    if not namespace:
        namespace = call.model.metadata.get("xmlNamespace", "https://amazonaws.com/")
    body = (
        f'<?xml version="1.0"?>\n<ErrorResponse xmlns="{namespace}"><Error><Type>{_fault(refusal)}</Type>'
        f"<Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return Raw(refusal.status, {"Content-Type": _XML, "x-amzn-RequestId": request_id}, body.encode())


def _json(call: Call, refusal: Refusal, request_id: str) -> Raw:
    """JSON; a service that spoke the query protocol once says its old code in a header."""
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": request_id}
    if getattr(call.model.service_model, "is_query_compatible", False):
        headers["x-amzn-query-error"] = f"{refusal.code};{_fault(refusal)}"
    body = json.dumps({"__type": f"com.amazonaws.{call.service}#{refusal.code}", "message": refusal.message})
    return Raw(refusal.status, headers, body.encode())


def _fault(refusal: Refusal) -> str:
    return "Sender" if refusal.status < 500 else "Receiver"


_WRITERS: dict[str, Callable[[Call, Refusal, str], Raw]] = {"ec2": _ec2, "query": _xml, "rest-xml": _xml, "json": _json}
