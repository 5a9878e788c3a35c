"""A machine's metadata service answers the operator's processes only."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from srekv.local import imds

pytestmark = pytest.mark.local

OTHER = 65534
"""Another user's id."""

TOKEN = ("-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60")


async def ask(url: str, *options: str, user: int | None = None) -> tuple[int, str]:
    """Request a token with curl, as that user: curl's exit code and the status."""
    words = ("curl", "-s", "-o", os.devnull, "-w", "%{http_code}", *TOKEN, *options, url)
    ids: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, **ids)
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def request_token(
    lab: Any, *options: str, user: int | None = None, ports: tuple[int, ...] = (8080,), public: bool = False
) -> tuple[int, str]:
    """The exit code of curl and the status for a token, from a machine's service or that port of its public address."""
    lab.machines.apply([lab.machine(role="web", ports=ports)])
    await lab.reach("running")
    host = lab.machine().public_address if public else f"{lab.subnet}.64"
    return await ask(f"http://{host}:{imds.PORT}{imds.TOKEN_PATH}", *options, user=user)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ((), "200"),
        (("-H", "Host: 169.254.169.254"), "200"),
        (("-H", "Host: attacker.example"), "403"),
        (("-H", "Host: 169.254.169.254.attacker.example:1338"), "403"),
        (("-H", "Host:"), "403"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else None,
)
async def test_only_its_own_names_are_answered(lab: Any, host: tuple[str, ...], status: str) -> None:
    """A page whose name resolves to loopback (DNS rebinding) sends that name."""
    assert await request_token(lab, *host) == (0, status)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("host", [(), ("-H", "Host: 169.254.169.254")], ids=["its own name", "EC2's name"])
async def test_other_users_get_no_credentials(lab: Any, host: tuple[str, ...]) -> None:
    """Not even a token, which every other request needs."""
    assert await request_token(lab, *host, user=OTHER) == (0, "403")


async def test_it_is_not_reached_from_outside(lab: Any) -> None:
    """Even if a security group opens its port: through the gateway every client would be the operator."""
    assert await request_token(lab, ports=(8080, imds.PORT), public=True) == (7, "000")
