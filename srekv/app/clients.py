"""Clients of DynamoDB with botocore's methods and errors: botocore's own, hardened, or a thin one (README)."""

import base64
import hmac
import json
import logging
import re
import threading
import time
import zlib
from functools import lru_cache, partial
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, Callable, Dict, Mapping, Tuple
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError, NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParserError, create_parser
from botocore.session import Session
from botocore.utils import get_environ_proxies

from srekv.app.model import CALLS
from srekv.app.wire import CONNECT_S, READ_S, Answer, Wire

THIN, BOTO3 = KINDS = ("thin", "boto3")

EVERY_S, PAUSE_S = 1.0, 0.3  # between checks whether credentials are due, and after refused ones were fetched anew

_CHECKSUM = re.compile(rb"\r\nx-amz-crc32: *(\d+)\s", re.IGNORECASE)
_REFUSALS = ("ExpiredTokenException", "UnrecognizedClientException")

_encode = json.JSONEncoder(separators=(",", ":"), default=lambda value: base64.b64encode(value).decode()).encode


def connect(region: str, kind: str = THIN) -> Any:
    """A client, or NoCredentialsError while there are none; behind a proxy always botocore's."""
    session = Session()
    keys = Keys(lambda: Session().get_credentials())
    session.register_component("credential_provider", SimpleNamespace(load_credentials=lambda: keys))
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=CALLS,
        tcp_keepalive=True,
    )
    client = session.create_client("dynamodb", region_name=region, config=config)
    if kind == THIN and not get_environ_proxies(client.meta.endpoint_url):
        authorities = session.get_config_variable("ca_bundle") or get_cert_path(verify=True)
        return Client(client.meta, keys, str(authorities))
    client.meta.events.register("before-parse.dynamodb", partial(_demand_whole, client.meta.endpoint_url + "/"))
    client.meta.events.register("after-call.dynamodb", keys.judge)
    return client


def _demand_whole(url: str, response_dict: Mapping[str, Any], **_: Any) -> None:
    """Refuse an answer that was cut short or damaged: botocore takes half an item for none."""
    status, headers, body = (response_dict[name] for name in ("status_code", "headers", "body"))
    length, checksum = headers.get("content-length"), str(zlib.crc32(body))
    whole = bool(body) if length is None else length == str(len(body))  # a head that was cut ends anywhere
    if not whole and "transfer-encoding" not in headers:
        raise ConnectionClosedError(endpoint_url=url)
    if headers.get("x-amz-crc32", checksum) != checksum:
        raise ResponseParserError("the answer is damaged")
    if status < 300:
        _decode(body)


class Keys(Credentials):
    """The credentials that botocore had a moment ago; `fetch` makes it fetch new ones, once AWS refuses them."""

    def __init__(self, fetch: Callable[[], Any]) -> None:
        source = fetch()
        if source is None:
            raise NoCredentialsError
        self._fetch, self._source, self._frozen = fetch, source, source.get_frozen_credentials()
        super().__init__(self._frozen.access_key, self._frozen.secret_key)
        self._refused = threading.Event()
        threading.Thread(target=self._refresh, daemon=True).start()

    def get_frozen_credentials(self) -> Any:
        """As botocore's, at once."""
        return self._frozen

    def judge(self, parsed: Mapping[str, Any], **_: Any) -> None:
        """AWS gave this answer."""
        if parsed.get("Error", {}).get("Code") in _REFUSALS:
            self._refused.set()

    def _refresh(self) -> None:
        while True:
            refused = self._refused.wait(EVERY_S)
            try:
                if refused:
                    self._source = self._fetch() or self._source
                self._frozen = self._source.get_frozen_credentials()
            except Exception as error:  # noqa: BLE001 - the old ones may still do
                logging.getLogger(__name__).error("no new credentials: %s", error)  # noqa: TRY400 - why is enough
            if refused:
                threading.Event().wait(PAUSE_S)
                self._refused.clear()


