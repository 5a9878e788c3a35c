"""The names of records as a listing of Route 53 has them, and as a person reads them."""

from __future__ import annotations

import pytest

from srekv.provision.queries import label, readable

NAMES = {
    r"\052.apps.test.": "*.apps.test.",
    r"a\100b.test.": "a@b.test.",
    "a_b-1.test.": "a_b-1.test.",
    r"a\056b.test.": r"a\056b.test.",
    r"a\134b.test.": r"a\134b.test.",
    r"\033[31m.test.": r"\033[31m.test.",
    r"a\040b\344.test.": r"a\040b\344.test.",
}


@pytest.mark.parametrize(("listed", "read"), NAMES.items())
def test_an_escaped_name_is_read_as_it_was_meant(listed: str, read: str) -> None:
    """Not what would make it another name, or what a terminal would obey."""
    assert readable(listed) == read


def test_a_record_s_label_is_for_people() -> None:
    """Name, type and identifier, as far as there are any."""
    assert label({"Name": r"\052.test.", "Type": "A", "SetIdentifier": "az1"}) == "*.test./A/az1"
    assert label({"Name": "a.test.", "Type": "TXT"}) == "a.test./TXT"
