"""User data means here what it means to cloud-init."""

from __future__ import annotations

import base64
import gzip
import json
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.local.machine.cloudinit import LIMIT, Plan, Script, parse


def plan(data: str | bytes) -> Plan:
    """The plan of raw user data."""
    raw = data.encode() if isinstance(data, str) else data
    return parse(base64.b64encode(raw).decode())


def test_nothing_asks_for_nothing() -> None:
    """An instance without user data has an empty plan."""
    assert parse("") == Plan()


def test_a_script_runs_at_first_boot_only() -> None:
    """A `#!` script is one first-boot script, unchanged."""
    text = "#!/bin/bash\nyum update -y\n"
    assert plan(text) == Plan(first=(Script("user script", text),))


def test_gzip_is_unpacked() -> None:
    """Gzipped user data means the same as the plain text."""
    text = "#!/bin/sh\ntrue\n"
    assert plan(gzip.compress(text.encode())) == plan(text)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("", "hello\n"),
        ("b64", base64.b64encode(b"hello\n").decode()),
        ("base64", base64.b64encode(b"hello\n").decode()),
        ("gz+b64", base64.b64encode(gzip.compress(b"hello\n", mtime=0)).decode()),
        ("gzip+base64", base64.b64encode(gzip.compress(b"hello\n", mtime=0)).decode()),
    ],
)
def test_encodings_of_files(encoding: str, content: str) -> None:
    """Every encoding of write_files gives the same bytes."""
    text = (
        f"#cloud-config\nwrite_files:\n- path: /etc/hello\n  encoding: '{encoding}'\n  content: {json.dumps(content)}\n"
    )
    (file,) = plan(text).files
    assert (file.path, file.content) == ("/etc/hello", b"hello\n")


@pytest.mark.parametrize(("permissions", "mode"), [("'0600'", 0o600), ("0600", 0o600), ("'755'", 0o755), (None, 0o644)])
def test_permissions_of_files(permissions: str | None, mode: int) -> None:
    """Permissions are octal as text or as YAML's octal number, 0644 without any."""
    line = f"  permissions: {permissions}\n" if permissions else ""
    (file,) = plan(f"#cloud-config\nwrite_files:\n- path: /x\n{line}").files
    assert file.permissions == mode


def test_runcmd_is_one_script() -> None:
    """Strings stand as they are, lists are quoted, and all of them share one shell."""
    (script,) = plan("#cloud-config\nruncmd:\n- cd /opt && ls\n- [echo, a b]\n").first
    assert script.body == "#!/bin/sh\ncd /opt && ls\necho 'a b'\n"


def test_bootcmd_runs_at_every_boot() -> None:
    """Bootcmd is a script for every boot, not for the first only."""
    found = plan("#cloud-config\nbootcmd:\n- echo up\n")
    assert found.boot == (Script("bootcmd", "#!/bin/sh\necho up\n"),)
    assert found.first == ()


def test_multipart_puts_scripts_before_runcmd() -> None:
    """All parts count, and user scripts run before runcmd, as run-parts sorts them."""
    message = MIMEMultipart()
    message.attach(MIMEText("#cloud-config\nruncmd:\n- echo two\n", "cloud-config"))
    message.attach(MIMEText("#!/bin/sh\necho one\n", "x-shellscript"))
    assert [script.name for script in plan(message.as_bytes()).first] == ["user script", "runcmd"]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        ("#cloud-config\nwrite_files: [\n", "failed loading yaml"),
        ("#cloud-config\n- a\n", "not a mapping"),
        ("#cloud-config\npackages: [nginx]\n", "left out of the cloud-config: packages"),
        ("#cloud-config\nwrite_files:\n- content: x\n", "an entry cannot be used"),
        ("#cloud-config\nwrite_files:\n- {path: /x, encoding: rot13}\n", "unknown encoding"),
        ("#cloud-config\nruncmd: echo\n", "runcmd is not a list"),
        ("hello", "unhandled user data"),
        (b"\x1f\x8bgarbage", "cannot be decoded"),
        (b"#!/bin/sh\n\xff", "cannot be read"),
    ],
)
def test_mistakes_become_notes(data: str | bytes, note: str) -> None:
    """Whatever cannot be used is said on the console; it never stops the boot."""
    assert any(note in one for one in plan(data).notes)


def test_a_bad_file_does_not_spoil_the_others() -> None:
    """One broken entry of write_files leaves the rest."""
    found = plan("#cloud-config\nwrite_files:\n- {content: x}\n- {path: /ok}\n")
    assert [file.path for file in found.files] == ["/ok"]


def test_a_bomb_is_refused() -> None:
    """Data that unpacks to more than the limit is a note, not memory."""
    bomb = gzip.compress(b"#" * (LIMIT + 1))
    content = base64.b64encode(bomb).decode()
    entry = f"#cloud-config\nwrite_files: [{{path: /x, encoding: gz+b64, content: {content}}}]\n"
    parts = f"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n{entry}\n--b--\n"
    for data in (bomb, entry, parts):
        found = plan(data)
        assert (found.files, "unpacks to more than" in found.notes[0]) == ((), True)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_plan(data: bytes) -> None:
    """No user data raises: a machine boots whatever it was given."""
    assert isinstance(plan(data), Plan)
    assert isinstance(plan(b"#cloud-config\n" + data), Plan)