class Client:
    """get_item, update_item, scan and close of `meta`'s botocore client, over plain sockets; safe between threads.

    `authorities` is a file of certificates.
    """

    def __init__(self, meta: Any, keys: Keys, authorities: str) -> None:
        self._keys, self._model = keys, meta.service_model
        self._wire = Wire(meta.endpoint_url, authorities)
        self._signer = Signer(keys, meta.region_name, meta.endpoint_url)
        operations = ("GetItem", "UpdateItem", "Scan")
        self.get_item, self.update_item, self.scan = (partial(self._call, name) for name in operations)
        self.close = self._wire.close

    def _call(self, operation: str, **request: Any) -> Any:
        answer = self._wire.ask(self._signer.request(operation, _encode(request).encode()))
        wanted = _CHECKSUM.search(answer.head)
        if wanted and zlib.crc32(answer.body) != int(wanted[1]):
            raise ResponseParserError("the answer is damaged")
        if answer.status >= 300:
            raise self._refusal(operation, answer)
        return _decode(answer.body)

    def _refusal(self, operation: str, answer: Answer) -> ClientError:
        """The error that botocore makes of it, with what its model knows of that code."""
        lines = (line.partition(":") for line in answer.head.decode("latin-1").split("\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in lines if name}
        response = {"status_code": answer.status, "headers": headers, "body": answer.body}
        parser: Any = create_parser("json")
        parsed = parser.parse(response, self._model.operation_model(operation).output_shape)
        self._keys.judge(parsed)
        shape = self._model.shape_for_error_code(parsed["Error"]["Code"])
        parsed.update(parser.parse(response, shape) if shape else {})
        return ClientError(parsed, operation)


def _decode(body: bytes) -> Any:
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
    if isinstance(value.get("B"), str):
        value["B"] = base64.b64decode(value["B"])
    if isinstance(value.get("BS"), list):
        value["BS"] = [base64.b64decode(one) for one in value["BS"]]
    return value


class Signer:
    """Whole HTTP requests with Signature Version 4; `credentials` are asked every time: it must cost nothing (Keys)."""

    def __init__(self, credentials: Any, region: str, url: str) -> None:
        self._credentials, self._region = credentials, region
        parts = urlsplit(url)
        self._host, self._path = parts.netloc.rpartition("@")[2], parts.path or "/"
        self._prepared = lru_cache(8)(self._prepare)  # what stays equal for a second is made once a second

    def request(self, operation: str, body: bytes) -> bytes:
        """The operation's request with this JSON; may raise what refreshing credentials raises."""
        keys = self._credentials.get_frozen_credentials()
        key, head, canonical, to_sign = self._prepared(operation, int(time.time()), keys)
        digest = sha256(canonical + sha256(body).hexdigest().encode()).hexdigest()
        signature = hmac.digest(key, to_sign + digest.encode(), "sha256").hex()
        return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (head, signature.encode(), len(body), body)

    def _prepare(self, operation: str, now: int, keys: Any) -> Tuple[bytes, bytes, bytes, bytes]:
        """The signing key, and the beginnings of the head, of the canonical request and of what is signed."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        scope = [moment[:8], self._region, "dynamodb", "aws4_request"]
        key = f"AWS4{keys.secret_key}".encode()
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        headers = {"content-type": "application/x-amz-json-1.0", "host": self._host, "x-amz-date": moment}
        if keys.token:
            headers["x-amz-security-token"] = keys.token
        headers["x-amz-target"] = f"DynamoDB_20120810.{operation}"
        names, lines = ";".join(headers), [f"{name}:{value}" for name, value in headers.items()]
        canonical = "\n".join(["POST", self._path, "", *lines, "", names, ""])
        to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, "/".join(scope), ""])
        head = [f"POST {self._path} HTTP/1.1", *lines, "accept-encoding: identity", "user-agent: srekv"]
        credential = "/".join([keys.access_key, *scope])
        head.append(f"authorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature=")
        return key, "\r\n".join(head).encode(), canonical.encode(), to_sign.encode()
