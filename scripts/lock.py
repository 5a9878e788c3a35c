"""Writes both locks with uv: requirements.lock for developers and CI, the pins of the payload for the nodes.

Run it by `make lock`, which keeps every pin that still fits, or `make upgrade`, which takes the newest of each.

requirements.lock speaks for Python 3.11 to 3.14 and every system at once, by markers, and plain pip takes it as
constraints. It has no hashes: pip refuses to check any beside an editable install. The nodes' pins reach back to
Python 3.8, for Amazon Linux 2.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements.lock"
NODE_PINS = ROOT / "srekv" / "provision" / "payload" / "requirements.txt"

OLDEST = "3.11"
OLDEST_ON_NODES = "3.8"
NODES_NEED = ("botocore", "flask", "prometheus-client")
"""The third parties of srekv.app; tests/unit/test_imports.py has the same row (werkzeug comes with flask)."""

HEADER = """\
# Made by `make lock`; a test tells when pyproject.toml asks for something else than this was made of:
# {digest}
"""

COMPILE = (
    *("--no-config", "--no-python-downloads", "--system-certs", "--quiet"),
    *("pip", "compile", "--universal", "--no-header"),
)


def digest(project: str) -> str:
    """What a lock was made of: one value for each set of requirements in the text of a pyproject.toml."""
    table = tomllib.loads(project)["project"]
    asked = [table["requires-python"], table["dependencies"], table["optional-dependencies"]]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def lock(uv: str, *options: str) -> str:
    """The text of requirements.lock: every extra, for every Python from the oldest on, one version for all if possible.

    Raises:
        subprocess.CalledProcessError: uv found no set of versions, and said why on standard error.
    """
    command = [uv, *COMPILE, "--all-extras", "--fork-strategy", "fewest", "--python-version", OLDEST, *options]
    made = _compile([*command, "--output-file", str(LOCK), PROJECT.name])
    return HEADER.format(digest=digest(PROJECT.read_text())) + made


def node_pins(uv: str, *options: str) -> str:
    """The text of the nodes' requirements: markers as pip's oldest versions read them, nothing for other systems.

    Raises:
        subprocess.CalledProcessError: as `lock`.
    """
    command = [uv, *COMPILE, "--no-annotate", "--python-version", OLDEST_ON_NODES, *options]
    made = _compile([*command, "--output-file", str(NODE_PINS), "-"], given="\n".join(NODES_NEED))
    return "".join(f"{line}\n" for line in _plain(made))


def _compile(command: list[str], given: str = "") -> str:
    """What uv answers. The output file is where it reads the pins that it is to keep; it writes there, too."""
    subprocess.run(command, cwd=ROOT, input=given, text=True, check=True)
    return Path(command[command.index("--output-file") + 1]).read_text()


def _plain(made: str) -> Iterator[str]:
    for line in made.splitlines():
        if "sys_platform == 'win32'" in line:
            continue  # nodes run Linux
        pin, _, marker = line.partition(" ; ")
        marker = re.sub(r"'(3\.\d+)\.\*'", r"'\1'", marker.replace("python_full_version", "python_version"))
        yield f"{pin}; {marker}".replace("'", '"') if marker else pin


def main() -> None:
    """Write both files; the options are uv's, `--upgrade` for example."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        sys.exit("uv is not in this environment: `make lock` installs it")
    try:
        LOCK.write_text(lock(uv, *sys.argv[1:]))
        NODE_PINS.write_text(node_pins(uv, *sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"uv could not lock (exit code {error.returncode}); what it said is above")


if __name__ == "__main__":
    main()
