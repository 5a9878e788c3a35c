"""User data means here what it means to cloud-init: a table of truth, and cloud-init itself where it is installed."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.local.machine.cloudinit import Plan, parse
from srekv.local.machine.parts import LARGEST_YAML, LIMIT

SYSTEM_PYTHON = Path("/usr/bin/python3")
"""The one that distributions install cloud-init for."""


def plan(data: str | bytes) -> Plan:
    """The plan of raw user data."""
    raw = data.encode() if isinstance(data, str) else data
    return parse(base64.b64encode(raw).decode())


def mime(*parts: str, head: str = "MIME-Version: 1.0\n") -> str:
    """A multipart message; each part is its headers, an empty line and its text."""
    body = "".join(f"--=b\n{part}\n" for part in parts)
    return f'{head}Content-Type: multipart/mixed; boundary="=b"\n\n{body}--=b--\n'


def part(text: str, kind: str = "cloud-config", **headers: str) -> str:
    """One part of such a message; a name of its own is in `file`."""
    name = headers.pop("file", "")
    more = f'Content-Disposition: attachment; filename="{name}"\n' if name else ""
    more += "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in headers.items())
    return f"Content-Type: text/{kind}\n{more}\n{text}"


def binary(data: bytes, kind: str) -> str:
    """One part of bytes."""
    encoded = base64.encodebytes(data).decode()
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: base64\n\n{encoded}"


def done(found: Plan) -> list[str]:
    """What is done at first boot, in order: boot scripts, files, scripts."""
    return [
        *(f"boot {_commands(one.body)}" for one in found.boot),
        *(f"{one.path} {one.content.decode(errors='replace')!r}" for one in found.files),
        *(f"{one.name} {_commands(one.body)}" for one in found.first),
    ]


def _commands(body: str) -> str:
    return "; ".join(body.splitlines()[1:])


ONE, TWO = "#cloud-config\nruncmd: [echo one]\n", "#cloud-config\nruncmd: [echo two]\n"
APPEND = "list(append)+dict(no_replace,recurse_list)+str()"
SH = "#!/bin/sh\necho "
GZIPPED = gzip.compress(ONE.encode(), mtime=0)
GZ_ONE = base64.b64encode(gzip.compress(b"one", mtime=0)).decode()
MIXED = 'Content-Type: multipart/mixed; boundary="=b"'
RUN_ONE, RUN_TWO, RUN_BOTH = ["runcmd echo one"], ["runcmd echo two"], ["runcmd echo one; echo two"]


def files(*entries: str) -> str:
    """A cloud-config with these entries of write_files."""
    return "#cloud-config\nwrite_files:\n" + "".join(f"- {entry}\n" for entry in entries)


Case = tuple[str | bytes, list[str]]
"""User data, and what is done."""

TYPES: dict[str, Case] = {
    "nothing": ("", []),
    "text": ("hello", []),
    "config": (ONE, RUN_ONE),
    "blank line before": (f"\n \n{ONE}", RUN_ONE),
    "blanks before": (f"  {ONE}", RUN_ONE),
    "capitals": (ONE.replace("#cloud-config", "#Cloud-Config"), RUN_ONE),
    "a comment after": (ONE.replace("#cloud-config", "#cloud-config # mine"), RUN_ONE),
    "a longer word": (ONE.replace("#cloud-config", "#cloud-configuration"), RUN_ONE),
    "a blank inside": (ONE.replace("#cloud-config", "# cloud-config"), []),
    "carriage returns": (ONE.replace("\n", "\r\n"), RUN_ONE),
    "byte order mark": (f"\ufeff{ONE}", []),
    "script": (f"{SH}one\n", ["part-001 echo one"]),
    "script, blank line before": (f"\n{SH}one\n", []),
    "script, carriage returns": ("#!/bin/sh\r\necho one\r\n", ["part-001 echo one"]),
    "script that is not UTF-8": (b"#!/bin/sh\necho \xff\n", []),
    "hook": (f"#cloud-boothook\n{SH}one\n", ["boot echo one"]),
    "hook without #!": ("#cloud-boothook\necho one\n", []),
    "hook, blank line before": (f"\n#cloud-boothook\n{SH}one\n", []),
    "hook, blank line inside": (f"#cloud-boothook\n\n{SH}one\n", ["boot echo one"]),
    "hook in capitals": (f"#Cloud-Boothook\n{SH}one\n", []),
    "no YAML": ("#cloud-config\nruncmd: [\n", []),
    "no mapping": ("#cloud-config\n- a\n", []),
    "empty config": ("#cloud-config\n", []),
    "gzip": (GZIPPED, RUN_ONE),
    "gzip in two members": (gzip.compress(ONE[:9].encode()) + gzip.compress(ONE[9:].encode()), RUN_ONE),
    "damaged gzip": (GZIPPED[:-9], []),
    "packed twice": (gzip.compress(GZIPPED), []),
}

MESSAGES: dict[str, Case] = {
    "a config by its type": (mime(part("runcmd: [echo one]\n")), RUN_ONE),
    "a config by its first line": (mime(part(ONE, "plain")), RUN_ONE),
    "a config that claims to be a script": (mime(part(ONE, "x-shellscript")), RUN_ONE),
    "a script that claims to be a config": (mime(part(f"{SH}one\n")), []),
    "a script by its type, without #!": (mime(part("echo one\n", "x-shellscript")), []),
    "a part without a type": (mime(f"\n{ONE}"), RUN_ONE),
    "an unknown type": (mime(part(ONE, "x-unknown"), part(TWO)), RUN_TWO),
    "a hook by its type": (mime(part(f"{SH}one\n", "cloud-boothook")), ["boot echo one"]),
    "hooks before bootcmd": (
        mime(part("bootcmd: [echo two]\n"), part(f"{SH}one\n", "cloud-boothook")),
        ["boot echo one", "boot echo two"],
    ),
    "scripts by their names": (
        mime(*(part(f"{SH}{one}\n", "x-shellscript", file=f"{one}.sh") for one in "zb"), part(ONE)),
        ["b.sh echo b", "runcmd echo one", "z.sh echo z"],
    ),
    "scripts by their numbers": (
        mime(part(ONE), part(f"{SH}b\n", "x-shellscript"), part(f"{SH}a\n", "x-shellscript")),
        ["part-002 echo b", "part-003 echo a", "runcmd echo one"],
    ),
    "a name twice, once with what cannot be written": (
        mime(*(part(f"{SH}{one}\n", "x-shellscript", file="a.sh") for one in "xé")), ["a.sh echo x"]
    ),
    "a name twice": (
        mime(*(part(f"{SH}{one}\n", "x-shellscript", file="a.sh") for one in "xy")), ["a.sh echo y"]
    ),
    "odd names": (mime(part(f"{SH}one\n", "x-shellscript", file="../a b$.sh")), [".._ab.sh echo one"]),
    "once, at every boot, for the instance": (
        mime(
            part(f"{SH}user\n", "x-shellscript"),
            *(part(f"{SH}{one}\n", f"x-shellscript-per-{one}") for one in ("instance", "boot", "once")),
        ),
        ["part-004 echo once", "part-003 echo boot", "part-002 echo instance", "part-001 echo user"],
    ),
    "packed parts": (
        mime(binary(GZIPPED, "application/x-gzip"), binary(gzip.compress(f"{SH}s\n".encode()), "application/gzip")),
        ["part-002 echo s", "runcmd echo one"],
    ),
    "a packed part by no such type": (mime(binary(GZIPPED, "application/octet-stream")), []),
    "a packed part beyond ASCII": (
        mime(binary(gzip.compress(f"{SH}é\n".encode()), "application/gzip"), part(ONE)), RUN_ONE
    ),
    "a damaged packed part": (mime(part(ONE), binary(GZIPPED[:-9], "application/gzip")), []),
    "beyond ASCII, in base64": (
        mime(binary(f"{SH}é\n".encode(), "text/x-shellscript")), ["part-001 echo é"]
    ),
    "beyond ASCII, as it is": (mime(part(f"{SH}é\n", "x-shellscript"), part(ONE)), RUN_ONE),
    "no MIME-Version": (mime(part(ONE), head=""), []),
    "a blank line before": (f"\n{mime(part(ONE))}", []),
    "MIME-Version after the type": (
        f"{MIXED}\n{mime(part(ONE)).replace(MIXED, 'X: y', 1)}", RUN_ONE,
    ),
    "not multipart": (f"MIME-Version: 1.0\nContent-Type: text/cloud-config\n\n{ONE}", RUN_ONE),
    "a script about MIME": (f"{SH}MIME-Version: 1.0\n", ["part-001 echo MIME-Version: 1.0"]),
    "not UTF-8": (mime(part(ONE)).encode() + b"\xff", []),
    "a part in a part": (mime(mime(part(ONE), part(TWO), head="").replace("=b", "=c").strip(), part("#")), RUN_TWO),
    "a packed message": (gzip.compress(mime(part(ONE), part(TWO)).encode()), RUN_TWO),
}  # fmt: skip

MERGES: dict[str, Case] = {
    "runcmd": (mime(part(ONE), part(TWO)), RUN_TWO),
    "bootcmd": (mime(part("bootcmd: [echo one]"), part("bootcmd: [echo two]")), ["boot echo two"]),
    "write_files": (
        mime(part(files("{path: /a, content: one}")), part(files("{path: /b, content: two}"))), ["/b 'two'"]
    ),
    "other keys": (mime(part(files("{path: /a, content: one}")), part(TWO)), ["/a 'one'", *RUN_TWO]),
    "a bad part": (mime(part(ONE), part("runcmd: ["), part("- x")), RUN_ONE),
    "a bad part first": (mime(part("runcmd: ["), part(ONE)), RUN_ONE),
    "merge_how": (mime(part(ONE), part(f"{TWO}merge_how: {APPEND}\n")), RUN_BOTH),
    "merge_how of the earlier": (mime(part(f"{ONE}merge_how: {APPEND}\n"), part(TWO)), RUN_TWO),
    "merge_type": (mime(part(ONE), part(f"{TWO}merge_type: {APPEND}\n")), RUN_BOTH),
    "merge_how as a list": (
        mime(part(ONE), part(f"{TWO}merge_how: [{{name: list, settings: [append]}}, [dict, recurse_array]]\n")),
        RUN_BOTH,
    ),
    "merge_how in other words": (
        mime(part(ONE), part(f"{TWO}merge_how: ' M-List( Append ) + Dict(recurse-array)'")), RUN_BOTH
    ),
    "Merge-Type": (mime(part(ONE), part(TWO, Merge_Type=APPEND)), RUN_BOTH),
    "X-Merge-Type": (mime(part(ONE), part(TWO, X_Merge_Type=APPEND)), RUN_BOTH),
    "merge-type in lower case": (mime(part(ONE), part(TWO, merge_type=APPEND)), RUN_TWO),
    "both": (
        mime(part(ONE), part(f"{TWO}merge_how: list(prepend)\n", Merge_Type=APPEND)), ["runcmd echo two; echo one"]
    ),
    "prepend": (
        mime(part(ONE), part(f"{TWO}merge_how: list(prepend)+dict(recurse_list)\n")), ["runcmd echo two; echo one"]
    ),
    "nothing replaced": (mime(part(ONE), part(f"{TWO}merge_how: dict()\n")), RUN_ONE),
    "no merger for mappings": (mime(part(ONE), part(f"{TWO}merge_how: list(append)\n")), RUN_ONE),
    "no merger for mappings, first": (mime(part(f"{ONE}merge_how: list(append)\n")), []),
    "an unknown merger": (mime(part(ONE), part(f"{TWO}merge_how: dict(replace)+tuple()\n")), RUN_ONE),
    "no form of a merger": (mime(part(ONE), part(f"{TWO}merge_how: append\n")), RUN_ONE),
    "no form of a list": (mime(part(ONE), part(f"{TWO}merge_how: [{{name: list}}]\n")), RUN_ONE),
    "merge_how alone": (f"{ONE}merge_how: {APPEND}\n", RUN_ONE),
    "by position": (
        mime(
            part("runcmd: [a, b, c]"), part("runcmd: [x, [y]]\nmerge_how: dict(recurse_array)+list()\n")
        ),
        ["runcmd x; 'y'; c"],
    ),
    "by position, kept": (
        mime(part("runcmd: [a]"), part("runcmd: [x, y]\nmerge_how: dict(recurse_array)+list(no_replace)\n")),
        ["runcmd a"],
    ),
    "deleted": (mime(part(ONE), part("runcmd: null\nmerge_how: dict(allow_delete)\n")), []),
    "deep": (
        mime(
            part(files("{path: /a, content: one}")),
            part(
                files("{content: two}") + "merge_how: dict(recurse_array,recurse_str)+list(recurse_dict)+str(append)\n"
            ),
        ),
        ["/a 'onetwo'"],
    ),
    "another type": (mime(part(ONE), part(f"runcmd: no list\nmerge_how: {APPEND}\n")), RUN_ONE),
}  # fmt: skip


def archive(*entries: object) -> str:
    """An archive of these."""
    return f"#cloud-config-archive\n{json.dumps(entries)}"


ARCHIVES: dict[str, Case] = {
    "of texts": (archive(ONE, f"{SH}s"), ["part-002 echo s", *RUN_ONE]),
    "of mappings": (
        archive({"content": ONE[14:]}, {"type": "text/x-shellscript", "content": f"{SH}s", "filename": "s"}),
        ["runcmd echo one", "s echo s"],
    ),
    "merged": (archive(ONE, {"content": TWO, "Merge-Type": APPEND}), RUN_BOTH),
    "replaced": (archive(ONE, TWO), RUN_TWO),
    "in a message": (
        mime(part(archive(ONE), "plain"), part(f"{SH}s", "x-shellscript")), ["part-002 echo s", *RUN_ONE]
    ),
    "by its type": (mime(part(json.dumps([ONE]), "cloud-config-archive")), RUN_ONE),
    "a type that says nothing": (archive({"type": "text/plain", "content": ONE}), []),
    "bytes": ("#cloud-config-archive\n- content: !!binary I2Nsb3VkLWNvbmZpZwpydW5jbWQ6IFtlY2hvIG9uZV0K\n", RUN_ONE),
    "odd entries": (archive(1, None, [ONE], ONE), RUN_ONE),
    "no list": ("#cloud-config-archive\nruncmd: [echo one]\n", []),
    "no YAML": ("#cloud-config-archive\n- [\n", []),
    "content that is no text": (archive({"content": 5}), []),
}  # fmt: skip

FILES: dict[str, Case] = {
    "plain": (files("{path: /a, content: one}", "{path: /b}"), ["/a 'one'", "/b ''"]),
    "base64": (files("{path: /a, encoding: b64, content: b25l}"), ["/a 'one'"]),
    "base64 in other words": (files("{path: /a, encoding: Base64, content: b25l}"), ["/a 'one'"]),
    "binary": (files("{path: /a, content: !!binary b25l}"), ["/a 'one'"]),
    **{
        encoding: (files(f"{{path: /a, encoding: {encoding}, content: {GZ_ONE}}}"), ["/a 'one'"])
        for encoding in ("gz+b64", "gzip+base64", "GZ+Base64", "' gz+b64 '")
    },
    "gz of bytes": (files(f"{{path: /a, encoding: gz, content: !!binary {GZ_ONE}}}"), ["/a 'one'"]),
    "an unknown encoding": (files("{path: /a, encoding: rot13, content: one}"), ["/a 'one'"]),
    "a bad one ends it": (files("{path: /a}", "{path: /b, encoding: b64, content: b}", "{path: /c}"), ["/a ''"]),
    "é in base64 ends it": (files("{path: /a}", "{path: /b, encoding: b64, content: é}"), ["/a ''"]),
    "a bad gzip ends it": (files("{path: /a}", "{path: /b, encoding: gz, content: b}", "{path: /c}"), ["/a ''"]),
    "a number ends it": (files("{path: /a}", "{path: /b, content: 5}", "{path: /c}"), ["/a ''"]),
    "a list of encodings ends it": (files("{path: /a}", "{path: /b, encoding: [b64]}", "{path: /c}"), ["/a ''"]),
    "an owner by numbers ends it": (files("{path: /a, owner: 'x:y'}", "{path: /b, owner: 10:10}"), ["/a ''"]),
    "no owner": (files("{path: /a, owner: null}", "{path: /b, owner: 0}"), ["/a ''", "/b ''"]),
    "infinite permissions end it": (files("{path: /a}", "{path: /b, permissions: .inf}", "{path: /c}"), ["/a ''"]),
    "no path": (files("{content: x}", "{path: /ok}"), ["/ok ''"]),
    "no mapping": (files("{path: /a}", "x", "{path: /b}"), ["/a ''"]),
    "a number": (files("{path: /a}", "5"), []),
    "no list": ("#cloud-config\nwrite_files: 5\n", []),
    "deferred": (
        files("{path: /a, defer: true}", "{path: /b, defer: 'no'}", "{path: /c}"), ["/b ''", "/c ''", "/a ''"]
    ),
    "deferred after a bad one": (files("{path: /b, content: 5}", "{path: /c}", "{path: /a, defer: 'on'}"), ["/a ''"]),
    "a path with dots": (files("{path: /a/../b}"), ["/b ''"]),
    "a relative path": (files("{path: a}"), ["/a ''"]),
    "permissions": (files("{path: /a, permissions: '0600'}", "{path: /b, permissions: 0755}"), ["/a ''", "/b ''"]),
    "odd permissions": (files("{path: /a, permissions: rwx}", "{path: /b, permissions: 448.0}"), ["/a ''", "/b ''"]),
    "appended": (
        files("{path: /a, content: x, append: true}", "{path: /a, content: y, append: 'off'}"), ["/a 'x'", "/a 'y'"]
    ),
}  # fmt: skip

COMMANDS: dict[str, Case] = {
    "texts": ("#cloud-config\nruncmd:\n- cd /opt && ls\n-\n- 'echo a'\n", ["runcmd cd /opt && ls; echo a"]),
    "lists": (
        "#cloud-config\nruncmd:\n- [echo, a b, it's, 5, true]\n", ["runcmd 'echo' 'a b' 'it'\\''s' '5' 'True'"]
    ),
    "a number among them": ("#cloud-config\nruncmd: [echo one, 5]\nbootcmd: [echo boot, {a: b}]\n", []),
    "a text": ("#cloud-config\nruncmd: echo one\n", []),
    "nothing": ("#cloud-config\nruncmd:\nbootcmd: []\n", ["boot "]),
    "bootcmd": ("#cloud-config\nbootcmd: [echo up]\n", ["boot echo up"]),
}  # fmt: skip

TABLE = {
    f"{title}: {name}": case
    for title, cases in (
        ("type", TYPES), ("message", MESSAGES), ("merge", MERGES), ("archive", ARCHIVES), ("file", FILES),
        ("command", COMMANDS),
    )
    for name, case in cases.items()
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_table(name: str) -> None:
    """What the first boot does with it."""
    data, expected = TABLE[name]
    assert done(plan(data)) == expected


@pytest.fixture(scope="session")
def real() -> dict[str, dict[str, Any]]:
    """What the installed cloud-init makes of each case."""
    if not SYSTEM_PYTHON.exists():
        pytest.skip(f"there is no {SYSTEM_PYTHON}")
    raw = [data.encode() if isinstance(data, str) else data for data, _ in TABLE.values()]
    asked = subprocess.run(
        [SYSTEM_PYTHON, Path(__file__).with_name("real_cloudinit.py")],
        input=json.dumps([base64.b64encode(one).decode() for one in raw]),
        capture_output=True,
        text=True,
        cwd="/",
        timeout=120,
        check=False,
    )
    if "No module named" in asked.stderr or "cannot import name" in asked.stderr:
        pytest.skip(f"no cloud-init that can be asked: {asked.stderr.splitlines()[-1]}")
    assert asked.returncode == 0, asked.stderr
    return dict(zip(TABLE, json.loads(asked.stdout), strict=True))


@pytest.mark.parametrize("name", TABLE)
def test_cloud_init_does_the_same(name: str, real: dict[str, dict[str, Any]]) -> None:
    """Scripts to the byte, files with their modes, in the same order."""
    theirs, ours = real[name], plan(TABLE[name][0])
    if "stopped" in theirs:
        assert ours.notes[0].startswith("stopped")
        theirs = {"files": [], "boot": [], "first": []}
    assert [list(one) for one in ours.first] == theirs["first"]
    assert [one.body for one in ours.boot] == [body for _, body in theirs["boot"]]
    assert [
        [one.path, base64.b64encode(one.content).decode(), one.permissions, one.append] for one in ours.files
    ] == theirs["files"]


STOPPED: dict[str, str | bytes] = {
    "#include of http://127.0.0.1/x": "#include http://127.0.0.1/x\n",
    "#include-once": "#include-once\nhttp://127.0.0.1/x\n",
    "#part-handler": "#part-handler\nimport os\n",
    "## template: jinja": f"## template: jinja\n{ONE}",
    "jinja in a message": mime(part(ONE), part("## template: jinja\n#cloud-config\n", "jinja2")),
    "#cloud-config-jsonp": "#cloud-config-jsonp\n[]\n",
    "Launch-Index": mime(part(ONE, Launch_Index="0")),
    "launch-index": f"{ONE}launch-index: 0\n",
    "launch-index in an archive": "#cloud-config-archive\n- {launch-index: 1, content: x}\n",
    "cloud_final_modules": f"{ONE}cloud_final_modules: [runcmd]\n",
    "cloud_config_modules": f"{ONE}cloud_config_modules: []\n",
    "power_state": f"{ONE}power_state: {{mode: reboot}}\n",
}


@pytest.mark.parametrize("name", STOPPED)
def test_what_is_left_out_on_purpose_stops_the_boot(name: str) -> None:
    """What would change what runs, and is not emulated: nothing runs, and the console says why."""
    found = plan(STOPPED[name])
    assert found == Plan(notes=found.notes)
    assert found.notes[0].startswith("stopped, nothing of the user data is used: ")
    assert "left out of the local cloud" in found.notes[0]


@pytest.mark.parametrize("data", [STOPPED[name] for name in ("#include-once", "#part-handler", "## template: jinja")])
def test_what_is_left_out_is_in_no_script(data: str) -> None:
    """In text that is only shown, and not the beginning of anything, these words mean nothing."""
    assert done(plan(f"{SH}{data!r}\n"))


@pytest.mark.parametrize("module", ["scripts-user", "scripts_user"])
def test_scripts_at_every_boot(module: str) -> None:
    """AWS's recipe for user data that runs at every boot, and scripts that are for every boot by their type."""
    config = f"#cloud-config\ncloud_final_modules:\n- [{module}, always]\n"
    found = plan(mime(part(config), part(f"{SH}s\n", "x-shellscript"), part(f"{SH}b\n", "x-shellscript-per-boot")))
    assert [one.name for one in found.first] == ["part-003", "part-002"]
    assert found.later == found.first
    assert [one.name for one in plan(mime(part(ONE), part(f"{SH}b\n", "x-shellscript-per-boot"))).later] == ["part-002"]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        ("hello", "Unhandled user data (text/x-not-multipart), it starts with 'hello'"),
        ("#cloud-config\npackages: [nginx]\n", "left out of the cloud-config: packages"),
        ("#cloud-config\nruncmd: echo\n", "runcmd is no list"),
        (f"\n{SH}x", "part-001: Exec format error. Missing #! in script?"),
        (files("{content: x}"), "write_files: an entry has no path"),
        (files("{path: /x, encoding: rot13}"), "unknown encoding type rot13"),
        (files("{path: /x, content: 5}"), "write_files ended early"),
        (files("{path: /x, permissions: rwx}"), "undecodable permissions rwx"),
        (mime(part("runcmd: [")), "Failed at merging in cloud config part from part-001"),
        (b"#!/bin/sh\n\xff", "part-001 cannot be written"),
    ],
)
def test_the_console_says_what_was_not_used(data: str | bytes, note: str) -> None:
    """Much as cloud-init's own log does; it stops nothing else."""
    assert any(note in one for one in plan(data).notes)


