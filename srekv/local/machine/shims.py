"""The commands of a machine that are not the host's: package tools that do nothing, python, systemctl, sudo and others.

They lie in one directory that comes first in every machine's PATH; all machines of a local cloud share it.
"""

from __future__ import annotations

import shlex
from pathlib import Path

_INSTALLERS = "amazon-linux-extras apt apt-get dnf microdnf pip pip3 rpm uv yum"
"""A machine borrows the packages of the tool's own environment."""

_ADMINISTRATION = """chgrp chown chronyc getent groupadd hostnamectl loginctl
restorecon setcap setenforce sysctl timedatectl useradd usermod"""
"""Commands that need root on a real machine and change nothing that matters here."""

_SCRIPTS = {
    "nothing": """#!/bin/sh
echo "${0##*/} $*: nothing to do on a local machine" >&2
""",
    "python3": """#!/bin/sh
if [ "$1" = -m ] && [ "$2" = venv ]; then
  shift 2
  exec @python@ -S -E @client@ venv "$@"
fi
exec @python@ "$@"
""",
    "sudo": """#!/bin/sh
# Everything runs as one user; the options that choose another one are dropped.
while [ $# -gt 0 ]; do
  case "$1" in
    -u | -g | -U | -C | -h | -p) shift 2 ;;
    --) shift; break ;;
    -*) shift ;;
    *=*) export "${1?}"; shift ;;
    *) break ;;
  esac
done
[ $# -eq 0 ] || exec "$@"
""",
    "journalctl": """#!/bin/sh
# One log for everything; -n or --lines is the only option that matters.
lines=1000
while [ $# -gt 0 ]; do
  case "$1" in
    -n | --lines) lines="$2"; shift ;;
    -n*) lines="${1#-n}" ;;
    --lines=*) lines="${1#--lines=}" ;;
  esac
  shift
done
exec tail -n "$lines" "$SREKV_MACHINE_DIRECTORY/console.log"
""",
    "poweroff": """#!/bin/sh
exec systemctl poweroff
""",
    "shutdown": """#!/bin/sh
# At once or not at all: -h, -P and no option power off, now or in no minutes.
for word in "$@"; do
  case "$word" in
    -h | -P | --poweroff | --no-wall | now | +0) ;;
    *) echo "shutdown $*: a local machine only knows: shutdown -P now" >&2; exit 1 ;;
  esac
done
exec systemctl poweroff
""",
    "client": """#!/bin/sh
exec @python@ -S -E @client@ "${0##*/}" "$@"
""",
}
"""Name -> text, in which @python@ and @client@ are the interpreter and client.py."""

_LINKS = {
    **dict.fromkeys(f"{_INSTALLERS} {_ADMINISTRATION}".split(), "nothing"),
    **dict.fromkeys(("python", *(f"python3.{minor}" for minor in range(8, 16))), "python3"),
    **dict.fromkeys(("systemctl", "curl", "dig"), "client"),
}

NAMES = ("python3", "journalctl", "poweroff", "shutdown", "sudo", *_LINKS)


def install(directory: Path, interpreter: str) -> None:
    """Write the commands; `interpreter` is the Python whose packages the machines borrow."""
    directory.mkdir(parents=True, exist_ok=True)
    python, client = shlex.quote(interpreter), shlex.quote(str(Path(__file__).with_name("client.py")))
    for name, text in _SCRIPTS.items():
        (directory / name).write_text(text.replace("@python@", python).replace("@client@", client))
        (directory / name).chmod(0o755)
    for name, target in _LINKS.items():
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(target)
