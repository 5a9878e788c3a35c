"""Programs in a machine see its network: metadata, resolver and credentials where a VPC has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from srekv.local.dns import NameServers
from srekv.local.model import Record, Zone

pytestmark = pytest.mark.local

ZONE = Zone(
    id="Z1",
    name="sre-test.local.",
    records=(Record(name="svc.sre-test.local.", type="A", ttl=10, values=("127.53.9.9",)),),
)

METADATA = """
TOKEN=$(curl -sX PUT "http://169.254.169.254/latest/api/token" -H "X-aws-ec2-metadata-token-ttl-seconds: 21600")
curl -s -H "X-aws-ec2-metadata-token: $TOKEN" http://169.254.169.254/latest/meta-data/instance-id
"""

BOTO = """python3 - <<'END'
import boto3
found = boto3.Session().get_credentials().get_frozen_credentials()
print(found.access_key, found.token)
END
"""

QUERY = """python3 - <<'END'
import socket, struct
question = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + b"\\3svc\\10sre-test\\5local\\0\\0\\1\\0\\1"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
    asker.settimeout(5)
    asker.sendto(question, ("169.254.169.253", 53))
    answer, sender = asker.recvfrom(512)
print(socket.inet_ntoa(answer[-4:]), sender)
END
"""

NAMES = """python3 - <<'END'
import socket
print(socket.gethostbyname("svc.sre-test.local"))
print(socket.getaddrinfo("svc.sre-test.local", 80, type=socket.SOCK_STREAM)[0][4])
print(socket.getaddrinfo("127.0.0.1", 80, proto=socket.IPPROTO_TCP)[0][4])
try:
    socket.create_connection(("nobody.sre-test.local", 80), 1)
except OSError as error:
    print(type(error).__name__)
END
"""


async def in_a_machine(lab: Any, script: str, *, role: str | None = None) -> str:
    """The output of a script in a machine whose resolver serves the zone above."""
    servers = NameServers(
        authoritative=(f"{lab.subnet}.3", 5300),
        resolver=(f"{lab.subnet}.2", 5300),
        speed=10,
        healthy=lambda _check: True,
    )
    await servers.start()
    servers.apply([ZONE])
    end = datetime.now(UTC) + timedelta(hours=1)
    lab.credentials = {
        "AccessKeyId": "ASIAMACHINE",
        "SecretAccessKey": "secret",
        "Token": "session",
        "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Role": "web",
    }
    lab.machines.apply([lab.machine(role=role)])
    try:
        await lab.reach("running")
        answer = await lab.run(script)
    finally:
        await servers.close()
    assert answer["code"] == 0, answer
    return str(answer["stdout"])


async def test_curl_reaches_the_metadata_service(lab: Any) -> None:
    """The lab's own two commands work: a token, then the instance id."""
    assert await in_a_machine(lab, METADATA) == "i-1"


async def test_botocore_finds_the_roles_credentials(lab: Any) -> None:
    """The ordinary credential chain ends at the machine's role, with a session token."""
    assert await in_a_machine(lab, BOTO, role="web") == "ASIAMACHINE session\n"


async def test_the_vpcs_resolver_answers_at_its_address(lab: Any) -> None:
    """A datagram to 169.254.169.253:53 is answered, and the answer seems to come from there."""
    assert await in_a_machine(lab, QUERY) == "127.53.9.9 ('169.254.169.253', 53)\n"


async def test_names_resolve_through_the_vpcs_resolver(lab: Any) -> None:
    """Both getaddrinfo and gethostbyname know the private zone; addresses need no question, unknown names fail."""
    assert (await in_a_machine(lab, NAMES)).splitlines() == [
        "127.53.9.9",
        "('127.53.9.9', 80)",
        "('127.0.0.1', 80)",
        "gaierror",
    ]


async def test_pip_and_venv_do_nothing_and_succeed(lab: Any) -> None:
    """An environment exists at once, and imports what the tool itself can import."""
    script = """set -e
python3 -m venv /opt/app/venv
/opt/app/venv/bin/pip install -q flask boto3
/opt/app/venv/bin/python -m pip install -q flask boto3
python3 -m pip install flask
/opt/app/venv/bin/python -c 'import flask, sys; print(sys.prefix)'
"""
    assert (await in_a_machine(lab, script)).endswith("/root/opt/app/venv\n")
