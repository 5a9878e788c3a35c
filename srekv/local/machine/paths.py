"""Where things lie in a machine: absolute paths of a Linux system, moved below the machine's root directory.

A machine has no mount namespace (that would need root), so the paths in its scripts, units and commands are rewritten
instead: one pass of one regular expression over the text. Paths that are already below the root are left alone, so
rewriting twice is harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

MOVED = ("etc", "opt", "srv", "var", "home", "root", "run", "tmp", "usr/local")
"""The directories that a machine owns; everything else (/bin, /dev, /usr/lib ...) is the host's."""

SKELETON = (
    "etc/systemd/system",
    "etc/systemd/resolved.conf.d",
    "etc/sysconfig",
    "home/ec2-user",
    "opt",
    "root",
    "run",
    "srv",
    "tmp",
    "usr/local/bin",
    "var/lib/cloud",
    "var/log",
)
"""What exists on a freshly installed machine."""

_START = r"(?<![\w./\-~})*])"
_END = r"(?![\w.-])"
_SYSTEM_BIN = r"/(?:usr/)?s?bin/"


class Rewriter:
    """Moves absolute paths below a machine's root, and /usr/bin/NAME to the directory of shims for these names."""

    def __init__(self, root: Path, *, shims: Path, names: Iterable[str]) -> None:
        self.root = root
        self._shims = str(shims)
        kept = "|".join(re.escape(str(path)) for path in (root, shims))
        moved = "|".join(MOVED)
        commands = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        self._pattern = re.compile(
            rf"(?P<keep>(?:{kept})(?![\w.-]))"
            rf"|{_START}(?P<moved>/(?:{moved})){_END}"
            rf"|{_START}{_SYSTEM_BIN}(?P<command>{commands or '(?!)'}){_END}"
        )

    def text(self, text: str) -> str:
        """Every such path in the text, moved."""
        return self._pattern.sub(self._replace, text)

    def file(self, path: str) -> Path:
        """The place of an absolute (or root-relative) path that a machine writes, always below its root."""
        if Path(path).is_relative_to(self.root):
            return Path(path)
        parts = [part for part in Path(path).parts if part not in ("/", "..")]
        return self.root.joinpath(*parts)

    def _replace(self, match: re.Match[str]) -> str:
        if match["keep"]:
            return match["keep"]
        if match["moved"]:
            return f"{self.root}{match['moved']}"
        return f"{self._shims}/{match['command']}"


def is_shell(text: str) -> bool:
    """Whether the text is a script for a shell, whose paths are to be moved before it runs."""
    first = text.split("\n", 1)[0]
    return first.startswith("#!") and re.search(r"\b(?:ba|da|k|z)?sh\b", first) is not None
