"""A local cloud is started once, joined, ended, and never in anybody's way."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from srekv.config import fastest
from srekv.errors import SrekvError, UsageError
from srekv.local import control
from srekv.local.machine.processes import members
from srekv.local.runtime import Runtime, is_alive, read, write

pytestmark = pytest.mark.local

DEADLINE_S = 30


def test_start_join_and_stop(directory: Path) -> None:
    """The second `ensure` joins the first one's cloud, `meanwhile` is for a start; after `stop` nothing is left."""
    called: list[int] = []
    first = control.ensure(directory, meanwhile=lambda: called.append(1))
    assert control.ensure(directory, meanwhile=lambda: called.append(2)) == first
    assert called == [1]
    assert control.find(directory) == first
    assert control.stop(directory) is True
    assert control.find(directory) is None
    assert control.stop(directory) is False


@pytest.mark.parametrize("follow", [control.ensure, control.stop])
def test_a_cloud_whose_starter_was_killed_is_joined_or_ended(directory: Path, follow: Callable[[Path], object]) -> None:
    """It needs a second to serve; who comes meanwhile gives it that time, and is not sent away."""

    def killed() -> None:
        pause, deadline = threading.Event(), time.monotonic() + DEADLINE_S
        while not is_alive(directory) and time.monotonic() < deadline:
            pause.wait(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        control.ensure(directory, meanwhile=killed)
    assert follow(directory)


def test_two_starts_at_once_start_one_cloud(directory: Path) -> None:
    """Who comes second waits for the first and joins."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: control.ensure(directory), range(2))
    assert first == second


def test_two_clouds_run_beside_each_other(directory: Path, tmp_path: Path) -> None:
    """Another directory is another cloud, with addresses of its own."""
    other = tmp_path / "other"
    try:
        assert control.ensure(directory).subnet != control.ensure(other).subnet
    finally:
        control.stop(other)


@pytest.mark.parametrize(
    ("wish", "other", "runs_at"),
    [({"speed": 20}, {"speed": 5}, "speed 20"), ({"dns_port": 5300}, {"dns_port": 5301}, "DNS port 5300")],
    ids=["speed", "DNS port"],
)
def test_an_option_is_fixed_for_life(
    directory: Path, wish: dict[str, Any], other: dict[str, Any], runs_at: str
) -> None:
    """The same wish joins, and so does none; another one is refused with both numbers."""
    first = control.ensure(directory, **wish)
    assert control.ensure(directory, **wish) == control.ensure(directory) == first
    with pytest.raises(UsageError, match=f"runs at {runs_at}"):
        control.ensure(directory, **other)


def test_without_a_wish_the_speed_is_one_that_the_machine_keeps(directory: Path) -> None:
    """It is measured while the control plane starts; what runs keeps its speed, whatever is usual by now."""
    started: list[Runtime] = []
    runtime = control.ensure(directory, started=started.append)

    assert started == [runtime]
    assert runtime.keeps > 0
    assert runtime.speed == fastest(runtime.keeps)
    assert control.ensure(directory, usual=50, started=started.append) == runtime == started[-1]


def test_the_usual_speed_is_for_a_cloud_that_starts(directory: Path) -> None:
    """A machine that does not keep it says so, and it holds all the same."""
    runtime = control.ensure(directory, usual=50)
    assert (runtime.speed, runtime.keeps > 0) == (50, True)


def test_a_stale_description_blocks_nobody(directory: Path) -> None:
    """A description without a living supervisor counts for nothing, even if its process id belongs to somebody."""
    directory.mkdir()
    first = control.ensure(directory)
    control.stop(directory)
    write(dataclasses.replace(first, pid=os.getpid()))
    assert control.find(directory) is None
    assert control.ensure(directory).cloud_id != first.cloud_id


def test_stopping_ends_who_holds_the_lock(directory: Path) -> None:
    """A process id in a description is no proof: whoever has that number by now is left alone."""
    runtime = control.ensure(directory)
    with subprocess.Popen(["sleep", "60"]) as bystander:
        write(dataclasses.replace(runtime, pid=bystander.pid))
        assert control.stop(directory)
        assert bystander.poll() is None
        bystander.kill()


def test_a_cloud_whose_process_is_not_known_is_not_said_to_have_stopped(directory: Path) -> None:
    """An older version left no process id in the lock: the error names the process to look at, and nothing is ended."""
    runtime = control.ensure(directory)
    (directory / "alive").write_text("")
    with pytest.raises(SrekvError, match=f"kill {runtime.pid}"):
        control.stop(directory)
    (directory / "alive").write_text(str(runtime.pid))
    assert control.find(directory) == runtime


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"resolver": 3}'])
def test_a_damaged_description_is_none(directory: Path, text: str) -> None:
    """Whatever lies in the file, reading it does not fail."""
    directory.mkdir()
    (directory / "runtime.json").write_text(text)
    assert read(directory) is None
    assert control.find(directory) is None
    assert control.stop(directory) is False


def test_the_secret_stays_secret(directory: Path) -> None:
    """Neither the description's repr nor logs nor status show it, only the variables that every SDK reads."""
    runtime = control.ensure(directory)
    assert stat.S_IMODE((directory / "runtime.json").stat().st_mode) == 0o600
    shown = repr(runtime) + json.dumps(control.status(runtime)) + "\n".join(control.logs(directory))
    assert runtime.secret_key not in shown
    assert control.environment(runtime, "eu-central-1") == {
        "AWS_ACCESS_KEY_ID": runtime.access_key,
        "AWS_SECRET_ACCESS_KEY": runtime.secret_key,
        "AWS_ENDPOINT_URL": runtime.endpoint,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }


def test_release_stops_an_empty_cloud_only(directory: Path, client: Any) -> None:
    """While a resource exists the cloud stays; without one it ends."""
    runtime = control.ensure(directory)
    table = {
        "TableName": "t",
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    dynamodb = client(runtime, "dynamodb")
    dynamodb.create_table(**table)
    assert control.release(directory) is False
    assert "empty" in control.status(runtime)
    dynamodb.delete_table(TableName="t")
    assert control.release(directory) is True
    assert control.release(directory) is False


def test_a_start_that_fails_says_why(directory: Path) -> None:
    """The end of the supervisor's log is part of the error, and the next start is not blocked."""
    with pytest.raises(SrekvError, match=r"0-65535") as caught:
        control.ensure(directory, dns_port=70000)
    assert not is_alive(directory)
    assert caught.value.next_step
    assert control.ensure(directory)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SREKV_HOME": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a/local"),
        ({"XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/srekv/local"),
        ({"HOME": "/c"}, "/c/.local/state/srekv/local"),
    ],
)
def test_where_it_lives(environ: dict[str, str], expected: str) -> None:
    """SREKV_HOME wins over XDG's state directory, which wins over the home directory."""
    assert control.home(environ) == Path(expected)


