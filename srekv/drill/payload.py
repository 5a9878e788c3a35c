"""The probe as it travels to a vantage point: one deterministic zip, in a shell script that brings and starts it."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import shlex
import textwrap
import zipfile
from dataclasses import dataclass
from importlib import resources

ABSENT = 97
"""Exit code of a script that finds no probe on its node."""


@dataclass(frozen=True, kw_only=True)
class Payload:
    """The probe's bytes and their name; equal sources give equal bytes, so a node gets them once."""

    data: bytes

    @property
    def name(self) -> str:
        """Changes with the content."""
        return hashlib.sha256(self.data).hexdigest()[:16]

    def script(self, *arguments: str, ship: bool, background: bool = False) -> str:
        """A POSIX shell script that runs the probe with these arguments, for SSM.

        The directory belongs to the user that runs it alone; files in it can be named "$d/..." in `arguments`, which
        are quoted unless they start with `"$d/`. With `ship` it carries the probe along, else it exits ABSENT where
        the probe is not there yet. With `background` it returns at once; stderr goes to "$d/background.err".
        """
        words = " ".join(word if word.startswith('"$d/') else shlex.quote(word) for word in arguments)
        run = f'"$python" "$probe" {words}'
        if background:
            run = f'nohup {run} </dev/null >/dev/null 2>"$d/background.err" &'
        bring = f"exit {ABSENT}"
        if ship:
            encoded = "\n".join(textwrap.wrap(base64.b64encode(self.data).decode(), 120))
            bring = f'base64 -d >"$probe.$$" <<\'EOF\'\n{encoded}\nEOF\nmv "$probe.$$" "$probe"'
        return _SCRIPT.format(name=self.name, bring=bring, run=run)


_SCRIPT = """set -eu
umask 077
d="${{TMPDIR:-/var/tmp}}/srekv-probe-$(id -u)"
mkdir -p "$d"
test -n "$(find "$d" -prune -user "$(id -u)")"
probe="$d/{name}.pyz"
if [ ! -e "$probe" ]; then
{bring}
fi
python=/opt/srekv/venv/bin/python
[ -x "$python" ] || python=python3
{run}
"""


@functools.cache
def payload() -> Payload:
    """The probe from this package's own files, whether they lie in a source tree or in an installed wheel."""
    buffer = io.BytesIO()
    probe = resources.files("srekv") / "probe"
    files = {f"srekv/probe/{item.name}": item.read_bytes() for item in probe.iterdir() if item.name.endswith(".py")}
    files["srekv/__init__.py"] = b""
    files["__main__.py"] = files["srekv/probe/__main__.py"]
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED, 9)
    return Payload(data=buffer.getvalue())
