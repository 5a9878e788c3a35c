"""What a person sees and what a script sees: lines for the one, one JSON document for the other."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pty
import re
import sys
import threading
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from srekv.errors import CommandLine, SrekvError
from srekv.provision.model import Change, Deployment
from srekv.ui.console import Narration, Screen, changes_json, plan_table, reach, tally
from srekv.ui.context import Selection
from tests.support.deployment import make_deployment

DEADLINE_S = 60

CHANGES = tuple(
    Change(section="DynamoDB", kind="table", name=f"T{number}", id=f"arn:aws:x/T{number}", action=action, detail="why")
    for number, action in enumerate(("create", "create", "leave", "change", "delete"))
)
NODE = make_deployment().nodes[0]


def test_json_is_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """With JSON, progress, warnings and errors go to stderr; stdout is one document."""
    screen = Screen(as_json=True)
    with screen.progress() as narration:
        narration.started("DynamoDB")
        narration.changed(CHANGES[0])
        narration.warn("careful")
        narration.finished("DynamoDB", "done")
    screen.show("for people")
    screen.failed(SrekvError("it broke", why="too hot", next_step="cool it"))
    screen.document({"changes": changes_json(narration.changes)})
    out, err = capsys.readouterr()
    assert [one["name"] for one in json.loads(out)["changes"]] == ["T0"]
    assert "for people" not in out + err
    for words in ("created table T0", "careful", "it broke", "why: too hot", "next: cool it"):
        assert words in err


def test_text_has_no_document(capsys: pytest.CaptureFixture[str]) -> None:
    """Without JSON, changes and results are lines on stdout, whole in a log, and the document is not shown."""
    sentence = "word " * 40 + "end"
    screen = Screen(as_json=False)
    with screen.progress() as narration:
        for change in CHANGES:
            narration.changed(change)
    screen.show(sentence)
    screen.document({"only": "json"})
    screen.warn(sentence)
    screen.failed(SrekvError(sentence, next_step=sentence))
    out, err = capsys.readouterr()
    assert "only" not in out
    for words in ("created table T0", "left alone table T2", "changed table T3", "deleted table T4", f"\n{sentence}\n"):
        assert words in out
    assert err.splitlines() == [f"warning: {sentence}", f"error: {sentence}", f" next: {sentence}"]
    assert tally(CHANGES, dry=False) == "2 created, 1 changed, 1 left alone, 1 deleted"
    assert tally((), dry=False) == "nothing to do"


def test_advice_is_about_the_stack(capsys: pytest.CaptureFixture[str]) -> None:
    """A command in a note, a warning or a change is completed with the options that choose the stack."""
    stack = Selection(target="aws", stack="blue", region=None, profile=None)
    advice = "again: " + CommandLine("srekv up") + "!"
    with Screen(as_json=False, render=stack.render).progress() as narration:
        narration.note(advice)
        narration.warn(advice)
        narration.changed(dataclasses.replace(CHANGES[0], next_step=advice))
    completed = "again: srekv --target aws --stack blue up!"
    assert [completed in text for text in capsys.readouterr()] == [True, True]
    assert narration.changes[0].next_step == narration.warnings[0] == completed


def test_quiet_still_warns(capsys: pytest.CaptureFixture[str]) -> None:
    """--quiet hides progress, also what is still under way; warnings come once each, on stderr."""
    with Narration(Screen(as_json=False, quiet=True), dry=False, beat_s=0.001) as narration, narration.busy("EC2"):
        narration.waiting("EC2", "the instances")
        narration.changed(CHANGES[0])
        narration.note("a detail")
        narration.warn("careful")
        narration.warn("careful")
    out, err = capsys.readouterr()
    assert (out, err.count("careful")) == ("", 1)


class Page(io.StringIO):
    """A log with an event for when some words are written."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self._awaited = awaited
        self.written = threading.Event()

    def write(self, text: str) -> int:
        """Keep it."""
        length = super().write(text)
        if self._awaited in self.getvalue():
            self.written.set()
        return length


def test_a_log_is_not_silent_for_long() -> None:
    """Without a terminal a wait is told when it begins; what goes on for long is told again, with its own time."""
    page = Page("still: ")
    with redirect_stdout(page), Narration(Screen(as_json=False), dry=False, beat_s=0.01) as narration:
        narration.started("EC2")
        narration.waiting("Route 53", "the health checks to pass")
        assert page.written.wait(DEADLINE_S)
        narration.waited("Route 53", "the health checks to pass")
    first, second, *_ = page.getvalue().splitlines()
    assert re.fullmatch(r" +0\.\d s  Route 53: waiting for the health checks to pass", first)
    assert re.fullmatch(r" +0\.\d s  still: EC2 \(0 s\); Route 53: waiting for .* \(0 s\)", second)
    assert "\x1b" not in page.getvalue()


def test_a_log_reports_how_far_it_is() -> None:
    """What goes on is told with the last that it reported of itself."""
    page = Page("still: ")
    with (
        redirect_stdout(page),
        Narration(Screen(as_json=False), dry=False, beat_s=0.01) as narration,
        narration.busy("judging [1]") as advance,
    ):
        advance("1 of 9 keys")
        advance("2 of 9 keys")
        assert page.written.wait(DEADLINE_S)
    assert re.match(r" +0\.\d s  still: judging \[1\]: 2 of 9 keys \(0 s\)", page.getvalue())


