"""The OpenAPI document; schemathesis holds the service to it. `operationId` is what /metrics calls a route."""

from typing import Any, Dict

from srekv.app.model import MAX_ITEM, MAX_KEY, MAX_LIST

_TEXT: Dict[str, Any] = {"type": "string"}
_KEY = {**_TEXT, "minLength": 1, "maxLength": MAX_KEY}
_VALUE = {**_TEXT, "minLength": 1, "maxLength": MAX_ITEM}
_TAG = '"(0|[1-9][0-9]{0,18})"'
_ETAG = {**_TEXT, "pattern": f"^{_TAG}$"}


def _object(*optional: str, **members: Any) -> Dict[str, Any]:
    return {"type": "object", "properties": members, "required": [name for name in members if name not in optional]}


def _answer(kind: str, schema: Any = _TEXT, **more: Any) -> Dict[str, Any]:
    return {"description": "see the content", "content": {kind: {"schema": schema}}, **more}


def _parameter(name: str, schema: Any, where: str = "query", *, required: bool = False) -> Dict[str, Any]:
    return {"name": name, "in": where, "schema": schema, "required": required}


def _operation(name: str, good: Any, *parameters: Any, status: str = "200", **more: Any) -> Dict[str, Any]:
    return {"operationId": name, "parameters": parameters, "responses": {status: good, "default": _PROBLEM}, **more}


_PROBLEM = _answer(
    "application/problem+json",
    _object(
        "outcome",
        **dict.fromkeys(("type", "title", "detail", "error", "reason"), _TEXT),
        status={"type": "integer"},
        outcome={"enum": ["failed", "unknown"]},
    ),
)
_LAB = _answer("text/html")
_TAGGED = {"headers": {"ETag": {"schema": _ETAG, "required": True}}}
_WRITTEN = _answer("application/json", _object(status={"const": "written"}), **_TAGGED)
_LIST = _object(keys={"type": "array", "items": _object(key=_KEY, etag=_ETAG)}, cursor={"type": ["string", "null"]})
_CONSISTENT = _parameter("consistent", {"type": "boolean", "default": True})
_NEEDED = _parameter("key", _KEY, required=True)
_HERE = _parameter("key", _KEY, "path", required=True)
_KNOWN = _parameter("If-None-Match", _TEXT, "header")
_MATCH = _parameter("If-Match", {**_TEXT, "pattern": rf"^(\*|{_TAG})$"}, "header")
_ABSENT = _parameter("If-None-Match", {"const": "*"}, "header")
_LIMIT = {"type": "integer", "minimum": 1, "maximum": MAX_LIST, "default": 100}

PATHS: Dict[str, Any] = {
    "/health": {"get": _operation("health", _LAB)},
    "/ready": {"get": _operation("ready", _LAB)},
    "/metrics": {"get": _operation("metrics", _answer("text/plain"))},
    "/openapi.json": {"get": _operation("openapi", _answer("application/json", {"type": "object"}))},
    "/write": {"get": _operation("write", _LAB, _NEEDED, _parameter("value", _VALUE, required=True))},
    "/read": {"get": _operation("read", _LAB, _NEEDED, _CONSISTENT)},
    "/v1/keys": {
        "get": _operation(
            "list_keys",
            _answer("application/json", _LIST),
            _parameter("prefix", {**_TEXT, "maxLength": MAX_KEY}),
            _parameter("limit", _LIMIT),
            _parameter("cursor", _TEXT),
            _CONSISTENT,
        )
    },
    "/v1/keys/{key}": {
        "parameters": [_HERE],
        "get": _operation("get_key", _answer("*/*", **_TAGGED), _CONSISTENT, _KNOWN),
        "put": _operation(
            "put_key", _WRITTEN, _MATCH, _ABSENT, requestBody={"required": True, "content": {"*/*": {"schema": _VALUE}}}
        ),
        "delete": _operation("delete_key", {"description": "no key is there"}, _MATCH, status="204"),
    },
}
"""Every operation; 304, which a GET of a known version answers, has no body to describe."""

DOCUMENT = {"openapi": "3.1.0", "info": {"title": "srekv", "version": "1"}, "paths": PATHS}
