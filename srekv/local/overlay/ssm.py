"""SSM Run Command, executed on the machines of this cloud; the public AMI parameters are moto's."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.responses import SimpleSystemManagerResponse

from srekv.errors import SrekvError
from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.wording import broken_constraint
from srekv.local.overlay.world import World
from srekv.local.snapshot import role_of

DOCUMENT = "AWS-RunShellScript"
STDOUT_LIMIT, STDERR_LIMIT = 24_000, 8_000
"""Characters of output that GetCommandInvocation returns (aws-facts 4.10)."""

LEAST_DELIVERY = 30
DEFAULT_DELIVERY = 3600
DEFAULT_EXECUTION = 3600
"""Seconds: the least TimeoutSeconds, its default, and the document's executionTimeout."""


@dataclass(kw_only=True)
class Invocation:
    """One command on one instance, as moto's answers read it. `response_code` is -1 until it has ended."""

    command_id: str
    instance_id: str
    comment: str
    requested_date_time: datetime
    document_name: str = DOCUMENT
    document_version: str = "$DEFAULT"
    plugin_name: str = "aws:runShellScript"
    status: str = "Pending"
    response_code: int = -1
    standard_output_content: str = ""
    standard_output_url: str = ""
    standard_error_content: str = ""
    standard_error_url: str = ""
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def status_details(self) -> str:
        """The status in more words."""
        return "Execution Timed Out" if self.status == "TimedOut" else self.status

    @property
    def execution_start_date_time(self) -> str:
        """In ISO 8601; "" before."""
        return _text(self.started)

    @property
    def execution_end_date_time(self) -> str:
        """In ISO 8601; "" before."""
        return _text(self.ended)

    @property
    def execution_elapsed_time(self) -> str:
        """In ISO 8601; "" before the end."""
        return f"PT{(self.ended - self.started).total_seconds():.3f}S" if self.started and self.ended else ""


class Ssm(SimpleSystemManagerResponse):
    """Instances that take commands, and the commands."""

    world: World

    def describe_instance_information(self) -> ActionResult:
        """Running instances with a role are online; others are not listed (aws-facts 4.9)."""
        named = [one["Values"] for one in self._get_param("Filters") or [] if one.get("Key") == "InstanceIds"]
        older = self._get_param("InstanceInformationFilterList") or []
        named += [one["valueSet"] for one in older if one.get("key") == "InstanceIds"]
        listed = [
            {
                "InstanceId": instance.id,
                "PingStatus": "Online",
                "LastPingDateTime": datetime.now(UTC),
                "AgentVersion": "3.3.0.0",
                "IsLatestVersion": True,
                "PlatformType": "Linux",
                "PlatformName": "Amazon Linux",
                "ResourceType": "EC2Instance",
                "IPAddress": instance.private_ip,
            }
            for instance in self._online()
            if not named or instance.id in named[0]
        ]
        return ActionResult({"InstanceInformationList": listed})

    def _online(self) -> Iterator[Any]:
        backend = self.world.backends("ec2").get(self.region)
        for instance in backend.all_instances() if backend else ():
            if instance.state == "running" and role_of(self.world, instance):
                yield instance

    def send_command(self) -> ActionResult:
        """Start a shell script on instances, or row S1 when one of them takes no commands."""
        instances: list[str] = self._get_param("InstanceIds") or []
        parameters: dict[str, list[str]] = self._get_param("Parameters") or {}
        delivery = self._checked_request(instances, parameters)
        online = {instance.id for instance in self._online()}
        if missing := [instance for instance in instances if instance not in online]:
            text = f"Instances [[{', '.join(missing)}]] not in a valid state for account {self.current_account}"
            raise ApiError("InvalidInstanceId", text)
        command, comment, now = str(uuid.uuid4()), self._get_param("Comment") or "", datetime.now(UTC)
        script = "\n".join(parameters["commands"])
        seconds = float((parameters.get("executionTimeout") or [str(DEFAULT_EXECUTION)])[0])
        for instance in instances:
            invocation = Invocation(command_id=command, instance_id=instance, comment=comment, requested_date_time=now)
            self.world.memory.invocations[command, instance] = invocation
            threading.Thread(
                target=_execute, args=(self.world, invocation, script, seconds), name=f"command-{command}", daemon=True
            ).start()
        answer = {
            "CommandId": command,
            "DocumentName": DOCUMENT,
            "DocumentVersion": "$DEFAULT",
            "Comment": comment,
            "Parameters": parameters,
            "InstanceIds": instances,
            "Targets": [],
            "RequestedDateTime": now,
            "ExpiresAfter": now + timedelta(seconds=delivery),
            "Status": "Pending",
            "StatusDetails": "Pending",
            "TimeoutSeconds": delivery,
            "TargetCount": len(instances),
            "CompletedCount": 0,
            "ErrorCount": 0,
        }
        return ActionResult({"Command": answer})

    def _checked_request(self, instances: list[str], parameters: dict[str, list[str]]) -> int:
        """The delivery time-out of a request that is well formed."""
        if (name := self._get_param("DocumentName")) != DOCUMENT:
            raise ApiError("InvalidDocument", f"Document {name} does not exist in your account.")
        if not instances:
            raise ApiError("ValidationException", "InstanceIds: the local cloud takes commands for instance ids")
        if not parameters.get("commands"):
            raise ApiError("InvalidParameters", "Parameters without commands")
        delivery = int(self._get_param("TimeoutSeconds") or DEFAULT_DELIVERY)
        if delivery < LEAST_DELIVERY:
            demand = f"have value greater than or equal to {LEAST_DELIVERY}"
            raise ApiError("ValidationException", broken_constraint(delivery, "timeoutSeconds", demand))
        return delivery

    def get_command_invocation(self) -> ActionResult:
        """How a command stands on one instance, with output once it has ended; row S2 for an unknown command."""
        place = (self._get_param("CommandId"), self._get_param("InstanceId"))
        if place not in self.world.memory.invocations:
            raise ApiError("InvocationDoesNotExist", "")
        return ActionResult(self.world.memory.invocations[place])

    def list_command_invocations(self) -> ActionResult:
        """Commands by command id, by instance id, or all."""
        wanted = (self._get_param("CommandId"), self._get_param("InstanceId"))
        listed = [
            invocation
            for place, invocation in self.world.memory.invocations.items()
            if all(want in (None, have) for want, have in zip(wanted, place, strict=True))
        ]
        return ActionResult({"CommandInvocations": listed})


def _execute(world: World, invocation: Invocation, script: str, timeout_s: float) -> None:
    """Run a command on its machine, on a thread of its own: it may take as long as its time-out.

    That is wall-clock time whatever the cloud's speed: what a command does takes real time.
    """
    with world.lock:
        invocation.status, invocation.started = "InProgress", datetime.now(UTC)
    machine, command = invocation.instance_id, invocation.command_id
    try:
        result = world.link.call("run", machine=machine, command=command, script=script, timeout_s=timeout_s)
    except SrekvError as error:
        result = {"status": "Undeliverable", "code": -1, "stdout": "", "stderr": error.what}
    with world.lock:
        invocation.standard_output_content = result["stdout"][:STDOUT_LIMIT]
        invocation.standard_error_content = result["stderr"][:STDERR_LIMIT]
        invocation.response_code, invocation.ended = result["code"], datetime.now(UTC)
        invocation.status = result["status"]


def _text(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else ""
