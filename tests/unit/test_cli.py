"""The command line itself: every command and option explains itself, and errors have their exit code."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from reference.commands import contexts

from srekv.cli import COMMANDS as LISTED
from srekv.cli import main_group, run
from srekv.config import Config
from tests.support.command import srekv

INTERFACE = {
    "": "--target --stack --region --profile --output",
    "up": "--wait --dry-run --vpc-id --azs --subnet --fix-vpc --instance-type --os --ami --key-name --create-key "
    "--allow-cidr --zone --record --port --interval --threshold --ttl --deletion-protection --alarms --speed",
    "failover": "--back",
    "failover-test": "--fault --report",
    "down": "--yes",
    "status": "--watch",
    **dict.fromkeys(("test", "check", "kv put", "kv get", "kv delete"), ""),
    **dict.fromkeys(("local status", "local logs", "local env", "local stop"), ""),
}
"""Commands and options of the interface that must be there; more may come."""

READ = '{"client": 1, "op": "read", "key": "k", "value": null, "invoke": 3, "complete": 4, "outcome": "ok"}\n'
"""A history in which a key that was never written is read as absent."""

LOST = (
    '{"client": 0, "op": "write", "key": "k", "value": "a", "invoke": 1, "complete": 2, "outcome": "ok"}\n'
    '{"client": 1, "op": "read", "key": "k", "value": "b", "invoke": 3, "complete": 4, "outcome": "ok"}\n'
)
"""A history in which a value is read that was never written."""

ALL = {context.command_path.removeprefix("srekv").strip(): context.command for context in contexts()}


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_has_help(name: str) -> None:
    """A sentence for each command, the one that `srekv --help` has without importing it, and one for each option."""
    command = ALL[name]
    first, _, _ = (command.help or "").partition("\n\n")
    assert " ".join(first.split()) == LISTED.get(name, first) != ""
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.opts}"


@pytest.mark.parametrize("name", INTERFACE)
def test_the_interface_is_there(name: str) -> None:
    """No command and no option of the interface is missing; each setting of `up` is a field of Config."""
    parameters = {option: one.name for one in ALL[name].params for option in one.opts}
    assert parameters.keys() >= set(INTERFACE[name].split())
    settings = {parameters[option] for option in INTERFACE["up"].split()} if name == "up" else set()
    assert settings - Config.__dataclass_fields__.keys() <= {"wait", "dry_run"}


@pytest.mark.parametrize("name", sorted(ALL.keys() - {"", "kv", "kv put", "local"}))
def test_options_have_the_defaults_of_the_command_line(name: str, tmp_path: Path) -> None:
    """The dataclass of a command that is made in Python is the one that a command line without options makes."""
    module = sys.modules[f"srekv.commands.{name.split(maxsplit=1)[0].replace('-', '_')}"]
    kind = getattr(module, "Options", dict)
    required = [one.name for one in ALL[name].params if isinstance(one, click.Argument)]
    typed = ALL[name].make_context(name, ["bash" if one == "shell" else str(tmp_path) for one in required]).params
    assert kind(**typed) == kind(**{one: typed[one] for one in required})


def test_the_list_of_commands_fits() -> None:
    """At 80 columns no command's first sentence is cut off, and they come in the order in which they are met."""
    text = CliRunner().invoke(main_group, ["--help"], terminal_width=80).output
    commands = text.partition("Commands:")[2].splitlines()[1:]
    assert not [line for line in commands if line.endswith("...") or len(line) > 80]
    assert [line.split()[0] for line in commands][:3] == ["up", "test", "failover"]


