"""Errors in the shape of each service's protocol, for what is refused before moto sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from srekv.local.auth import Refusal, RefusalKind

Protocol = Literal["ec2", "query", "rest-xml", "json"]
Answer = tuple[int, dict[str, str], bytes]
"""HTTP status, headers, body."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An error as a client sees it: HTTP status, Error.Code, message."""

    status: int
    code: str
    message: str


_INVALID_TOKEN = "The security token included in the request is invalid"  # noqa: S105 - AWS's text, not a token
_EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105 - AWS's text, not a token
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_EC2_INVALID = Fault(
    status=401, code="AuthFailure", message="AWS was not able to validate the provided access credentials"
)
_MISSING = "Request is missing Authentication Token"


def refusal_fault(protocol: Protocol, refusal: Refusal) -> Fault:
    """What each protocol says to a request that is not let in (aws-recorded C1, C2, C3)."""
    table = {"ec2": _EC2, "json": _JSON}.get(protocol, _XML)
    fault = table[refusal.kind]
    return Fault(status=fault.status, code=fault.code, message=refusal.message or fault.message)


def denial_fault(protocol: Protocol, message: str) -> Fault:
    """What each protocol says to a caller whose policies do not allow an action (aws-recorded R17, E14)."""
    if protocol == "json":
        return Fault(status=400, code="AccessDeniedException", message=message)
    code = "UnauthorizedOperation" if protocol == "ec2" else "AccessDenied"
    return Fault(status=403, code=code, message=message)


def render(protocol: Protocol, fault: Fault, request_id: str) -> Answer:
    """A fault as an HTTP answer."""
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


_EC2: dict[RefusalKind, Fault] = {
    "missing": Fault(
        status=400, code="MissingParameter", message="The request must contain the parameter AWSAccessKeyId"
    ),
    "unknown": _EC2_INVALID,
    "expired": Fault(status=400, code="RequestExpired", message="Request has expired."),
    "mismatch": _EC2_INVALID,
    "late": Fault(status=400, code="RequestExpired", message="Request has expired."),
    "early": _EC2_INVALID,
}
_XML: dict[RefusalKind, Fault] = {
    "missing": Fault(status=403, code="MissingAuthenticationToken", message=_MISSING),
    "unknown": Fault(status=403, code="InvalidClientTokenId", message=_INVALID_TOKEN),
    "expired": Fault(status=403, code="ExpiredToken", message=_EXPIRED_TOKEN),
    "mismatch": Fault(status=403, code="SignatureDoesNotMatch", message=_MISMATCH),
    "late": Fault(status=403, code="SignatureDoesNotMatch", message=_MISMATCH),
    "early": Fault(status=403, code="SignatureDoesNotMatch", message=_MISMATCH),
}
_JSON: dict[RefusalKind, Fault] = {
    "missing": Fault(status=400, code="MissingAuthenticationTokenException", message=_MISSING),
    "unknown": Fault(status=400, code="UnrecognizedClientException", message=_INVALID_TOKEN + "."),
    "expired": Fault(status=400, code="ExpiredTokenException", message=_EXPIRED_TOKEN),
    "mismatch": Fault(status=400, code="InvalidSignatureException", message=_MISMATCH),
    "late": Fault(status=400, code="InvalidSignatureException", message=_MISMATCH),
    "early": Fault(status=400, code="InvalidSignatureException", message=_MISMATCH),
}
