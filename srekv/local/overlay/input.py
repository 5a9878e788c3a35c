"""What holds for the input of every service: how large it is unpacked, and that an XML answer can repeat it.

A control character that moto keeps would stand in every later answer, which no XML parser accepts: the resource could
neither be listed nor removed. XML 1.0, 2.2: https://www.w3.org/TR/xml/#charsets
"""

from __future__ import annotations

import io
import re
from typing import Any
from urllib.parse import parse_qsl
from xml.parsers import expat

from srekv.local.auth import HttpRequest
from srekv.local.gunzip import gunzip
from srekv.local.overlay.errors import Fault, Protocol, broken_constraint, invalid_xml

LARGEST_REQUEST = 16 * 1024 * 1024
"""Bytes, also unpacked; DynamoDB's largest request is 16 MB."""

_NO_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NO_XML_BYTES = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_QUOTED = re.compile(rb"%(?:0[0-8bcef]|1[0-9a-f]|ef%bf%b[ef])", re.IGNORECASE)
"""The same in a query string: a fast look at every request."""


def refuse_unreadable(environ: dict[str, Any], request: HttpRequest, protocol: Protocol) -> Fault | None:
    """Why a service must not read this request; None: it may, and a packed body is unpacked in the environ."""
    body = request.body
    if environ.pop("HTTP_CONTENT_ENCODING", "") == "gzip":
        try:
            body = gunzip(body, LARGEST_REQUEST)
        except ValueError as error:
            return Fault(400, "MalformedHttpRequestException", f"Content-Encoding gzip: {error}")
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    if protocol == "json":
        return None
    is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    sent = request.query.encode() + (b"&" + body if is_form else b"")
    if _QUOTED.search(sent) or _NO_XML_BYTES.search(sent):
        for name, value in parse_qsl(sent.decode(errors="replace"), keep_blank_values=True):
            if _NO_XML.search(name + value):
                return _fault(protocol, name, value)
    return _refuse_malformed(body) if protocol == "rest-xml" and body else None


def _fault(protocol: Protocol, name: str, value: str) -> Fault:
    """The refusal in the form of each protocol's recorded ones (E35, I1); its last words are assumed."""
    name, value = (_NO_XML.sub(lambda one: one[0].encode("unicode_escape").decode(), text) for text in (name, value))
    if protocol == "ec2":
        text = f"Value ({value}) for parameter {name} is invalid. Invalid character."
        return Fault(400, "InvalidParameterValue", text)
    return Fault(400, "ValidationError", broken_constraint(value, name, "not have control characters"))


def _refuse_malformed(body: bytes) -> Fault | None:
    """A body that is no XML, by a control character for example, in the form of rows R31 and R35."""
    try:
        expat.ParserCreate().Parse(body, True)
    except expat.ExpatError as error:
        place = f"lineNumber: {error.lineno}; columnNumber: {error.offset}; {expat.ErrorString(error.code)}"
        return Fault(400, "InvalidInput", invalid_xml(place))
    return None


def as_xml(body: bytes) -> bytes:
    """An XML answer without what no parser accepts: a server's own words are in a health check's failure reason."""
    return _NO_XML_BYTES.sub("\ufffd".encode(), body)
