"""Control characters of names, tags, histories, answers and arguments are shown as escapes, wherever they are shown."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from click.testing import CliRunner

from srekv.cli import run
from srekv.commands.down import confirm
from srekv.errors import SrekvError
from srekv.local.control import MACHINES
from srekv.provision.model import Change, Resource
from srekv.ui import exits as endings
from srekv.ui.console import Narration, Screen, grid, plain_table, plan_table, resource_table
from srekv.ui.text import Text
from srekv.ui.visible import visible
from srekv.watch.draw import line
from srekv.watch.model import Event

CONTROLS = [chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F))]
CONTROLS += ["\u2066", "\u2067", "\u2068", "\u2069"]
MARKUP = "[[i-1]] [bold] [/red] :bug:"
MARKED = MARKUP + "".join(f"<{one}>" for one in CONTROLS)
"""Text that rich would interpret, and each control character in brackets: rich's own sequences are no finding."""

CLIPBOARD = "\x1b]52;c;cm0=\x07\x1b]0;title\x07\x9b2J\r\u202ek"
"""Writes the clipboard (OSC 52), sets the title (OSC 0), clears the screen (CSI), overwrites and reverses a line."""


def test_the_truth_table() -> None:
    """C0, DEL, C1 and the bidirectional overrides are escapes; newline, tab and every other letter stay."""
    assert visible("\x00\x07\x1b\x7f\x80\x9f\u202e\u2066") == r"\x00\x07\x1b\x7f\x80\x9f\u202e\u2066"
    assert visible("a\n\tclé \u4e2d\U0001f600 \xa0\\x1b") == "a\n\tclé \u4e2d\U0001f600 \xa0\\x1b"


def _change(text: str) -> Change:
    return Change(section=text, kind=text, name=text, id=text, action="create", detail=text, next_step=text)


def _table(text: str) -> object:
    table = plain_table(text, title=text)
    table.add_row(text)
    return table


WAYS: dict[str, Callable[[Screen, str], object]] = {
    "string": lambda screen, text: screen.show(text),
    "text": lambda screen, text: screen.show(Text(text, "dim").append(text)),
    "assembled": lambda screen, text: screen.show(Text.assemble(text, (text, "bold"))),
    "grid": lambda screen, text: screen.show(grid((text, text))),
    "table": lambda screen, text: screen.show(_table(text)),
    "plan": lambda screen, text: screen.show(plan_table([_change(text)])),
    "resources": lambda screen, text: screen.show(
        resource_table([Resource(kind=text, id=text, name=text, state=text)])
    ),
    "event": lambda screen, text: screen.show(
        line(Event(at=datetime.now(UTC), subject="stack", text=text, tone="bad"))
    ),
    "line": lambda screen, text: screen.line(text),
    "aside": lambda screen, text: screen.aside(text),
    "warning": lambda screen, text: screen.warn(text),
    "error": lambda screen, text: screen.failed(SrekvError(text, why=text, next_step=text)),
    "document": lambda screen, text: screen.document({text: text}),
    "row": lambda screen, text: screen.document({text: [text]}, indent=None),
}


NARRATED: dict[str, Callable[[Narration, str], object]] = {
    "changed": lambda narration, text: narration.changed(_change(text)),
    "note": lambda narration, text: narration.note(text),
    "warn": lambda narration, text: narration.warn(text),
    "waiting": lambda narration, text: narration.waiting(text, text),
    "busy": lambda narration, text: narration.busy(text).__enter__(),
    "finished": lambda narration, text: narration.finished(text, text),
}


def _print(way: str, screen: Screen, text: str) -> None:
    if way in WAYS:
        WAYS[way](screen, text)
        return
    with screen.progress() as narration:
        NARRATED[way](narration, text)


