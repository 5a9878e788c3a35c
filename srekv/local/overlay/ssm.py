"""SSM Run Command, executed on the machines of this cloud; the public AMI parameters are moto's."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.responses import SimpleSystemManagerResponse

from srekv.errors import SrekvError
from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.memory import Invocation
from srekv.local.overlay.world import World
from srekv.local.snapshot import role_of

DOCUMENT = "AWS-RunShellScript"
STDOUT_LIMIT, STDERR_LIMIT = 24_000, 8_000
"""Characters of output that GetCommandInvocation returns (aws-facts 4.10)."""

LEAST_DELIVERY = 30
DEFAULT_DELIVERY = 3600
DEFAULT_EXECUTION = 3600
"""Seconds: the least TimeoutSeconds, its default, and the document's executionTimeout."""


class Ssm(SimpleSystemManagerResponse):
    """Instances that take commands, and the commands."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def describe_instance_information(self) -> ActionResult:
        """Running instances with a role are online; others are not listed (aws-facts 4.9)."""
        wanted = _instance_filter(
            self._get_param("Filters") or [], self._get_param("InstanceInformationFilterList") or []
        )
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
            if wanted is None or instance.id in wanted
        ]
        return ActionResult({"InstanceInformationList": listed})

    def _online(self) -> Iterator[Any]:
        backend = self.world.ec2().get(self.region)
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
        command = str(uuid.uuid4())
        seconds = float((parameters.get("executionTimeout") or [str(DEFAULT_EXECUTION)])[0])
        for instance in instances:
            invocation = Invocation(
                command=command,
                instance=instance,
                script="\n".join(parameters["commands"]),
                timeout=seconds,
                comment=self._get_param("Comment") or "",
                requested=datetime.now(UTC),
            )
            self.world.memory.invocations[command, instance] = invocation
            threading.Thread(
                target=_execute, args=(self.world, invocation), name=f"command-{command}", daemon=True
            ).start()
        return ActionResult({"Command": self._command(command, instances, parameters, delivery)})

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
            raise ApiError(
                "ValidationException",
                f"1 validation error detected: Value '{delivery}' at 'timeoutSeconds' failed to satisfy constraint: "
                f"Member must have value greater than or equal to {LEAST_DELIVERY}",
            )
        return delivery

    def _command(self, command: str, instances: list[str], parameters: Any, delivery: int) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "CommandId": command,
            "DocumentName": DOCUMENT,
            "DocumentVersion": "$DEFAULT",
            "Comment": self._get_param("Comment") or "",
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

    def get_command_invocation(self) -> ActionResult:
        """How a command stands on one instance, with output once it has ended; row S2 for an unknown command."""
        place = (self._get_param("CommandId"), self._get_param("InstanceId"))
        invocation = self.world.memory.invocations.get(place)
        if invocation is None:
            raise ApiError("InvocationDoesNotExist", "")
        return ActionResult(
            {
                "CommandId": invocation.command,
                "InstanceId": invocation.instance,
                "Comment": invocation.comment,
                "DocumentName": DOCUMENT,
                "DocumentVersion": "$DEFAULT",
                "PluginName": "aws:runShellScript",
                "ResponseCode": invocation.code,
                "ExecutionStartDateTime": _text(invocation.started),
                "ExecutionEndDateTime": _text(invocation.ended),
                "ExecutionElapsedTime": _elapsed(invocation),
                "Status": invocation.status,
                "StatusDetails": "Execution Timed Out" if invocation.status == "TimedOut" else invocation.status,
                "StandardOutputContent": invocation.stdout[:STDOUT_LIMIT],
                "StandardErrorContent": invocation.stderr[:STDERR_LIMIT],
                "StandardOutputUrl": "",
                "StandardErrorUrl": "",
            }
        )

    def list_command_invocations(self) -> ActionResult:
        """Commands by command id, by instance id, or all."""
        command, instance = self._get_param("CommandId"), self._get_param("InstanceId")
        return ActionResult(
            {
                "CommandInvocations": [
                    {
                        "CommandId": invocation.command,
                        "InstanceId": invocation.instance,
                        "Comment": invocation.comment,
                        "DocumentName": DOCUMENT,
                        "RequestedDateTime": invocation.requested,
                        "Status": invocation.status,
                        "StatusDetails": invocation.status,
                    }
                    for invocation in self.world.memory.invocations.values()
                    if command in (None, invocation.command) and instance in (None, invocation.instance)
                ]
            }
        )


def _execute(world: World, invocation: Invocation) -> None:
    """Run a command on its machine, on a thread of its own: it may take as long as its time-out.

    That is wall-clock time whatever the cloud's speed: what a command does takes real time.
    """
    with world.lock:
        invocation.status, invocation.started = "InProgress", datetime.now(UTC)
    try:
        result = world.link.call(
            "run",
            machine=invocation.instance,
            command=invocation.command,
            script=invocation.script,
            timeout_s=invocation.timeout,
        )
    except SrekvError as error:
        result = {"status": "Undeliverable", "code": -1, "stdout": "", "stderr": error.what}
    with world.lock:
        invocation.stdout, invocation.stderr = result["stdout"], result["stderr"]
        invocation.code, invocation.ended = result["code"], datetime.now(UTC)
        invocation.status = result["status"]


def _instance_filter(filters: list[Any], older: list[Any]) -> set[str] | None:
    """The instance ids that a filter asks for, or None without such a filter."""
    for one in filters:
        if one.get("Key") == "InstanceIds":
            return set(one["Values"])
    for one in older:
        if one.get("key") == "InstanceIds":
            return set(one["valueSet"])
    return None


def _text(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else ""


def _elapsed(invocation: Invocation) -> str:
    if invocation.started is None or invocation.ended is None:
        return ""
    return f"PT{(invocation.ended - invocation.started).total_seconds():.3f}S"
