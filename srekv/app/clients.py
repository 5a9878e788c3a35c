"""Clients of DynamoDB with botocore's methods and errors: botocore's own, hardened, or the thin one (README)."""

import zlib
from functools import partial
from types import SimpleNamespace
from typing import Any, Mapping

from botocore.config import Config
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParserError
from botocore.session import Session
from botocore.utils import get_environ_proxies

from srekv.app import thin, wire
from srekv.app.keys import Keys
from srekv.app.model import CALLS

THIN, BOTO3 = KINDS = ("thin", "boto3")


def connect(region: str, kind: str = THIN) -> Any:
    """A client, or NoCredentialsError while there are none; behind a proxy always botocore's."""
    session = Session()
    keys = Keys(lambda: Session().get_credentials())
    session.register_component("credential_provider", SimpleNamespace(load_credentials=lambda: keys))
    config = Config(
        connect_timeout=wire.CONNECT_S,
        read_timeout=wire.READ_S,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=CALLS,
        tcp_keepalive=True,
    )
    client = session.create_client("dynamodb", region_name=region, config=config)
    if kind == THIN and not get_environ_proxies(client.meta.endpoint_url):
        authorities = session.get_config_variable("ca_bundle") or get_cert_path(verify=True)
        return thin.Client(client.meta, keys, str(authorities))
    client.meta.events.register("before-parse.dynamodb", partial(_demand_whole, client.meta.endpoint_url + "/"))
    events = "after-call.dynamodb"
    client.meta.events.register(events, lambda parsed, **_: keys.judge(parsed.get("Error", {}).get("Code", "")))
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
        thin.decode(body)
