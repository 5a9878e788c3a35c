"""Machines boot from user data, keep their services running, and leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from srekv.local.machine.processes import members

pytestmark = pytest.mark.local

APP = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get("ANSWER", "hello").encode())

    def log_message(self, *args):
        pass

server = http.server.HTTPServer(("0.0.0.0", 8080), Handler)
with open("/var/bell", "w") as bell:
    bell.write("serving\\n")
server.serve_forever()
"""

DAEMONS = """#!/bin/bash
sleep 1000 &
nohup sleep 1001 > /dev/null 2>&1 &
setsid sleep 1002 &
setsid bash -c 'sleep 1003 & env -i sleep 1004 & wait' &
echo started > /var/bell
"""


def indented(text: str) -> str:
    """Four columns to the right."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def cloud_config(app: str = APP, unit: str = "", extra: str = "") -> str:
    """The usual shape: an app, a unit with those settings more, and a venv."""
    return f"""#cloud-config
packages: [python3]
write_files:
- path: /opt/app/start.sh
  permissions: '0755'
  content: |
    #!/bin/sh
    exec /opt/app/venv/bin/python -c "$(cat <<'END'
{indented(app)}
    END
    )"
- path: /etc/systemd/system/app.service
  content: |
    [Service]
    ExecStart=/opt/app/start.sh
{indented(unit)}
    [Install]
    WantedBy=multi-user.target
runcmd:
- dnf install -y python3.11
- [python3.11, -m, venv, /opt/app/venv]
- /opt/app/venv/bin/pip install flask
- systemctl daemon-reload
- systemctl enable --now app
{extra}"""


@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())], ids=["plain", "gzip"])
async def test_a_cloud_config_serves(lab: Any, pack: Any) -> None:
    """A unit from cloud-config answers on the public address, though it binds the wildcard; gzipped or not."""
    lab.machines.apply([lab.machine(pack(cloud_config(unit="Environment=ANSWER=from-the-unit")))])
    assert await lab.bell.ring() == "serving"
    await lab.reach("running")
    assert await lab.fetch() == "from-the-unit"
    assert lab.history == [("i-1", "pending"), ("i-1", "running")]


async def test_the_labs_kind_of_script_serves_until_it_is_stopped(lab: Any) -> None:
    """A script that starts Flask with `sudo python3 app.py &` serves; after stop and start nothing does, as on EC2."""
    script = """#!/bin/bash
yum update -y
yum install -y python3-pip
pip3 install flask boto3

cat <<'EOF' > /home/ec2-user/app.py
from flask import Flask
import boto3

app = Flask(__name__)

@app.route('/health')
def health():
    return 'OK', 200

if __name__ == '__main__':
    app.run(host='0.0.0.0', port=8080)
EOF

