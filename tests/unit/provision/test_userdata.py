"""The user data: what it carries, that it fits, and that cloud-init and the shell understand it."""

from __future__ import annotations

import base64
import bz2
import gzip
import os
import posixpath
import random
import shutil
import string
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from srekv import __version__
from srekv.config import Config
from srekv.errors import SrekvError, UsageError
from srekv.provision.naming import Names
from srekv.provision.payload import userdata

ARGUMENTS: dict[str, Any] = {
    "table": "SREKeyValue",
    "region": "us-east-1",
    "port": 80,
    "node": "az1",
    "zone": "sre-test.local",
    "os": "al2023",
}
ROOT = Path(__file__).parents[3]
MEGABYTE = 1_000_000
MARGIN = 1_200
"""Bytes of user data that must stay free."""


def render(**changes: Any) -> str:
    """The lab's user data, with changes, unpacked as cloud-init does it."""
    return gzip.decompress(packed(**changes)).decode()


def packed(lease: datetime | None = None, **changes: Any) -> bytes:
    """The same as EC2 gets it."""
    return userdata.UserData(**{**ARGUMENTS, **changes}).packed(lease)


def fingerprint(**changes: Any) -> str:
    """The digest that tells it apart."""
    return userdata.UserData(**{**ARGUMENTS, **changes}).fingerprint()


def files(text: str) -> dict[str, bytes]:
    """The files as a node has them after its first boot, by absolute path."""
    carried = {entry["path"]: entry["content"].encode() for entry in yaml.safe_load(text)["write_files"]}
    archive = bz2.decompress(base64.b64decode(carried.pop(userdata.ARCHIVE)))
    for name, content in (file.split(b"\n", 1) for file in archive.split(b"\f")):
        carried[posixpath.normpath(posixpath.join(userdata.HOME, name.decode()))] = content
    return carried


def service(text: str) -> dict[str, str]:
    """The modules of the service, by name."""
    folder = "/opt/srekv/srekv/app/"
    return {path.removeprefix(folder): body.decode() for path, body in files(text).items() if path.startswith(folder)}


def test_carries_the_package_itself() -> None:
    """Each Python file of srekv.app, with that Python's pins, units and scripts."""
    carried = files(render())
    assert set(service(render())) == {path.name for path in (ROOT / "srekv" / "app").glob("*.py")}
    assert {path for path in carried if not path.startswith("/opt/srekv/srekv/app/")} == {
        "/opt/srekv/install",
        "/opt/srekv/lease",
        "/opt/srekv/requirements.txt",
        "/opt/srekv/srekv/__init__.py",
        "/etc/systemd/system/srekv.service",
        "/etc/systemd/system/srekv-lease.service",
        "/etc/systemd/resolved.conf.d/srekv.conf",
    }
    pins = set(carried["/opt/srekv/requirements.txt"].decode().splitlines())
    assert {"flask==3.1.3", "botocore==1.44.5", "six==1.17.0"} < pins


def installer(system: str) -> list[str]:
    """The lines of the script that installs."""
    return files(render(os=system))["/opt/srekv/install"].decode().splitlines()


def pythons(system: str) -> list[Path]:
    """Interpreters like the one that the system has before anything is installed, as far as they are here."""
    versions = {"al2023": "3.9", "al2": "2.7"}
    found = sorted(Path.home().glob(f".pyenv/versions/{versions[system]}.*/bin/python"))
    return [*found, Path(sys.executable)]


@pytest.mark.parametrize("system", ["al2023", "al2"])
def test_unpacks_at_the_first_boot(system: str, tmp_path: Path) -> None:
    """The first command writes every file to its place, with the Python that the system has of itself."""
    text = render(os=system)
    entry = next(one for one in yaml.safe_load(text)["write_files"] if one["path"] == userdata.ARCHIVE)
    for number, python in enumerate(pythons(system)):
        root = tmp_path / str(number)
        for folder in ("opt/srekv", "etc/systemd/system", "bin"):
            (root / folder).mkdir(parents=True)
        (root / "opt/srekv/files.bz2").write_bytes(base64.b64decode(entry["content"]))
        (root / "bin" / {"al2023": "python3", "al2": "python"}[system]).symlink_to(python)
        command = yaml.safe_load(text)["runcmd"][0].replace("/opt", f"{root}/opt")
        environment = {"PATH": f"{root}/bin:/usr/bin:/bin"}
        subprocess.run(["/bin/sh", "-c", command], env=environment, check=True, timeout=60)
        (root / "opt/srekv/files.bz2").unlink()
        shutil.rmtree(root / "bin")
        written = {f"/{file.relative_to(root)}": file.read_bytes() for file in root.rglob("*") if file.is_file()}
        plain = {one["path"] for one in yaml.safe_load(text)["write_files"]}
        assert written == {path: body for path, body in files(text).items() if path not in plain}, python