DAEMONS = """#!/bin/bash
sleep 1000 &
nohup sleep 1001 > /dev/null 2>&1 &
setsid sleep 1002 &
setsid bash -c 'sleep 1003 & env -i sleep 1004 & wait' &
echo started > PIPE
"""


def boot(ec2: Any, pipe: Any, user_data: str = DAEMONS) -> str:
    """Launch an instance and wait for its user data's word; its id."""
    launched = ec2.run_instances(
        ImageId="ami-12c6146b",
        InstanceType="t2.micro",
        MinCount=1,
        MaxCount=1,
        UserData=user_data.replace("PIPE", pipe.path),
    )
    assert pipe.read() == "started\n"
    return str(launched["Instances"][0]["InstanceId"])


def everything_of(runtime: control.Runtime, machine: str) -> set[int]:
    """The supervisor's descendants and the machine's processes."""
    return members(f"{runtime.cloud_id}/{machine}", runtime.pid) | {runtime.pid}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_the_supervisor(directory: Path, client: Any, pipe: Any, ended: Any, number: int) -> None:
    """However the supervisor ends, the control plane, the machines and their daemons end with it."""
    runtime = control.ensure(directory)
    machine = boot(client(runtime, "ec2"), pipe)
    pids = everything_of(runtime, machine)
    assert len(pids) >= 7
    os.kill(runtime.pid, number)
    ended(pids)
    assert not members(f"{runtime.cloud_id}/{machine}")
    assert control.find(directory) is None


def command_line(pid: int) -> bytes:
    """The process's; nothing of one that has ended by now, as those of a machine's first boot do."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def test_everything_ends_with_the_control_plane(directory: Path, client: Any, pipe: Any, ended: Any) -> None:
    """Without a control plane the supervisor ends the rest and says so in its log."""
    runtime = control.ensure(directory)
    machine = boot(client(runtime, "ec2"), pipe)
    pids = everything_of(runtime, machine)
    plane = next(pid for pid in pids if b"srekv.local.cloud" in command_line(pid))
    os.kill(plane, signal.SIGKILL)
    ended(pids)
    assert any("the control plane ended by itself" in line for line in control.logs(directory))


def test_a_network_is_taken_until_all_of_it_has_ended(directory: Path, tmp_path: Path) -> None:
    """A control plane that was killed leaves name servers and machines behind for a moment: another cloud goes on."""
    runtime, other = control.ensure(directory), tmp_path / "other"
    plane = next(pid for pid in members(runtime.cloud_id, runtime.pid) if b"srekv.local.cloud" in command_line(pid))
    os.kill(runtime.pid, signal.SIGSTOP)
    try:
        os.kill(plane, signal.SIGKILL)
        assert control.ensure(other).subnet != runtime.subnet
    finally:
        os.kill(runtime.pid, signal.SIGCONT)
        control.stop(other)


def test_an_instance_obeys_ec2(directory: Path, client: Any, pipe: Any) -> None:
    """Launched by hand it runs its user data; stop ends that, start runs its unit again, terminate removes it."""
    user_data = """#cloud-config
write_files:
- path: /etc/systemd/system/app.service
  content: |
    [Service]
    ExecStart=/bin/sh -c 'echo started > PIPE; exec sleep 1000'
    [Install]
    WantedBy=multi-user.target
runcmd:
- systemctl enable --now app
"""
    runtime = control.ensure(directory)
    ec2 = client(runtime, "ec2")
    machine = boot(ec2, pipe, user_data)
    quick = {"WaiterConfig": {"Delay": 0.05, "MaxAttempts": 400}}
    ec2.stop_instances(InstanceIds=[machine])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[machine], **quick)
    assert not members(f"{runtime.cloud_id}/{machine}")
    ec2.start_instances(InstanceIds=[machine])
    assert pipe.read() == "started\n"
    ec2.get_waiter("instance_running").wait(InstanceIds=[machine], **quick)
    assert any("Started app.service" in line for line in control.logs(directory))
    ec2.terminate_instances(InstanceIds=[machine])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[machine], **quick)
    assert not members(f"{runtime.cloud_id}/{machine}")