sudo python3 /home/ec2-user/app.py &
"""
    ask = "curl -s --retry 9 --retry-connrefused --retry-delay 1 http://$SREKV_MACHINE_ADDRESS:8080/health"
    lab.machines.apply([lab.machine(script)])
    await lab.reach("running")
    assert (await lab.run(ask))["stdout"] == "OK"
    lab.machines.apply([lab.machine(script, state="stopped")])
    await lab.reach("stopped")
    lab.machines.apply([lab.machine(script)])
    await lab.reach("running")
    assert (await lab.run("curl -s http://$SREKV_MACHINE_ADDRESS:8080/health"))["code"] == 7


async def test_user_data_runs_once_and_enabled_units_at_every_boot(lab: Any) -> None:
    """After stop and start the unit runs again, runcmd does not, and the root is as it was left."""
    data = cloud_config(extra="- echo once >> /var/log/runs\n- echo done > /var/bell\n")
    lab.machines.apply([lab.machine(data)])
    assert {await lab.bell.ring(), await lab.bell.ring()} == {"serving", "done"}
    lab.machines.apply([lab.machine(data, state="stopped")])
    await lab.reach("stopped")
    lab.machines.apply([lab.machine(data)])
    assert await lab.bell.ring() == "serving"
    await lab.reach("running")
    assert await lab.fetch() == "hello"
    assert lab.root().joinpath("var/log/runs").read_text() == "once\n"


async def test_scripts_that_are_for_every_boot(lab: Any) -> None:
    """AWS's recipe for user data that runs at every boot: a module of cloud-init's in a MIME message."""
    data = (
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=b"\n\n'
        "--=b\nContent-Type: text/cloud-config\n\ncloud_final_modules:\n- [scripts-user, always]\n\n"
        "--=b\nContent-Type: text/x-shellscript\n\n#!/bin/sh\necho up > /var/bell\n\n--=b--\n"
    )
    for _ in range(2):
        lab.machines.apply([lab.machine(data)])
        assert await lab.bell.ring() == "up"
        lab.machines.apply([lab.machine(data, state="stopped")])
        await lab.reach("stopped")


async def test_what_is_left_out_on_purpose_stops_the_boot(lab: Any) -> None:
    """Nothing of it runs, the console says why, and the machine takes commands all the same."""
    data = "## template: jinja\n#cloud-config\nruncmd: [touch /var/log/ran]\n"
    booted = "until [ -e /var/lib/cloud/instance/boot-finished ]; do sleep 0.05; done; ls /var/log"
    lab.machines.apply([lab.machine(data)])
    await lab.reach("running")
    assert "ran" not in (await lab.run(booted))["stdout"]
    line = "cloud-init: stopped, nothing of the user data is used: ## template: jinja (part-001) is left out"
    assert line in lab.machines.console("i-1")


async def test_a_broken_unit_leaves_the_machine_up_and_says_why(lab: Any) -> None:
    """A service that cannot start fails like systemd's, the reason is on the console, and commands still run."""
    data = cloud_config(
        app="raise SystemExit('no such table')",
        extra="- until systemctl status app | grep -q failed; do sleep 0.05; done\n- echo failed > /var/bell\n",
    )
    lab.machines.apply([lab.machine(data)])
    assert await lab.bell.ring() == "failed"
    assert (await lab.run("systemctl status app"))["code"] == 3
    console = lab.machines.console("i-1")
    assert "no such table" in console
    assert "Failed with result 'exit-code'" in console


async def test_systemctl_answers_like_systemds(lab: Any) -> None:
    """Exit codes and words are those that scripts test for."""
    extra = """- printf '[Service]\\nType=exec\\nExecStart=/nowhere/app\\n' > /etc/systemd/system/missing.service
- printf '[Service]\\nRestart=always\\n' > /etc/systemd/system/bad.service
- echo done > /var/bell
"""
    cases = [
        ("start nothing", 5, "Unit nothing.service not found."),
        ("status nothing", 4, "could not be found"),
        ("is-active app", 0, "active"),
        ("is-active nothing", 3, "inactive"),
        ("show -p ActiveState --value app", 0, "active"),
        ("is-active -q app", 0, ""),
        ("restart systemd-resolved", 0, ""),
        ("try-restart nothing", 0, ""),
        ("start bad", 1, "bad unit file setting"),
        ("start missing", 1, "exit-code"),
        ("frobnicate app", 1, "Unknown command verb"),
        ("stop app", 0, ""),
        ("is-active app", 3, "inactive"),
        ("show -p UnitFileState app", 0, "UnitFileState=enabled"),
        ("disable app", 0, ""),
        ("show -p UnitFileState app", 0, "UnitFileState=disabled"),
        ("disable nothing", 1, "does not exist"),
    ]
    lab.machines.apply([lab.machine(cloud_config(extra=extra))])
    assert {await lab.bell.ring(), await lab.bell.ring()} == {"serving", "done"}
    await lab.reach("running")
    for words, code, output in cases:
        answer = await lab.run(f"systemctl {words}")
        assert (words, answer["code"]) == (words, code)
        assert output in answer["stdout"] + answer["stderr"]


async def test_a_killed_service_is_restarted(lab: Any) -> None:
    """Restart=always brings the service back after kill -9, with another process."""
    data = cloud_config(unit="Restart=always\nRestartSec=1\nStartLimitIntervalSec=0")
    lab.machines.apply([lab.machine(data)])
    await lab.bell.ring()
    await lab.reach("running")
    before = (await lab.run("systemctl show -p MainPID --value app"))["stdout"]
    assert (await lab.run(f"kill -9 {before}"))["code"] == 0
    await lab.bell.ring()
    assert (await lab.run("systemctl show -p MainPID --value app"))["stdout"] not in (before, "0\n")