def test_the_resolver_is_told_about_the_zone() -> None:
    """Without the drop-in, systemd-resolved would never ask a DNS server for a .local name; nor without its DNS."""
    conf = files(render(zone="x.sre-test.local"))["/etc/systemd/resolved.conf.d/srekv.conf"]
    assert f"\n- path: {userdata.RESOLVER_FILE}\n" in render(), "srekv doctor reads it"
    assert conf == b"[Resolve]\nDNS=169.254.169.253\nDomains=~x.sre-test.local\n"


def test_the_unit_survives_and_restarts() -> None:
    """Enabled for every boot, restarted without end, with its whole configuration in the environment."""
    unit = files(render(port=8080, node="az2"))["/etc/systemd/system/srekv.service"].decode()
    for line in (
        "Environment=SREKV_TABLE=SREKeyValue",
        "Environment=SREKV_PORT=8080",
        "Environment=SREKV_NODE=az2",
        "Environment=SREKV_FAULT_FILE=/run/srekv/fault",
        "Environment=AWS_REGION=us-east-1",
        "ExecStart=/opt/srekv/venv/bin/python -m srekv.app",
        "Restart=always",
        "StartLimitInterval=0",
        "WantedBy=multi-user.target",
    ):
        assert line in unit.splitlines()
    assert yaml.safe_load(render())["runcmd"][-1] == "systemctl enable --now --no-block srekv-lease srekv"


@pytest.mark.parametrize(("system", "root"), [("al2023", "+"), ("al2", "")])
def test_installing_is_tried_again_at_every_start(system: str, root: str) -> None:
    """A first boot that was cut short heals: the unit installs as root before it serves, until that succeeded once."""
    carried = files(render(os=system))
    unit = carried["/etc/systemd/system/srekv.service"].decode().splitlines()
    assert f"ExecStartPre={root}/bin/sh install" in unit
    assert "WorkingDirectory=/opt/srekv" in unit
    script = installer(system)
    assert script[:2] == ["#!/bin/sh", "set -e"]
    assert "[ ! -e installed ] || exit 0" in script
    assert script[-1] == "touch installed"


@pytest.mark.parametrize("system", ["al2023", "al2"])
def test_no_package_runs_a_program_of_its_own_as_root(system: str) -> None:
    """Pinned wheels are unpacked, nothing is built: setup.py of a source distribution would run as root."""
    assert [line for line in installer(system) if "pip install" in line] == [
        "venv/bin/pip install -q --no-input --only-binary :all: -r requirements.txt"
    ]


@pytest.mark.parametrize(("port", "bound"), [(80, True), (1023, True), (1024, False), (8080, False)])
def test_low_ports_need_a_capability(port: int, bound: bool) -> None:
    """Only a port below 1024 asks for CAP_NET_BIND_SERVICE."""
    unit = files(render(port=port))["/etc/systemd/system/srekv.service"].decode()
    assert ("AmbientCapabilities=CAP_NET_BIND_SERVICE" in unit) is bound


def test_is_deterministic() -> None:
    """Equal arguments make equal user data: a second `up` finds nothing to change."""
    assert packed() == packed()
    assert packed() != packed(node="az2")


def hardest_names() -> dict[str, Any]:
    """What a Config accepts that takes most room: the longest stack and zone, of letters that no program can pack."""
    drawn = random.Random(1)
    labels = ["".join(drawn.choices(string.ascii_lowercase + string.digits, k=size)) for size in (63, 63, 63, 59)]
    stack = "".join(drawn.choices(string.ascii_lowercase, k=20))
    config = Config(stack=stack, zone=".".join(labels), record="r", region="us-gov-northeast-1", port=65535)
    names = {"table": Names(stack).table, "region": config.region, "port": config.port, "zone": config.zone_name}
    return {**names, "lease": datetime(2026, 11, 23, 17, tzinfo=UTC)}


