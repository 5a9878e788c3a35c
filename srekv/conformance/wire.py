"""Answers in each service's own protocol, so that botocore's parser and retries see them as they see AWS's."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, get_args

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from srekv.conformance.model import Call, Raw, Refusal
from srekv.local.overlay.errors import Fault, Protocol, render


class _Body(io.BytesIO):
    """What botocore reads an answer's bytes from."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        """Everything that is left, at once."""
        yield self.read()


def refuse(url: str, call: Call, refusal: Refusal) -> AWSResponse:
    """The refusal as AWS sends it.

    Raises:
        ValueError: the service's protocol is not known here.
    """
    protocol = call.model.service_model.resolved_protocol
    if protocol not in get_args(Protocol):
        raise ValueError(f"cannot write an error in the protocol {protocol} of {call.service}")
    fault = Fault(status=refusal.status, code=refusal.code, message=refusal.message)
    return reply(url, Raw(*render(protocol, fault)))


def reply(url: str, raw: Raw) -> AWSResponse:
    """These bytes as an answer to a request to this URL."""
    return AWSResponse(url, raw.status, HTTPHeaders.from_dict(raw.headers), _Body(raw.body))


def access_key(request: Any) -> str:
    """The access key that a prepared request was signed with, or ""."""
    header = request.headers.get("Authorization", "")
    text = header.decode() if isinstance(header, bytes) else str(header)
    return text.partition("Credential=")[2].partition("/")[0]