def _in_a_pipe(say: Callable[[], object]) -> str:
    page = io.StringIO()
    with redirect_stdout(page), redirect_stderr(page):
        say()
    return page.getvalue()


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize("way", [*WAYS, *NARRATED])
def test_every_way_to_print(
    way: str,
    is_terminal: bool,
    on_a_terminal: Callable[[Callable[[], object]], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Strings, styled text, tables, errors, progress, documents: in a log and on a terminal each is an escape."""
    capture = on_a_terminal if is_terminal else _in_a_pipe
    for name, value in (("TERM", "xterm"), ("COLUMNS", "9000")):
        monkeypatch.setenv(name, value)
    is_json = way in {"document", "row"}
    shown = capture(lambda: _print(way, Screen(as_json=is_json), MARKED))
    assert not [one for one in CONTROLS if f"<{one}>" in shown]
    if is_terminal or way != "busy":  # in a log it is reported only when it lasts
        escapes = [json.dumps(one)[1:-1] if is_json else visible(one) for one in CONTROLS]
        assert [one for one in escapes if f"<{one}>" not in shown] == []
        assert MARKUP in shown


def _history(path: Path) -> Path:
    """A violated drill in which every text is an attack on the terminal."""
    node = {"node": CLIPBOARD, "address": CLIPBOARD}
    base = {"client": 0, "key": CLIPBOARD, "outcome": "ok", "node": CLIPBOARD}
    lines = [
        {"event": "drill", "at": 1, "run": CLIPBOARD, "fault": CLIPBOARD, "primary": node, "secondary": node},
        {"event": "fault", "at": 1, "what": CLIPBOARD},
        {"event": "dns", "at": 2, "answer": [CLIPBOARD]},
        {"event": "health", "at": 2, "healthy": False, "check": CLIPBOARD, "reason": CLIPBOARD},
        {"event": "heal", "at": 3, "what": CLIPBOARD},
        base | {"op": "write", "value": CLIPBOARD, "invoke": 4, "complete": 5},
        base | {"op": "read", "value": CLIPBOARD * 2, "invoke": 6, "complete": 7},
        {"op": CLIPBOARD, "outcome": CLIPBOARD},
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


@pytest.mark.parametrize(
    "words",
    [
        ("check", "HISTORY"),
        ("report", "HISTORY"),
        ("compare", "HISTORY", "HISTORY"),
        ("check", CLIPBOARD),
        ("predict", "--interval", CLIPBOARD),
        ("--stack", CLIPBOARD, "status"),
        ("--region", CLIPBOARD, "status"),
        ("--target", CLIPBOARD, "status"),
        ("--target", "aws", "--profile", CLIPBOARD, "status"),
        ("up", "--os", CLIPBOARD),
        ("up", f"--{CLIPBOARD}"),
        ("kv", "get", CLIPBOARD),
        ("kv", CLIPBOARD),
        ("local", "logs"),
        (CLIPBOARD,),
    ],
    ids=lambda words: " ".join(words).replace(CLIPBOARD, "X"),
)
def test_every_source_of_a_command(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Members of a history, arguments in usage errors, names in advice: shown as escapes."""
    monkeypatch.setenv("SREKV_HOME", str(tmp_path / "srekv"))
    history = _history(tmp_path / "history.jsonl")
    console = tmp_path / "srekv" / "local" / MACHINES / "i-1" / "console.log"
    console.parent.mkdir(parents=True)
    console.write_text(CLIPBOARD)
    run([str(history) if one == "HISTORY" else one for one in words])
    told = "".join(capsys.readouterr())
    assert told
    assert not set(told) & set(CONTROLS)


def test_a_question() -> None:
    """What `down` and `sweep` ask before they remove something names stacks."""
    with CliRunner().isolation("n\n") as (_, err, _):
        assert not confirm(CLIPBOARD)
        assert visible(CLIPBOARD) in err.getvalue().decode()


def test_a_defect(capsys: pytest.CaptureFixture[str]) -> None:
    """SREKV_DEBUG shows where an error comes from that nobody foresaw: with its message, whatever that holds."""

    @click.command("break")
    def breaks() -> None:
        raise RuntimeError(CLIPBOARD)

    assert endings.run(click.Group(commands=[breaks]), ["break"], debug=True) == SrekvError.exit_code
    told = capsys.readouterr().err
    assert f"RuntimeError: {visible(CLIPBOARD)}" in told
    assert not set(told) & set(CONTROLS)


@pytest.mark.parametrize("name", ["report.html", "junit.xml"])
def test_the_files_of_a_report_show_escapes(name: str, tmp_path: Path) -> None:
    """They are read with `less` and `grep` too, and an override would show a browser's reader another text."""
    run(["report", str(_history(tmp_path / "history.jsonl"))])
    text = (tmp_path / name).read_bytes().decode()
    assert visible(CLIPBOARD) in html.unescape(text)
    assert not set(text) & set(CONTROLS)


def test_junit_is_xml_whatever_the_run_is_called(tmp_path: Path) -> None:
    """Names and messages hold no character that XML lacks."""
    run(["report", str(_history(tmp_path / "history.jsonl"))])
    assert ET.parse(tmp_path / "junit.xml").getroot().find("testsuite") is not None