@pytest.mark.parametrize("system", ["al2023", "al2"])
def test_leaves_room(system: str) -> None:
    """1,200 bytes stay free beside the longest names, for what the service has yet to learn."""
    size = len(packed(os=system, **hardest_names()))
    spare = userdata.LIMIT - size
    assert spare >= MARGIN, (
        f"the user data for {system} has {size} bytes, which leaves {spare} of {userdata.LIMIT}: "
        f"{MARGIN - spare} fewer than the {MARGIN} that must stay free. Shorten srekv/app or the texts in "
        f"srekv/provision/payload/userdata.py, then run `make payload`"
    )


def test_cloud_init_takes_it_for_what_it_is() -> None:
    """The first line says cloud-config; the word by which cloud-init knows a MIME archive is nowhere near it."""
    assert render().startswith("#cloud-config\n")
    assert "mime-version:" not in render().lower()[:4096]


def test_too_large_is_an_error() -> None:
    """What would burst EC2's limit is an error with the size, before any call."""
    assert userdata.fitting(b"x" * userdata.LIMIT)
    with pytest.raises(SrekvError, match="user data has 16385 bytes") as caught:
        userdata.fitting(b"x" * (userdata.LIMIT + 1))
    assert "16384" in caught.value.why


@pytest.mark.parametrize(
    "changes",
    [{"table": "a\nb c"}, {"node": "az1\nExecStart=/bin/x"}, {"zone": "x y"}, {"zone": "%h"}, {"region": ""}],
)
def test_nothing_can_be_smuggled_into_the_unit(changes: dict[str, str]) -> None:
    """A value that could add a line or a specifier to a unit file is refused."""
    with pytest.raises(UsageError):
        render(**changes)


def test_each_system_gets_a_python_that_its_pins_know() -> None:
    """AL2023 gets 3.13 from dnf, AL2 gets 3.8 from its extras; neither uses the system's python3."""
    assert "dnf install -y python3.13 python3.13-pip" in installer("al2023")
    assert "amazon-linux-extras install -y python3.8" in installer("al2")
    for system, python in (("al2023", "python3.13"), ("al2", "python3.8")):
        assert f"{python} -m venv venv" in installer(system)


def test_a_fingerprint_tells_what_is_carried() -> None:
    """Equal for equal arguments, different for each other one: an outdated node can be told apart."""
    assert fingerprint() == fingerprint()
    others = {"table": "Other", "region": "eu-west-1", "port": 81, "node": "az2", "zone": "other.local", "os": "al2"}
    digests = {fingerprint(**{name: value}) for name, value in others.items()}
    assert len(digests | {fingerprint()}) == len(others) + 1


def test_a_lease_is_a_file_and_nothing_else() -> None:
    """The end travels as seconds since the epoch; without a lease there is no such file, and the unit does nothing."""
    end = datetime(2026, 11, 23, 17, tzinfo=UTC)
    carried = files(render(lease=end))
    assert carried.pop("/opt/srekv/lease-until") == f"{int(end.timestamp())}\n".encode()
    assert carried == files(render())


def test_the_lease_is_watched_from_every_boot() -> None:
    """The unit is enabled, waits for a clock that was set, and never gives up."""
    unit = files(render())["/etc/systemd/system/srekv-lease.service"].decode().splitlines()
    assert "ExecStartPre=-/usr/bin/chronyc waitsync 60 1 0 10" in unit
    assert "Restart=always" in unit
    assert "WantedBy=multi-user.target" in unit
    assert "systemctl enable --now --no-block srekv-lease srekv" in yaml.safe_load(render())["runcmd"]


