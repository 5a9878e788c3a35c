"""Other users of the computer reach neither the files nor the keys of a local cloud."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from srekv.errors import SrekvError
from srekv.local import control

OTHER = 65534
"""Another user's id."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def exposed() -> Iterator[Path]:
    """The runtime directory of a cloud in a home that every user can enter; its operator's umask is 000."""
    home = Path(tempfile.mkdtemp(prefix="srekv-test-", dir="/tmp"))
    home.chmod(0o755)
    directory = home / ".local/state/srekv/local"
    before = os.umask(0)
    try:
        yield directory
    finally:
        os.umask(before)
        control.stop(directory)
        shutil.rmtree(home)


def other(*words: str) -> subprocess.CompletedProcess[str]:
    """A command of another user, in a directory that they may enter."""
    return subprocess.run(
        words,
        user=OTHER,
        group=OTHER,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_everything_of_a_cloud_is_behind_closed_folders(exposed: Path) -> None:
    """With umask 000 too: the folders above it that were missing are closed, and so is the file with the keys."""
    control.ensure(exposed)
    modes = {folder.name: stat.S_IMODE(folder.stat().st_mode) for folder in (exposed, *exposed.parents[:3])}
    assert modes == {"local": 0o700, "srekv": 0o700, "state": 0o700, ".local": 0o700}
    assert stat.S_IMODE((exposed / "runtime.json").stat().st_mode) == 0o600


@as_root
def test_other_users_reach_neither_keys_nor_control_sockets(exposed: Path, client: Any, pipe: Any) -> None:
    """Nor consoles, nor a machine's files."""
    ec2 = client(control.ensure(exposed), "ec2")
    user_data = f"#!/bin/sh\necho up > {pipe.path}\n"
    launched = ec2.run_instances(
        ImageId="ami-12c6146b", InstanceType="t2.micro", MinCount=1, MaxCount=1, UserData=user_data
    )
    assert pipe.read() == "up\n"
    machine = exposed / "machines" / launched["Instances"][0]["InstanceId"]
    assert (machine / "control.sock").is_socket()
    assert other("cat", str(exposed / "runtime.json")).stderr.strip().endswith("Permission denied")
    assert other("cat", str(machine / "console.log")).stderr.strip().endswith("Permission denied")
    assert other("curl", "-s", "--unix-socket", str(machine / "control.sock"), "http://machine/").returncode == 7
    assert other("mv", str(exposed), str(exposed) + ".mine").returncode == 1


@as_root
def test_other_users_see_no_secret(directory: Path) -> None:
    """Every user can read a command line, and only its owner an environment."""
    runtime = control.ensure(directory)
    listing = other("ps", "-eo", "args").stdout
    assert "srekv.local.cloud" in listing
    assert runtime.secret_key not in listing
    (plane,) = (line for line in other("pgrep", "-f", f"srekv.local.cloud.*--subnet {runtime.subnet} ").stdout.split())
    assert other("cat", f"/proc/{plane}/environ").stderr.strip().endswith("Permission denied")


def test_a_folder_that_others_can_replace_is_not_used(directory: Path) -> None:
    """Neither to start a cloud nor to find or stop one: its content can be another user's."""
    control.ensure(directory)
    directory.parent.chmod(0o777)
    try:
        for act in (control.find, control.ensure, control.stop, control.release):
            with pytest.raises(SrekvError) as refused:
                act(directory)
            assert refused.value.next_step == f"chmod go-w {directory.parent}"
    finally:
        directory.parent.chmod(0o700)
    assert control.find(directory)


def test_the_secret_goes_over_no_connection(directory: Path) -> None:
    """A program of another user that took over the cloud's address receives signatures only."""
    runtime = control.ensure(directory)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            try:
                connection, _ = server.accept()
            except OSError:  # nothing came
                return
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(b'HTTP/1.0 200 OK\r\n\r\n{"empty": true}')

        thread = threading.Thread(target=listen)
        thread.start()
        port = server.getsockname()[1]
        try:
            control.status(dataclasses.replace(runtime, subnet="127.0.0", endpoint=f"http://127.0.0.1:{port}"))
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(20)
    assert b"Signature=" in heard[0]
    assert runtime.secret_key.encode() not in heard[0]
