"""A client of DynamoDB over plain sockets: botocore's methods and errors at a tenth of its cost (README).

Safe between threads; one for each process.
"""

import base64
import json
import re
import zlib
from typing import Any, Dict, Mapping, Optional

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError, create_parser

from srekv.app.keys import Keys
from srekv.app.signing import Signer
from srekv.app.wire import Answer, Wire

_CHECKSUM = re.compile(rb"\r\nx-amz-crc32: *(\d+)\s", re.IGNORECASE)

_encode = json.JSONEncoder(separators=(",", ":"), default=lambda value: base64.b64encode(value).decode()).encode


class Client:
    """get_item, update_item and scan of `meta`'s botocore client; `authorities` is a file of certificates."""

    def __init__(self, meta: Any, keys: Keys, authorities: str) -> None:
        self._keys = keys
        self._model = meta.service_model
        self._wire = Wire(meta.endpoint_url, authorities)
        self._signer = Signer(keys, meta.region_name, meta.endpoint_url)

    def get_item(self, **request: Any) -> Any:
        """As botocore's client."""
        return self._call("GetItem", request)

    def update_item(self, **request: Any) -> Any:
        """As botocore's client."""
        return self._call("UpdateItem", request)

    def scan(self, **request: Any) -> Any:
        """As botocore's client."""
        return self._call("Scan", request)

    def close(self) -> None:
        """As botocore's client: nobody calls it any more."""
        self._wire.close()

    def _call(self, operation: str, request: Mapping[str, Any]) -> Any:
        answer = self._wire.ask(self._signer.request(operation, _encode(request).encode()))
        wanted = _CHECKSUM.search(answer.head)
        if wanted and zlib.crc32(answer.body) != int(wanted[1]):
            raise ResponseParserError("the answer is damaged")
        if answer.status >= 300:
            raise self._refusal(operation, answer)
        return decode(answer.body)

    def _refusal(self, operation: str, answer: Answer) -> ClientError:
        """The error that botocore makes of it, with what its model knows of that code."""
        lines = (line.partition(":") for line in answer.head.decode("latin-1").split("\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in lines if name}
        response = {"status_code": answer.status, "headers": headers, "body": answer.body}
        parser: Any = create_parser("json")
        parsed = parser.parse(response, self._model.operation_model(operation).output_shape)
        self._keys.judge(parsed["Error"]["Code"])
        shape = self._model.shape_for_error_code(parsed["Error"]["Code"])
        parsed.update(parser.parse(response, shape) if shape else {})
        return ClientError(parsed, operation)


def decode(body: bytes) -> Dict[str, Any]:
    """The object in an answer, binary values as bytes; raises ResponseParserError."""
    try:
        answer = json.loads(body.decode(), object_hook=_binary if b'"B' in body else None)
    except ValueError as error:
        raise ResponseParserError(f"the answer is no JSON: {error}") from None
    if not isinstance(answer, dict):
        raise ResponseParserError("the answer is no object")
    return answer


def _binary(value: Dict[str, Any]) -> Dict[str, Any]:
    """An attribute's value {"B": text} or {"BS": [text]}; an item's attribute of that name holds an object."""
    text: Optional[Any] = value.get("B")
    if isinstance(text, str):
        value["B"] = base64.b64decode(text)
    texts = value.get("BS")
    if isinstance(texts, list):
        value["BS"] = [base64.b64decode(one) for one in texts]
    return value