BOMB = gzip.compress(b"#" * (LIMIT + 1))
MUCH = base64.b64encode(gzip.compress(b"x" * (LIMIT // 2))).decode()


@pytest.mark.parametrize(
    "data",
    [
        BOMB,
        files(f"{{path: /x, encoding: gz+b64, content: {base64.b64encode(BOMB).decode()}}}"),
        files(*(f"{{path: /{number}, encoding: gz+b64, content: {MUCH}}}" for number in range(3))),
        mime(*[part(files(f"{{path: /x, encoding: gz+b64, content: {MUCH}}}") + f"merge_how: {APPEND}")] * 3),
        mime(*[binary(gzip.compress(b"#" * (LIMIT // 2)), "application/gzip")] * 3),
        gzip.compress(b"#cloud-config\n" + b"- a\n" * LARGEST_YAML),
        "#cloud-config\na: &a [x, x, x, x, x, x, x, x]\n"
        + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 8)}]\n" for old, new in itertools.pairwise("abcdefghi")),
        "#cloud-config\nruncmd: &a [*a]\n",
    ],
    ids=["user data", "file", "files", "files of parts", "parts", "yaml", "aliases", "endless"],
)  # fmt: skip
def test_a_bomb_is_refused(data: str | bytes) -> None:
    """A few kB that stand for a GiB: nothing of it is used, and nothing is kept."""
    found = plan(data)
    assert found == Plan(notes=found.notes)
    assert found.notes[0].startswith("stopped")


@given(st.binary(max_size=300))
def test_any_bytes_give_a_plan(data: bytes) -> None:
    """No user data raises: a machine boots whatever it was given."""
    for head in (b"", b"#cloud-config\n", b"#cloud-config-archive\n", b"MIME-Version: 1.0\n", b"\x1f\x8b"):
        assert isinstance(plan(head + data), Plan)