EXAMPLES = [
    line.removeprefix("$ ")
    for command in ALL.values()
    for line in (command.help or "").splitlines()
    if line.startswith("$ ")
]


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.startswith("srekv ")])
def test_examples_are_understood(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command line of a help text has commands, options and values that there are."""
    monkeypatch.chdir(tmp_path)
    for directory in ("baseline", "report", "srekv-drills/1f2e3d4c"):
        Path(directory).mkdir(parents=True)
    for file in ("srekv-drills/1f2e3d4c/history.jsonl", "history.edn"):
        Path(file).touch()
    command: click.Command | None = main_group
    name, arguments = "srekv", shlex.split(example.partition(" > ")[0])[1:]
    while isinstance(command, click.Group):
        context = command.make_context(name, arguments)
        name, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None
    assert command.make_context(name, arguments)


def test_examples_keep_their_lines() -> None:
    """In the help each stands on a line of its own, as it is to be typed."""
    text = CliRunner().invoke(main_group, ["sweep", "--help"]).output
    assert "\n  $ srekv sweep --dry-run\n" in text
    assert len(EXAMPLES) > 20


def test_nothing_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`srekv` alone shows the commands to start with, whether a local cloud runs, and where help is."""
    monkeypatch.setenv("SREKV_HOME", str(tmp_path))
    assert run([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for words in ("srekv up", "srekv test", "srekv failover-test", "srekv down", "--help", "Local cloud: none runs"):
        assert words in out
    assert max(map(len, out.splitlines())) <= 80
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("srekv, version ")


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("--stack", "demo"), "a command is missing"),
        (("--quiet", "--verbose", "status"), "--quiet and --verbose exclude each other"),
        (("dwon",), "did you mean srekv down?"),
        (("local", "stp"), "did you mean srekv local stop?"),
        (("--stack", "demo", "stats"), "did you mean srekv --stack demo status?"),
        (("up", "--dryrun"), "did you mean --dry-run?"),
        (("--target", "awz", "up"), "did you mean --target aws?"),
        (("kv", "get", "--output", "json", "k"), "it stands before the command: srekv --output OUTPUT kv get"),
        (("up", "-q"), "it stands before the command: srekv -q up"),
        (("up", "--os", "al2024"), "did you mean --os al2023?"),
        (("up", "--os", "al2"), "to accept that: srekv up --os al2 --unsupported"),
        (("up", "--os", "al2", "--dry-run"), "Amazon Linux 2 is past its end of support"),
        (("failover-test", "--fault", "gray-failur"), "did you mean --fault gray-failure?"),
        (("failover-test", "--break", "lost"), "did you mean --break lost-writes?"),
        (("failover-test", "--clients", "ttl,retries"), "did you mean --clients retry?"),
        (("predict", "--interval", "20"), "did you mean 10?"),
        (("predict", "--threshold", "11"), "nearest: 10"),
        (("predict", "--ttl", "-1"), "nearest: 0"),
        (("check",), "missing argument 'FILE'"),
        (("check", "no-such-file"), "does not exist"),
        (("up", "--ttl", "soon"), "not a valid integer"),
        (("up", "--dns-port", "70000"), "70000"),
        (("up", "--speed", "fast"), "expected auto or a number"),
        (("up", "--speed", "0"), "--speed: 0"),
        (("up", "--allow-cidr", "10.1.2.3/8"), "did you mean 10.0.0.0/8?"),
        (("--stack", "My_Stack", "up"), "did you mean my-stack?"),
        (("--region", "us-east-11", "up"), "did you mean us-east-1?"),
        (("kv", "put", "k", "v" * 70_000), "70000 bytes"),
    ],
)
def test_usage_errors(words: tuple[str, ...], printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be understood is refused with exit code 2, and the nearest of what there is is named."""
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert printed in " ".join(err.split())


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ((), "next: srekv up"),
        (("--stack", "demo"), "next: srekv --stack demo up"),
        (("-q", "--stack=demo", "--region", "eu-west-1"), "next: srekv --stack demo --region eu-west-1 up"),
        (("--stack", "test", "--region", "eu-west-1"), "next: srekv --stack test --region eu-west-1 up"),
        (("--profile", r"a\1 b"), r"next: srekv --profile 'a\1 b' up"),
    ],
)
def test_advice_is_about_the_same_stack(
    options: tuple[str, ...],
    advice: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A command that an error names can be copied: it has the options that chose the stack."""
    monkeypatch.setenv("SREKV_HOME", str(tmp_path))
    assert run([*options, "test"]) == 3
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize(("history", "code", "verdict"), [(READ, 0, "held"), (LOST, 1, "violated"), ("", 4, "inconcl")])
def test_a_verdict_is_an_exit_code(
    tmp_path: Path, history: str, code: int, verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` exits 0 when the history held, 1 when it is violated, 4 when it is inconclusive, and prints which."""
    (tmp_path / "h.jsonl").write_text(history)
    assert run(["check", str(tmp_path / "h.jsonl")]) == code
    assert verdict in "".join(capsys.readouterr())


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk or a foreign directory is no defect of srekv's: the file and the system's reason, exit 3."""
    (tmp_path / "h.jsonl").write_text(READ)
    (tmp_path / "file").write_text("")
    assert run(["report", str(tmp_path / "h.jsonl"), "--dir", str(tmp_path / "file" / "report")]) == 3
    err = capsys.readouterr().err.replace("\n", "")
    assert "Not a directory" in err
    assert "internal error" not in err


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    """`srekv --help | head -0`: a closed pipe is no error and leaves no noise."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        os.close(reading)
        done = srekv("--help", home=tmp_path, stdout=pipe)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_output_that_the_shell_closed(tmp_path: Path) -> None:
    """`srekv ... >&-`: the exit code is the command's."""
    done = srekv("--output", "json", "predict", home=tmp_path, through=("sh", "-c", 'exec "$@" >&-', "sh"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_under_the_output_is_no_defect(tmp_path: Path) -> None:
    """`srekv predict > log` where there is no room: the system's reason, exit 3, and nothing to report."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = srekv("predict", home=tmp_path, stdout=full)
    assert done.returncode == 3
    assert "No space left" in done.stderr
    assert "internal error" not in done.stderr


def test_a_terminal_without_utf_8_gets_what_it_can_show(tmp_path: Path) -> None:
    """A verdict about a key of other letters is the same verdict."""
    (tmp_path / "h.jsonl").write_text(LOST.replace('"k"', '"clé"'), encoding="utf-8")

    done = srekv("check", str(tmp_path / "h.jsonl"), home=tmp_path, PYTHONIOENCODING="ascii:strict")

    assert done.returncode == 1
    assert "cl?" in done.stdout
