"""Errors in the shape of each service's protocol, for what moto does not see; texts that they share."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

from srekv.local.auth import Refusal, RefusalKind

Protocol = Literal["ec2", "query", "rest-xml", "json"]
Answer = tuple[int, dict[str, str], bytes]  # HTTP status, headers, body


class Fault(NamedTuple):
    """An error as a client sees it: HTTP status, Error.Code, message."""

    status: int
    code: str
    message: str


def refusal_fault(protocol: Protocol, refusal: Refusal) -> Fault:
    """What each protocol says to a request that is not let in (aws-recorded C1, C2, C3)."""
    fault = _REFUSALS.get(protocol, _XML)[refusal.kind]
    return fault._replace(message=refusal.message or fault.message)


def denial_fault(protocol: Protocol, message: str) -> Fault:
    """What each protocol says to a caller whose policies do not allow an action (aws-recorded R17, E14)."""
    if protocol == "json":
        return Fault(400, "AccessDeniedException", message)
    return Fault(403, "UnauthorizedOperation" if protocol == "ec2" else "AccessDenied", message)


def render(protocol: Protocol, fault: Fault) -> Answer:
    """A fault as an HTTP answer."""
    request_id = str(uuid.uuid4())
    headers = {"Content-Type": "text/xml;charset=UTF-8", "x-amzn-RequestId": request_id}
    if protocol == "json":
        headers.update({"Content-Type": "application/x-amz-json-1.0", "x-amzn-ErrorType": fault.code})
        return fault.status, headers, json.dumps({"__type": fault.code, "message": fault.message}).encode()
    error = f"<Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message>"
    if protocol == "ec2":
        body = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    else:
        error = f"<Error><Type>Sender</Type>{error}</Error>"
        body = f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>"
    return fault.status, headers, b'<?xml version="1.0"?>\n' + body.encode()


def broken_constraint(value: object, place: str, demand: str) -> str:
    """A member of a request that is not as its model demands: "have value less than or equal to 255", for example."""
    start = f"1 validation error detected: Value '{value}' at '{place}'"
    return f"{start} failed to satisfy constraint: Member must {demand}"


def invalid_xml(details: str) -> str:
    """A body that Route 53 cannot read (aws-recorded R31, R35)."""
    return f"Invalid XML ; javax.xml.stream.XMLStreamException: org.xml.sax.SAXParseException; {details}"


def not_in_enumeration(value: object, allowed: Iterable[object]) -> str:
    """A word or a number that Route 53's schema does not list."""
    start = f"lineNumber: 1; columnNumber: 1; cvc-enumeration-valid: Value '{value}' is not facet-valid with respect to"
    listed = ", ".join(map(str, allowed))
    return invalid_xml(f"{start} enumeration '[{listed}]'. It must be a value from the enumeration.")


_INVALID_TOKEN = "The security token included in the request is invalid"  # noqa: S105 - AWS's text, not a token
_EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105 - AWS's text, not a token
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_MISSING = "Request is missing Authentication Token"
_NOT_VALIDATED = "AWS was not able to validate the provided access credentials"
_EC2: Mapping[RefusalKind, Fault] = {
    "missing": Fault(400, "MissingParameter", "The request must contain the parameter AWSAccessKeyId"),
    **dict.fromkeys(("unknown", "mismatch", "early"), Fault(401, "AuthFailure", _NOT_VALIDATED)),
    **dict.fromkeys(("expired", "late"), Fault(400, "RequestExpired", "Request has expired.")),
}
_XML: Mapping[RefusalKind, Fault] = {
    "missing": Fault(403, "MissingAuthenticationToken", _MISSING),
    "unknown": Fault(403, "InvalidClientTokenId", _INVALID_TOKEN),
    "expired": Fault(403, "ExpiredToken", _EXPIRED_TOKEN),
    **dict.fromkeys(("mismatch", "late", "early"), Fault(403, "SignatureDoesNotMatch", _MISMATCH)),
}
_JSON: Mapping[RefusalKind, Fault] = {
    "missing": Fault(400, "MissingAuthenticationTokenException", _MISSING),
    "unknown": Fault(400, "UnrecognizedClientException", _INVALID_TOKEN + "."),
    "expired": Fault(400, "ExpiredTokenException", _EXPIRED_TOKEN),
    **dict.fromkeys(("mismatch", "late", "early"), Fault(400, "InvalidSignatureException", _MISMATCH)),
}
_REFUSALS = {"ec2": _EC2, "json": _JSON}
