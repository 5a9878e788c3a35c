"""The life of a stack: tokens and references that everybody makes alike, and the look whether it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from srekv.provision.engine.generation import EndedError, Generation
from srekv.provision.naming import NODES, Names

STACKS = st.from_regex(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True)
ORDINALS = st.integers(0, 19)


@dataclass
class Iam:
    """An IAM with at most one role; `unseen`: so many looks do not show it yet."""

    role_id: str = ""
    unseen: int = 0
    looks: int = field(default=0, init=False)

    def get_role(self, *, RoleName: str) -> dict[str, Any]:  # noqa: N803 - as IAM names it
        """The role, if there is one that shows."""
        self.looks += 1
        if not self.role_id or self.looks <= self.unseen:
            raise ClientError({"Error": {"Code": "NoSuchEntity", "Message": RoleName}}, "GetRole")
        return {"Role": {"RoleId": self.role_id, "RoleName": RoleName}}


@dataclass
class Account:
    """Clients of an account of which only IAM is asked."""

    iam: Any


def _life(role_id: str, *, stack: str = "srekv", iam: Iam | None = None) -> Generation:
    life = Generation(Account(iam or Iam()), Names(stack))  # type: ignore[arg-type]
    life.begin({"RoleId": role_id})
    return life


@given(STACKS, st.sampled_from([*NODES, "zone"]), ORDINALS)
def test_references_are_the_same_for_everybody(stack: str, what: str, ordinal: int) -> None:
    """Two runs in one life make the same reference; it says whose it is, fits, and no other life has it."""
    names = Names(stack)
    one = _life("AROAONE", stack=stack).reference(what, ordinal)
    assert one == _life("AROAONE", stack=stack).reference(what, ordinal)
    assert one != _life("AROATWO", stack=stack).reference(what, ordinal)
    assert one != _life("AROAONE", stack=stack).reference(what, ordinal + 1)
    assert one.startswith(names.reference_prefix(what))
    assert len(one) <= 64


@given(st.lists(st.text(), max_size=4), ORDINALS)
def test_tokens_are_the_same_for_everybody(parts: list[str], ordinal: int) -> None:
    """Two runs in one life have the same token for the same parameters, another life another one; at most 64 ASCII."""
    one = _life("AROAONE").token(*parts, ordinal=ordinal)
    assert one == _life("AROAONE").token(*parts, ordinal=ordinal)
    assert one != _life("AROATWO").token(*parts, ordinal=ordinal)
    assert one != _life("AROAONE").token(*parts, "more", ordinal=ordinal)
    assert one.isascii()
    assert len(one) <= 64


def test_a_role_that_does_not_show_yet() -> None:
    """IAM may not show a new role for a moment: one look is not enough to give a stack up."""
    assert _life("AROAONE", iam=Iam("AROAONE", unseen=2)).role() == {
        "RoleId": "AROAONE",
        "RoleName": Names("srekv").role,
    }


def test_a_young_role_gets_more_time() -> None:
    """One that this run has made may stay unseen for seconds; taken for gone, a whole new stack would be removed."""
    life = Generation(Account(Iam("AROAONE", unseen=3)), Names("srekv"))  # type: ignore[arg-type]
    life.begin({"RoleId": "AROAONE"}, young=True)
    assert life.role() is not None


@pytest.mark.parametrize("now", ["", "AROATWO"])
def test_a_life_that_is_over(now: str) -> None:
    """The role is gone, or another one of that name: a wait ends with what happened and what to do."""
    life = _life("AROAONE", iam=Iam(now))
    assert life.role() is None
    with pytest.raises(EndedError) as caught:
        life.watch()
    assert "down" in caught.value.why
    assert " left" not in caught.value.why
    assert "what is left is unknown" in str(caught.value.next_step)
    assert "srekv down" in str(caught.value.next_step)


@pytest.mark.parametrize(
    ("left", "why", "next_step"),
    [(0, "nothing left", "srekv up creates it again"), (3, "3 left", "srekv down removes what is left")],
)
def test_what_is_left_of_a_life(left: int, why: str, next_step: str) -> None:
    """Said by whoever has listed it."""
    ended = _life("AROAONE").ended(left=left)
    assert ended.why.endswith(why)
    assert str(ended.next_step) == next_step


def test_waits_ask_seldom() -> None:
    """All waits of a run share the look, and it is taken again after a while only."""
    iam = Iam("AROAONE")
    life = _life("AROAONE", iam=iam)
    for _ in range(50):
        life.watch()
    assert iam.looks == 1


def test_a_run_without_a_role_asks_nothing() -> None:
    """`down` and `status` never begin a life: their waits cost no call."""
    iam = Iam()
    Generation(Account(iam), Names("srekv")).watch()  # type: ignore[arg-type]
    assert iam.looks == 0
