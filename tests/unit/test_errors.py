"""One tree of errors: three parts, and an exit code that means something."""

from __future__ import annotations

import pytest

from srekv import errors
from srekv.errors import (
    FindingError,
    ImmutableError,
    NotOursError,
    SrekvError,
    TimeoutExceeded,
    UnknownError,
    UsageError,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (SrekvError, 3),
        (UsageError, 2),
        (FindingError, 1),
        (UnknownError, 4),
        (TimeoutExceeded, 3),
        (NotOursError, 3),
        (ImmutableError, 3),
    ],
)
def test_exit_codes(kind: type[SrekvError], code: int) -> None:
    """The codes of the interface: 1 the answer is no, 2 usage, 3 could not, 4 unknown."""
    assert kind.exit_code == code


def test_one_root() -> None:
    """Every error of the package is a SrekvError, so the command line needs to know one class."""
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]
    assert all(issubclass(kind, SrekvError) for kind in kinds)
    assert len(kinds) == 7


def test_three_parts_in_order() -> None:
    """What, why, what next; a part that is not known takes no line."""
    error = SrekvError("it broke", why="too hot", next_step="cool it")
    assert error.lines() == ("it broke", "why: too hot", "next: cool it")
    assert str(error) == "it broke\nwhy: too hot\nnext: cool it"
    assert SrekvError("it broke").lines() == ("it broke",)


def test_immutable_names_field_have_and_want() -> None:
    """The three things that a person must know about a field that cannot change."""
    error = ImmutableError("instance x", field="type", have="t2.micro", want="t3.micro", next_step="srekv down")
    assert (error.field, error.have, error.want) == ("type", "t2.micro", "t3.micro")
    assert error.lines() == (
        "instance x: type cannot be changed",
        "why: it is t2.micro, you asked for t3.micro",
        "next: srekv down",
    )
