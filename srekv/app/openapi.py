"""The OpenAPI document; schemathesis holds the service to it. An operation is called as its route in /metrics."""

from typing import Any, Dict

from srekv.app.model import MAX_KEY, MAX_LIST, PROBLEM

# Name, method, path, and parameters; with ! required.
OPERATIONS = """health get /health
ready get /ready
metrics get /metrics
openapi get /openapi.json
write get /write key! value!
read get /read key! consistent
list_keys get /v1/keys prefix limit cursor consistent
get_key get /v1/keys/{key} key! consistent If-None-Match
put_key put /v1/keys/{key} key! If-Match If-None-Match
delete_key delete /v1/keys/{key} key! If-Match"""
_TEXT = {"type": "string"}
_SCHEMAS: Dict[str, Any] = {
    "key!": {**_TEXT, "minLength": 1, "maxLength": MAX_KEY},
    "value!": {**_TEXT, "minLength": 1},
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIST},
    "consistent": {"type": "boolean"},
    "If-Match": {**_TEXT, "pattern": r'^(\*|"[0-9]+")$'},
    "If-None-Match": {"const": "*"},
}


def _object(**members: Any) -> Any:
    return {"type": "object", "properties": members, "required": list(members)}


_LIST = _object(keys={"type": "array", "items": _object(key=_TEXT, etag=_TEXT)}, cursor={"type": ["string", "null"]})
_PROBLEM = _object(status={"type": "integer"}, title=_TEXT, detail=_TEXT, error=_TEXT, reason=_TEXT)


def _content(kind: str, schema: Any) -> Any:
    return {"description": "", "content": {kind: {"schema": schema}}}


def document() -> Any:
    """All of it."""
    paths: Dict[str, Any] = {}
    for line in OPERATIONS.split("\n"):
        name, method, path, *parameters = line.split()
        good = _content("application/json", _LIST) if name == "list_keys" else _content("*/*", {})
        operation = {
            "operationId": name,
            "parameters": [
                {
                    "name": one.strip("!"),
                    "in": "path" if "{" in path and "!" in one else "header" if "If" in one else "query",
                    "required": "!" in one,
                    "schema": _SCHEMAS.get(one, _TEXT),
                }
                for one in parameters
            ],
            "responses": {"2XX": good, "304": {"description": ""}, "default": _content(PROBLEM, _PROBLEM)},
        }
        if method == "put":
            operation["requestBody"] = {"required": True, **_content("application/octet-stream", _SCHEMAS["value!"])}
        paths.setdefault(path, {})[method] = operation
    return {"openapi": "3.1.0", "info": {"title": "srekv", "version": "1"}, "paths": paths}
