"""Unit files are read as systemd.service(5) says."""

from __future__ import annotations

import signal

import pytest

from srekv.local.machine.unitfile import UnitError, command, environment_file, parse

FULL = r"""
# a comment
[Unit]
Description=A service
StartLimitIntervalSec=0

[Service]
Type=exec
Environment=A=1 "B=two words"
Environment=C=%%
EnvironmentFile=-/etc/sysconfig/app
WorkingDirectory=/opt/app
ExecStartPre=/bin/true
ExecStartPre=-/bin/false
ExecStart=/bin/sh -c \
    'exec sleep 1'
Restart=on-failure
RestartSec=1min 2s
RuntimeDirectory=app other
TimeoutStopSec=500ms
KillSignal=INT

[Install]
WantedBy=multi-user.target
"""


def test_a_full_unit() -> None:
    """Every setting that is supported arrives."""
    unit = parse("app.service", FULL)
    assert unit.type == "exec"
    assert unit.environment == (("A", "1"), ("B", "two words"), ("C", "%"))
    assert unit.environment_files == ("-/etc/sysconfig/app",)
    assert unit.before == ("/bin/true", "-/bin/false")
    assert command(unit.start[0], {}, str) == (["/bin/sh", "-c", "exec sleep 1"], False)
    assert (unit.restart, unit.restart_s, unit.stop_s, unit.burst_s) == ("on-failure", 62, 0.5, 0)
    assert unit.runtime_directories == ("app", "other")
    assert unit.kill_signal == signal.SIGINT
    assert unit.wanted_by == ("multi-user.target",)


def test_defaults_are_systemds() -> None:
    """A unit that says little behaves as it would on AWS."""
    unit = parse("app.service", "[Service]\nExecStart=/bin/true\n")
    assert (unit.type, unit.restart, unit.restart_s, unit.stop_s) == ("simple", "no", 0.1, 90)
    assert (unit.burst, unit.burst_s, unit.kill_signal) == (5, 10, signal.SIGTERM)


def test_an_empty_assignment_clears() -> None:
    """A drop-in replaces ExecStart by clearing it first."""
    unit = parse("app.service", "[Service]\nExecStart=/bin/false\nExecStart=\nExecStart=/bin/true\n")
    assert unit.start == ("/bin/true",)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "no ExecStart"),
        ("ExecStart=/a\nExecStart=/b", "more than one ExecStart"),
        ("ExecStart=/a\nRestartSec=soon", "time span"),
        ("ExecStart=/a\nRestartSec=3 lightyears", "unit of time"),
        ("ExecStart=/a\nKillSignal=SIGNOPE", "not a signal"),
        ("ExecStart=/a\nType=dbus", "Type=dbus"),
        ("ExecStart=/a\nRestart=maybe", "Restart=maybe"),
        ("ExecStart=/a\nEnvironment='A=1", "cannot be split"),
    ],
)
def test_bad_units_are_refused_with_a_reason(line: str, why: str) -> None:
    """What systemd would not load is refused, and the text names the setting."""
    with pytest.raises(UnitError, match=why):
        parse("app.service", f"[Service]\n{line}\n")


def test_variables_in_commands() -> None:
    """A bare $NAME splits into words, ${NAME} does not, an unknown one is empty."""
    variables = {"MANY": "a b", "ONE": "x y"}
    assert command("/bin/echo $MANY ${ONE}! $NONE", variables, str) == (["/bin/echo", "a", "b", "x y!"], False)


def test_prefixes_of_commands() -> None:
    """A minus forgives failure; other prefixes change nothing here, and the path after them is the machine's."""
    assert command("-+/bin/false", {}, lambda text: text.replace("/bin", "/root/bin")) == (["/root/bin/false"], True)


def test_environment_files() -> None:
    """Comments are skipped, quotes removed, later lines win."""
    assert environment_file("# c\nA=1\nB = 'x y'\nA=2\nnonsense\n") == {"A": "2", "B": "x y"}
