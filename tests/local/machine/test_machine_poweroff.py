"""A machine that switches itself off: how it is told to, what it lets finish, and that it can be started again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.local

UNIT = """#cloud-config
write_files:
- path: /opt/serve
  content: |
    #!/bin/sh
    trap 'echo orderly > /var/log/ended; exit 0' TERM
    echo ready > /var/bell
    while :; do sleep 0.1; done
- path: /etc/systemd/system/serve.service
  content: |
    [Service]
    ExecStartPre=-/usr/bin/chronyc waitsync 60 1 0 10
    ExecStartPre=-/usr/bin/no-such-program
    ExecStart=/bin/sh /opt/serve
    [Install]
    WantedBy=multi-user.target
runcmd:
- systemctl enable --now serve
"""


@pytest.mark.parametrize(
    "command", ["systemctl poweroff", "/usr/sbin/poweroff", "sudo shutdown -P now", "shutdown -h +0"]
)
async def test_a_machine_that_powers_itself_off_is_stopped_in_order(lab: Any, command: str) -> None:
    """Its services are stopped first, nobody else asked for it, and it boots again when it is told to."""
    lab.machines.apply([lab.machine(UNIT)])
    assert await lab.bell.ring() == "ready"
    await lab.reach("running")
    # The machine may be off before the command has its answer: its end is not waited for.
    asked = asyncio.ensure_future(lab.run(command))
    await lab.reach("stopped")
    await asyncio.gather(asked, return_exceptions=True)
    assert lab.root().joinpath("var/log/ended").read_text() == "orderly\n"
    assert [state for _, state in lab.history] == ["pending", "running", "stopped"]

    lab.machines.apply([lab.machine(UNIT, state="stopped")])
    lab.machines.apply([lab.machine(UNIT)])
    assert await lab.bell.ring() == "ready"
    await lab.reach("running")


async def test_a_shutdown_later_is_refused(lab: Any) -> None:
    """What a local machine cannot do it says, and goes on."""
    lab.machines.apply([lab.machine(UNIT)])
    await lab.bell.ring()
    await lab.reach("running")
    result = await lab.run("shutdown -r +5")
    assert (result["code"], lab.states) == (1, {"i-1": "running"})
    assert "shutdown -P now" in result["stderr"]