async def test_a_service_that_keeps_failing_hits_the_start_limit(lab: Any) -> None:
    """Five starts within the interval, then systemd gives up."""
    script = """#!/bin/sh
printf '[Service]\\nExecStart=/bin/false\\nRestart=always\\nStartLimitIntervalSec=1h\\n' \
  > /etc/systemd/system/app.service
systemctl start app
until systemctl status app | grep -q failed; do sleep 0.05; done
echo failed > /var/bell
"""
    lab.machines.apply([lab.machine(script)])
    assert await lab.bell.ring() == "failed"
    assert "start-limit-hit" in lab.machines.console("i-1")


def still_there(pids: set[int]) -> list[int]:
    """Those of the processes that exist, zombies included."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def init_of(token: str) -> int:
    """The machine's first process; others of it may end meanwhile."""
    for pid in members(token):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"machine.init" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    raise AssertionError("the machine has no init")


async def assert_silent(lab: Any) -> None:
    """Nobody answers at the machine's public address, not even with a refusal."""
    with socket.socket() as client:
        client.setblocking(False)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(client, (f"{lab.subnet}.128", 8080)), 0.3)


async def test_a_hard_stop_is_silent_and_so_is_the_address_of_a_dead_machine(lab: Any) -> None:
    """Established connections get neither data nor an end, new ones no answer, also after termination."""
    lab.machines.apply([lab.machine(cloud_config())])
    await lab.bell.ring()
    await lab.reach("running")
    reader, writer = await asyncio.open_connection(f"{lab.subnet}.128", 8080)
    with contextlib.closing(writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        lab.machines.apply([lab.machine(cloud_config(), state="stopped", hard=True)])
        await lab.reach("stopped")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read()
    await assert_silent(lab)
    lab.machines.apply([])
    await lab.reach("terminated")
    await assert_silent(lab)
    assert not lab.root().exists()


async def test_a_graceful_stop_lets_services_finish(lab: Any) -> None:
    """SIGTERM arrives and is waited for."""
    app = """
import os, signal
def end(*_):
    with open("/var/log/ended", "w") as file:
        file.write("orderly")
        file.flush()
        os._exit(0)
signal.signal(signal.SIGTERM, end)
open("/var/bell", "w").write("ready\\n")
while True:
    signal.pause()
"""
    lab.machines.apply([lab.machine(cloud_config(app=app))])
    await lab.bell.ring()
    lab.machines.apply([lab.machine(cloud_config(app=app), state="stopped")])
    await lab.reach("stopped")
    assert lab.root().joinpath("var/log/ended").read_text() == "orderly"


async def test_a_stop_followed_by_a_start_is_still_a_stop(lab: Any) -> None:
    """Wanted states are worked off in their order."""
    lab.machines.apply([lab.machine(cloud_config())])
    await lab.bell.ring()
    await lab.reach("running")
    lab.machines.apply([lab.machine(cloud_config(), state="stopped")])
    lab.machines.apply([lab.machine(cloud_config())])
    await lab.reach("stopped")
    await lab.reach("running")
    assert [state for _, state in lab.history] == [
        "pending",
        "running",
        "stopping",
        "stopped",
        "pending",
        "running",
    ]


async def test_daemons_end_with_their_machine(lab: Any) -> None:
    """Nothing that user data started survives a stop, in whatever session or environment it hides."""
    lab.machines.apply([lab.machine(DAEMONS)])
    await lab.bell.ring()
    await lab.reach("running")
    pids = members(f"{lab.cloud_id}/i-1")
    assert len(pids) >= 5
    lab.machines.apply([lab.machine(DAEMONS, state="stopped")])
    await lab.reach("stopped")
    assert not members(f"{lab.cloud_id}/i-1")
    assert not still_there(pids)


async def test_a_machine_whose_init_dies_is_stopped(lab: Any) -> None:
    """Killing init itself powers the machine off, with everything that it ran."""
    lab.machines.apply([lab.machine(DAEMONS)])
    await lab.bell.ring()
    await lab.reach("running")
    os.kill(init_of(f"{lab.cloud_id}/i-1"), signal.SIGKILL)
    await lab.reach("stopped")
    assert not members(f"{lab.cloud_id}/i-1")


async def test_commands_tell_their_output_and_code(lab: Any) -> None:
    """Run Command's answer carries both streams, the exit code and the word for it; paths are the machine's."""
    lab.machines.apply([lab.machine("#!/bin/sh\necho here > /etc/motd\necho x > /var/bell\n")])
    await lab.bell.ring()
    await lab.reach("running")
    answer = await lab.run("cat /etc/motd; echo oops >&2; exit 3")
    assert answer == {"code": 3, "stdout": "here\n", "stderr": "oops\n", "status": "Failed"}
    assert (await lab.run("true"))["status"] == "Success"
    assert (await lab.run("#!/usr/bin/env python3\nprint('python')"))["stdout"] == "python\n"


async def test_commands_run_side_by_side_and_time_out(lab: Any) -> None:
    """A command that hangs is killed at its deadline and keeps nobody waiting."""
    lab.machines.apply([lab.machine()])
    await lab.reach("running")
    slow = asyncio.create_task(lab.run("echo begun; sleep 1000", timeout_s=1))
    assert (await lab.run("echo quick"))["stdout"] == "quick\n"
    assert not slow.done()
    assert await slow == {"code": 137, "stdout": "begun\n", "stderr": "", "status": "TimedOut"}


async def test_output_is_bounded_and_background_jobs_survive_their_command(lab: Any) -> None:
    """One mebibyte is kept; a daemon that holds the command's output neither delays the answer nor dies of it."""
    script = "setsid sh -c 'while echo more; do sleep 0.05; done' & head -c 3000000 /dev/zero; echo $! >&2"
    lab.machines.apply([lab.machine()])
    await lab.reach("running")
    answer = await lab.run(script)
    assert (answer["code"], len(answer["stdout"])) == (0, 1024 * 1024)
    assert (await lab.run(f"sleep 0.2; kill -0 {answer['stderr']}"))["code"] == 0


async def test_output_without_end_fills_no_disk(lab: Any) -> None:
    """What a command writes until its deadline, and a daemon of it for ever, is dropped beyond its start."""
    lab.machines.apply([lab.machine()])
    await lab.reach("running")
    answer = await lab.run("setsid yes more & echo $! >daemon; yes", timeout_s=1)
    assert (answer["status"], len(answer["stdout"]), answer["stderr"]) == ("TimedOut", 1024 * 1024, "")
    assert (await lab.run("kill -0 $(cat daemon)"))["code"] == 0
    kept = sum(file.stat().st_size for file in lab.root().rglob("*") if file.is_file())
    assert kept < 1024 * 1024


async def test_nothing_of_the_operator_is_in_a_machine(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no profile, no variable of the operator reaches a machine's programs."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOPERATOR")
    monkeypatch.setenv("OPERATORS_SECRET", "s3cret")
    lab.machines.apply([lab.machine()])
    await lab.reach("running")
    variables = (await lab.run("env"))["stdout"]
    assert "OPERATOR" not in variables
    assert "AWS_ACCESS_KEY_ID" not in variables
    assert f"AWS_ENDPOINT_URL=http://{lab.subnet}.1:8000" in variables


async def test_two_machines_have_their_own_addresses(lab: Any) -> None:
    """Both bind the wildcard and the same port, and each gets its own address."""
    program = "import socket; print(socket.create_server(('', 8080)).getsockname()[0])"
    lab.machines.apply([lab.machine(), lab.machine(id="i-2", public_address=None)])
    await lab.reach("running", "i-1")
    await lab.reach("running", "i-2")
    answers = [await lab.machines.run(name, "c", f'python3 -c "{program}"', 30) for name in ("i-1", "i-2")]
    assert [answer["stdout"] for answer in answers] == [f"{lab.subnet}.64\n", f"{lab.subnet}.65\n"]