def test_what_has_ended_is_not_under_way(capsys: pytest.CaptureFixture[str]) -> None:
    """Only what was measured is reported of it. The same wait again is no news: a log is not filled by it."""
    with Narration(Screen(as_json=False), dry=False, beat_s=5) as narration:
        with narration.busy("IAM"):
            narration.note("a detail")
        narration.finished("EC2", "done")
        for what in ("az1", "az2", "az1"):
            narration.waiting("SSM", what)
            narration.waited("SSM", what)
    printed = [line.split("s  ")[1] for line in capsys.readouterr().out.splitlines()]
    assert printed == ["a detail", "EC2: done", "SSM: waiting for az1", "SSM: waiting for az2"]


def test_colours_alone_do_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI asks for colours without being a terminal: lines in colour, nothing that moves."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    page = Page("")
    with redirect_stdout(page):
        screen = Screen(as_json=False)
        with screen.progress() as narration, narration.busy("EC2"):
            narration.note("a detail")
    assert not screen.moves
    assert "a detail" in page.getvalue()
    assert "EC2" not in page.getvalue()


def test_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes on is shown with its time and goes away; lines end at the edge; warnings stay whole among them."""
    for name, value in (("TERM", "xterm"), ("COLUMNS", "80"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    reading, writing = pty.openpty()
    with os.fdopen(reading, "rb", buffering=0) as seen, os.fdopen(writing, "w") as terminal:
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(terminal))
            stack.enter_context(redirect_stderr(terminal))
            narration = stack.enter_context(Screen(as_json=False).progress())
            stack.enter_context(narration.busy("reading"))
            narration.changed(dataclasses.replace(CHANGES[0], detail="x" * 100))
            narration.warn("careful " + "y" * 60)
        shown = ""
        while "yy\r\n" not in shown:
            shown += seen.read(65536).decode()
    assert re.search(r"reading 0:00:0\d", shown)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert re.search(r"T0  x+…\r\n", plain)
    assert f"warning: careful {'y' * 60}\r\n" in plain
    assert not re.search(r"\x1b\[[0-9;]*[34]\d", shown), "a colour"


def test_dry_runs_speak_in_the_conditional(capsys: pytest.CaptureFixture[str]) -> None:
    """A plan does not claim that something was done: no line as it goes, a table at the end."""
    screen = Screen(as_json=False)
    with screen.progress(dry=True) as narration:
        for change in CHANGES:
            narration.changed(change)
    assert capsys.readouterr().out == ""
    assert tally(CHANGES, dry=True).startswith("2 would be created, 1 would change")
    refused = Change(
        section="IAM",
        kind="role",
        name="r",
        id="",
        action="cannot change",
        detail="path a -> b",
        next_step="srekv down",
    )
    screen.show(plan_table((*narration.changes, refused)))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["!", "srekv", "+", "+", "=", "~", "-"]
    assert "cannot change  IAM" in lines[1]
    assert "path a -> b" in lines[1]


def test_many_threads_may_narrate(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps run beside each other: no line is lost or torn."""
    with Screen(as_json=False).progress() as narration:
        threads = [threading.Thread(target=narration.changed, args=(change,)) for change in CHANGES * 10]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(narration.changes) == 50
    assert all("table T" in line for line in lines)


@pytest.mark.parametrize(
    ("port", "dns_port", "shown"),
    [
        (80, 53, ("http://svc.sre-test.local", "curl http://192.0.2.1/health", "dig @127.0.0.2 svc.sre-test.local")),
        (8080, 5300, ("http://svc.sre-test.local:8080", "http://192.0.2.1:8080/health", "dig @127.0.0.2 -p 5300")),
    ],
)
def test_how_to_reach_it(capsys: pytest.CaptureFixture[str], port: int, dns_port: int, shown: tuple[str, ...]) -> None:
    """Commands that can be copied, without ports where these are the usual ones."""
    names = {"stack": "srekv", "region": "us-east-1", "zone_name": "sre-test.local", "name": "svc.sre-test.local"}
    deployment = Deployment(**names, port=port, ttl=10, table="T", nodes=(NODE,), checks=())
    Screen(as_json=False).show(reach(deployment, resolver=("127.0.0.2", dns_port)))
    out = capsys.readouterr().out
    for words in shown:
        assert words in out


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_goes_away_stops_no_work(
    stream: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends the tee of `srekv failover-test | tee log` as well: the healing that follows must not fail."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, stream, pipe)
        screen = Screen(as_json=False)
        with screen.progress() as narration, narration.busy("heal"):
            narration.note("the node starts")
            narration.changed(CHANGES[0])
            narration.warn("careful")
            screen.aside("a call")
        screen.failed(SrekvError("it broke"))
        monkeypatch.undo()
    assert narration.changes == CHANGES[:1]
    assert narration.warnings[-1] == "careful"
    out, err = capsys.readouterr()
    if stream == "stdout":
        assert out == ""
        assert err.count("output closed") == 1
    else:
        assert "created table T0" in out


def test_a_result_that_nobody_reads_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """`srekv status --watch | head -1` ends when head does."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        screen = Screen(as_json=False)
        with pytest.raises(BrokenPipeError):
            screen.line("az1 is running")
        monkeypatch.undo()
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), pipe.fileno())
