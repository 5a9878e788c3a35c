"""The commands of a machine that need more than a line of shell: `client.py NAME ARGUMENTS`, run by the shims.

systemctl asks the machine's init. `python -m venv` makes, at once, an environment that sees the tool's own packages.
curl and dig are the host's, told about the addresses that only exist in a VPC: 169.254.169.254, the resolver, and the
names that it knows. A boot runs systemctl again and again: it imports nothing that the others need.
"""

from __future__ import annotations

import json
import os
import socket
import sys

METADATA = "169.254.169.254"
RESOLVERS = ("169.254.169.253", "172.31.0.2")
"""Addresses of a VPC's resolver: the link-local one and the VPC's network plus two (aws-facts 2.7)."""


def systemctl(words: list[str]) -> int:
    """Ask init and say what it said."""
    os.chdir(os.environ["SREKV_MACHINE_DIRECTORY"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect("control.sock")
        connection.sendall(json.dumps(words).encode() + b"\n")
        with connection.makefile("rb") as lines:
            answer = json.loads(lines.readline())
    sys.stdout.write(answer["out"])
    sys.stderr.write(answer["err"])
    return int(answer["code"])


def venv(words: list[str]) -> int:
    """Make virtual environments without copying or installing anything."""
    import shutil
    from pathlib import Path

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    programs = {  # waitress-serve, flask, gunicorn: whatever an installation would have brought
        program.name: str(program)
        for program in Path(sys.executable).parent.iterdir()
        if not program.name.startswith(("python", "pip", "activate", "Activate"))
    }
    programs |= dict.fromkeys(("python", "python3", f"python{version}"), base)
    programs |= dict.fromkeys(("pip", "pip3"), shutil.which("pip3") or "/bin/true")
    for directory in (Path(word).absolute() for word in words if not word.startswith("-")):
        binaries, packages = directory / "bin", directory / f"lib/python{version}/site-packages"
        binaries.mkdir(parents=True, exist_ok=True)
        packages.mkdir(parents=True, exist_ok=True)
        (directory / "pyvenv.cfg").write_text(f"home = {Path(base).parent}\ninclude-system-site-packages = false\n")
        (packages / "borrowed.pth").write_text(os.environ.get("SREKV_MACHINE_PACKAGES", "").replace(":", "\n") + "\n")
        for program, target in programs.items():
            if not (binaries / program).is_symlink():
                (binaries / program).symlink_to(target)
    return 0


def curl(words: list[str]) -> int:
    """The host's curl; names that the VPC's resolver knows go to the addresses that it gives."""
    import importlib
    from pathlib import Path
    from urllib.parse import urlsplit

    sys.path.insert(0, str(Path(__file__).with_name("netshim")))
    lookup = importlib.import_module("machine_network").lookup
    service = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"].removeprefix("http://")
    options = ["--connect-to", f"{METADATA}:80:{service}"]
    for word in words:
        url = urlsplit(word if "://" in word else f"http://{word}")
        host = url.hostname or ""
        if "." in host and not host.replace(".", "").isdigit() and (addresses := lookup(host)):
            port = url.port or (443 if url.scheme == "https" else 80)
            options += ["--resolve", f"{host}:{port}:{addresses[0]}"]
    return _host_command("curl", [*options, *words])


def dig(words: list[str]) -> int:
    """The host's dig; the VPC's resolver, and the default one, are the machine's."""
    address, port = os.environ["SREKV_MACHINE_RESOLVER"].split(":")
    servers = [word for word in words if word.startswith("@")]
    rest = [word for word in words if word.removeprefix("@") not in RESOLVERS]
    if not servers or servers[0][1:] in RESOLVERS:
        rest = [f"@{address}", "-p", port, *rest]
    return _host_command("dig", rest)


def _host_command(name: str, words: list[str]) -> int:
    """Become the host's command of that name; our own directory is left out of the search."""
    import shutil
    from pathlib import Path

    shims = str(Path(shutil.which("systemctl") or "").parent)
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != shims)
    program = shutil.which(name, path=path)
    if program is not None:
        os.execv(program, [name, *words])  # noqa: S606 - becoming that command is the purpose
    sys.stderr.write(f"{name}: command not found (a local machine uses the host's, and there is none)\n")
    return 127


COMMANDS = {"systemctl": systemctl, "venv": venv, "curl": curl, "dig": dig}

if __name__ == "__main__":
    sys.exit(COMMANDS[sys.argv[1]](sys.argv[2:]))
