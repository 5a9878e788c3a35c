"""Errors in the shape of each service's protocol, for what is refused before moto sees it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

from srekv.local.auth import Refusal, RefusalKind

Protocol = Literal["ec2", "query", "rest-xml", "json"]
Answer = tuple[int, dict[str, str], bytes]
"""HTTP status, headers, body."""


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


_INVALID_TOKEN = "The security token included in the request is invalid"  # noqa: S105 - AWS's text, not a token
_EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105 - AWS's text, not a token
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_MISSING = "Request is missing Authentication Token"
_EC2_INVALID = Fault(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
_EC2_EXPIRED = Fault(400, "RequestExpired", "Request has expired.")
_EC2: Mapping[RefusalKind, Fault] = {
    "missing": Fault(400, "MissingParameter", "The request must contain the parameter AWSAccessKeyId"),
    "unknown": _EC2_INVALID,
    "expired": _EC2_EXPIRED,
    "mismatch": _EC2_INVALID,
    "late": _EC2_EXPIRED,
    "early": _EC2_INVALID,
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
