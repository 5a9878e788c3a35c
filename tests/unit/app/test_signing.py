"""Signatures: ours are botocore's."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials

from srekv.app.clients import Signer

KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SESSION = Credentials("ASIAEXAMPLE", "secret", "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJHMEUCIQ==")


def signed(message: bytes) -> tuple[dict[str, str], bytes]:
    """The header fields of a request, and its body."""
    head, _, body = message.partition(b"\r\n\r\n")
    lines = (line.split(": " if ": " in line else ":", 1) for line in head.decode().split("\r\n")[1:])
    return {name.lower(): value for name, value in lines}, body


@pytest.mark.parametrize("credentials", [KEYS, SESSION])
@pytest.mark.parametrize("url", ["https://dynamodb.eu-north-1.amazonaws.com", "http://127.0.0.1:8000/ddb"])
@pytest.mark.parametrize("body", [b"{}", '{"Key":{"key":{"S":"\u00f6"}}}'.encode()])
def test_the_signature_is_botocores(credentials: Credentials, url: str, body: bytes) -> None:
    """For the same moment, host, token and body, botocore's own signer comes to the same signature."""
    fields, sent = signed(Signer(credentials, "eu-north-1", url).request("GetItem", body))
    assert sent == body
    names = re.search(r"SignedHeaders=([^,]+)", fields["authorization"])
    assert names is not None
    headers = {name: fields[name] for name in names[1].split(";")}
    request = AWSRequest("POST", url if url.endswith("ddb") else f"{url}/", headers, body)
    request.context["timestamp"] = fields["x-amz-date"]
    theirs = SigV4Auth(credentials, "dynamodb", "eu-north-1")
    text = theirs.string_to_sign(request, theirs.canonical_request(request))
    assert fields["authorization"].endswith("Signature=" + theirs.signature(text, request))


def test_the_moment_is_now() -> None:
    """The date is the clock's, to the second."""
    fields, _ = signed(Signer(KEYS, "us-east-1", "http://127.0.0.1").request("GetItem", b"{}"))
    moment = datetime.strptime(fields["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 5


def test_new_credentials_are_taken_up() -> None:
    """Credentials that were refreshed sign from the next request on."""

    class Changing:
        def __init__(self) -> None:
            self.keys = ReadOnlyCredentials("OLD", "secret", None)

        def get_frozen_credentials(self) -> ReadOnlyCredentials:
            return self.keys

    changing = Changing()
    signer = Signer(changing, "us-east-1", "http://127.0.0.1")
    assert b"Credential=OLD/" in signer.request("GetItem", b"{}")
    changing.keys = ReadOnlyCredentials("NEW", "secret", None)
    assert b"Credential=NEW/" in signer.request("GetItem", b"{}")
