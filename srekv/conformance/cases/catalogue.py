"""Every case there is."""

from __future__ import annotations

from srekv.conformance.cases import checks, compute, launches, operations, records, roles, tables, values, zones
from srekv.conformance.cases.model import Case

_MODULES = (zones, records, checks, compute, roles, tables, operations, launches)

CASES: tuple[Case, ...] = (
    *(value for module in _MODULES for value in vars(module).values() if isinstance(value, Case)),
    *values.CASES,
)
"""In the order in which they are asked."""
