"""Texts that the refusals of several services share, in AWS's words."""

from __future__ import annotations

from collections.abc import Iterable


def broken_constraint(value: object, place: str, demand: str) -> str:
    """A member of a request that is not as its model demands: "have value less than or equal to 255", for example."""
    return (
        f"1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: Member must {demand}"
    )


def invalid_xml(details: str) -> str:
    """A body that Route 53 cannot read (aws-recorded R31, R35)."""
    return f"Invalid XML ; javax.xml.stream.XMLStreamException: org.xml.sax.SAXParseException; {details}"


def not_in_enumeration(value: object, allowed: Iterable[object]) -> str:
    """A word or a number that Route 53's schema does not list."""
    return invalid_xml(
        f"lineNumber: 1; columnNumber: 1; cvc-enumeration-valid: Value '{value}' is not facet-valid with respect to "
        f"enumeration '[{', '.join(map(str, allowed))}]'. It must be a value from the enumeration."
    )
