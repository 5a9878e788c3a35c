"""The service's HTTP API, from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reference.markdown import page, table
from srekv.app.model import MAX_ITEM, MAX_KEY, MAX_LIST, OVERHEAD
from srekv.app.openapi import document

SAYS = {
    "health": "200 while the process serves; looks at nothing else. Route 53's checkers ask this.",
    "ready": "200 when the table answers, 503 otherwise. For deployments and dashboards, never for DNS.",
    "metrics": "Figures for Prometheus.",
    "openapi": "The document that this page is made from.",
    "write": 'The lab\'s: stores the value, answers `{"status": "written"}`.',
    "read": "The lab's: the item as JSON, `{}` when there is none.",
    "list_keys": "Keys and their ETags, in no order, and a cursor while there is more: ask again with it until null.",
    "get_key": "The value, byte for byte, with its ETag; 404 when there is none, 304 when the ETag is known.",
    "put_key": "Stores the body. `If-Match` demands a version, `If-None-Match: *` that there is none: 412 otherwise.",
    "delete_key": "Removes the key; removing an absent one is fine. `If-Match` demands a version: 412 otherwise.",
}

HEAD = f"""\
Each node serves this, and the stack's name leads to the node that is in charge: `curl http://svc.sre-test.local/...`
inside the VPC. Reads are consistent unless `consistent=false` asks for the cheaper kind. A key has at most {MAX_KEY}
bytes, key and value together {MAX_ITEM - OVERHEAD:,}, a page of a listing {MAX_LIST:,} keys.

An ETag is the item's version, a number that only grows, also across a delete. Answers that are no success are
`application/problem+json` (RFC 9457) with `status`, `title`, `detail`, `error` and `reason`; a write that failed adds
`outcome`: `failed` (certainly without effect) or `unknown` (it may have taken effect). Every answer has an
`X-Request-Id`. How it works inside: [the service](../explanation/service.md)."""


def service() -> str:
    """The page."""
    paths: Mapping[str, Mapping[str, Any]] = document()["paths"]
    sections = (
        _section(path, method, operation) for path, methods in paths.items() for method, operation in methods.items()
    )
    return page("HTTP API", HEAD, *sections)


def _section(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [f"## {method.upper()} {path}", SAYS[operation["operationId"]]]
    rows = list(_inputs(operation))
    if rows:
        parts.append(table(("input", "in", "required", "values"), rows))
    return "\n\n".join(parts)


def _inputs(operation: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for one in operation["parameters"]:
        yield f"`{one['name']}`", one["in"], "yes" if one["required"] else "", _values(one["schema"])
    if "requestBody" in operation:
        yield "the value", "body", "yes", "any bytes, at least one"


def _values(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "pattern" in schema:
        return f"matches `{schema['pattern']}`"
    least = schema.get("minimum", schema.get("minLength"))
    most = schema.get("maximum", schema.get("maxLength"))
    unit = " bytes" if "maxLength" in schema else " characters" if "minLength" in schema else ""
    limits = f", {least} to {most}{unit}" if most is not None else f", at least {least}{unit}" if least else ""
    return {"string": "text", "integer": "a number", "boolean": "`true` or `false`"}[schema["type"]] + limits