@pytest.mark.parametrize(
    ("end", "ends"),
    [("-5", True), ("0", True), ("+600", False), (None, False), ("", False), ("tomorrow", False)],
)
def test_the_node_ends_when_its_lease_is_over(end: str | None, ends: bool, tmp_path: Path) -> None:
    """The script powers off for an end that has come, and for nothing else: no file, an empty one, no number."""
    tools = tmp_path / "tools"
    tools.mkdir()
    # sleep ends the endless loop: by then the script has looked once.
    for name, body in (("systemctl", f'echo "$@" > {tmp_path}/called'), ("sleep", 'echo "$1" > slept; kill $PPID')):
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    if end is not None:
        text = str(int(time.time()) + int(end)) if end[:1] in "+-0" and end else end
        (tmp_path / "lease-until").write_text(f"{text}\n")
    script = files(render())["/opt/srekv/lease"].decode()
    environment = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    command = ["/bin/sh", "-c", script]
    subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, timeout=30)
    assert (tmp_path / "slept").read_text() == "5\n"
    assert (tmp_path / "called").exists() is ends
    if ends:
        assert (tmp_path / "called").read_text() == "poweroff\n"


@pytest.mark.parametrize(("system", "version"), [("al2023", "3.13"), ("al2", "3.8")])
def test_the_pins_are_those_of_the_systems_python(system: str, version: str) -> None:
    """What travels is what pip's own reading of the markers leaves."""
    lines = resources.files("srekv.provision.payload").joinpath("requirements.txt").read_text().splitlines()
    wanted = [Requirement(line) for line in lines if line]
    held = {
        str(one).split(";")[0] for one in wanted if not one.marker or one.marker.evaluate({"python_version": version})
    }
    assert files(render(os=system))["/opt/srekv/requirements.txt"].decode().splitlines() == sorted(held)


def test_every_requirement_is_pinned() -> None:
    """Nothing is left to the day on which a node boots."""
    lines = resources.files("srekv.provision.payload").joinpath("requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("system", ["al2023", "al2"])
def test_the_commands_are_plain_shell(system: str, tmp_path: Path) -> None:
    """cloud-init runs the commands as one POSIX script, the unit another; shellcheck finds nothing in them."""
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    script = tmp_path / "runcmd"
    text = render(os=system)
    carried = files(text)
    bodies = [carried[f"/opt/srekv/{name}"].decode() for name in ("install", "lease")]
    script.write_text("#!/bin/sh\n" + "\n".join(yaml.safe_load(text)["runcmd"]) + "\n" + "\n".join(bodies))
    # SC2015: "|| true" after a command that may fail is meant.
    check = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False, timeout=60)
    assert (check.returncode, check.stdout) == (0, "")


@pytest.mark.parametrize("system", ["al2023", "al2"])
def test_cloud_init_accepts_it(system: str, tmp_path: Path) -> None:
    """cloud-init's own schema knows every key."""
    if shutil.which("cloud-init") is None:
        pytest.skip("cloud-init is not installed")
    file = tmp_path / "user-data"
    file.write_text(render(os=system))
    check = subprocess.run(
        ["cloud-init", "schema", "--config-file", file], capture_output=True, text=True, check=False, timeout=60
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_an_installed_wheel_renders_the_same(tmp_path: Path) -> None:
    """A wheel is the product and nothing else, under a megabyte; unpacked elsewhere it makes the same user data."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    source = tmp_path / "source"
    shutil.copytree(ROOT / "srekv", source / "srekv", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    (source / "tests").mkdir()
    (source / "tests" / "test_nothing.py").touch()
    build = [*pip, "wheel", source, "--no-deps", "--no-build-isolation", "-w", tmp_path]
    subprocess.run(build, check=True, capture_output=True, timeout=100)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"srekv-{__version__}-py3-none-any")
    assert wheel.stat().st_size < MEGABYTE
    with zipfile.ZipFile(wheel) as packed_files:
        product = {name for name in packed_files.namelist() if not name.startswith(f"srekv-{__version__}.dist-info/")}
    ours = {path.relative_to(source).as_posix() for path in (source / "srekv").rglob("*") if path.is_file()}
    assert product == ours
    target = tmp_path / "installed"
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", target, wheel],
        check=True,
        capture_output=True,
        timeout=100,
    )
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from srekv.provision.payload import userdata\n"
        "assert userdata.__file__.startswith(sys.argv[1])\n"
        f"sys.stdout.buffer.write(userdata.UserData(**{ARGUMENTS!r}).packed(None))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, target], cwd=tmp_path, check=True, capture_output=True, timeout=60
    )
    assert run.stdout == packed()
