"""Errors in three parts, and advice whose commands are values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from srekv import errors
from srekv.errors import CommandLine, ImmutableError, SrekvError


def test_three_parts_in_order() -> None:
    """What, why, what next; a part that is not known takes no line."""
    error = SrekvError("it broke", why="too hot", next_step="cool it")
    assert str(error) == "it broke\nwhy: too hot\nnext: cool it"
    assert str(SrekvError("it broke")) == "it broke"


def test_a_message_keeps_its_commands() -> None:
    """A warning of an error has them as values, too."""
    error = SrekvError("it broke", next_step=CommandLine("srekv up") + " repairs it")
    assert ("again: " + error.message).render(str.upper) == "again: it broke\nnext: SREKV UP repairs it"


def test_immutable_names_field_have_and_want() -> None:
    """The three things that a person must know about a field that cannot change."""
    error = ImmutableError("instance x", field="type", have="t2.micro", want="t3.micro", next_step="srekv down")
    assert (error.field, error.have, error.want) == ("type", "t2.micro", "t3.micro")
    assert str(error).splitlines() == [
        "instance x: type cannot be changed",
        "why: it is t2.micro, you asked for t3.micro",
        "next: srekv down",
    ]


def test_a_command_keeps_its_text_around_it() -> None:
    """Text and further commands may stand on either side; each command is completed on its own."""
    advice = "stop it: " + CommandLine("srekv down") + ", or " + CommandLine("aws ec2 stop-instances") + "; then wait"
    assert str(advice) == "stop it: srekv down, or aws ec2 stop-instances; then wait"
    assert advice.render(str.upper) == "stop it: SREKV DOWN, or AWS EC2 STOP-INSTANCES; then wait"


ABOUT_A_STACK = "up|test|failover|failover-test|down|status|kv|sweep|doctor|policy"
NAMED = re.compile(rf"\bsrekv ({ABOUT_A_STACK})\b|\baws (?!configure)[a-z0-9]+ [a-z]+-")
SOURCES = Path(errors.__file__).parent


def _advice(tree: ast.AST) -> Iterator[ast.AST]:
    """What is given as a next step or a fix, or as a warning or a note, without the commands in it."""
    for one in ast.walk(tree):
        if isinstance(one, ast.keyword) and one.arg in {"next_step", "fix"}:
            yield from _outside_commands(one.value)
        elif isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in {"warn", "note"}:
            yield from _outside_commands(one.args[0])


def _outside_commands(node: ast.AST) -> Iterator[ast.AST]:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "CommandLine"):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _outside_commands(child)


def test_a_command_in_advice_is_no_plain_text() -> None:
    """A command about a stack that is plain text would be printed without the options that choose the stack."""
    plain = [
        f"{file.relative_to(SOURCES)}:{one.lineno}: {one.value}"
        for file in SOURCES.rglob("*.py")
        for one in _advice(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and NAMED.search(one.value)
    ]
    assert plain == []
