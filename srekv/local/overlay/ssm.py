"""SSM Run Command, executed on the machines of this cloud; the public AMI parameters are moto's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.responses import SimpleSystemManagerResponse

from srekv.errors import SrekvError
from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.errors import broken_constraint
from srekv.local.overlay.world import World
from srekv.local.snapshot import role_of

_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_AGENT = {"PingStatus": "Online", "AgentVersion": "3.3.0.0", "IsLatestVersion": True}
_MACHINE = {"PlatformType": "Linux", "PlatformName": "Amazon Linux", "ResourceType": "EC2Instance"}
_PENDING = {
    "Status": "Pending",
    "StatusDetails": "Pending",
    "ResponseCode": -1,
    "DocumentVersion": "$DEFAULT",
    **dict.fromkeys(("ExecutionStartDateTime", "ExecutionEndDateTime", "ExecutionElapsedTime", "StandardErrorUrl"), ""),
}
"""A command that has not begun on an instance; to moto it has succeeded at once."""


class Ssm(SimpleSystemManagerResponse):
    """Instances that take commands, and the commands."""

    world: World

    def describe_instance_information(self) -> ActionResult:
        """Running instances with a role are online; others are not listed (aws-facts 4.9)."""
        named = [one["Values"] for one in self._get_param("Filters") or [] if one.get("Key") == "InstanceIds"]
        older = self._get_param("InstanceInformationFilterList") or []
        named += [one["valueSet"] for one in older if one.get("key") == "InstanceIds"]
        now = datetime.now(UTC)
        listed = [
            {**_AGENT, **_MACHINE, "InstanceId": instance.id, "IPAddress": instance.private_ip, "LastPingDateTime": now}
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
        instances = list(self._get_param("InstanceIds") or [])
        parameters: dict[str, list[str]] = self._get_param("Parameters") or {}
        self._check_request(instances, parameters)
        online = {instance.id for instance in self._online()}
        if missing := [instance for instance in instances if instance not in online]:
            text = f"Instances [[{', '.join(missing)}]] not in a valid state for account {self.current_account}"
            raise ApiError("InvalidInstanceId", text)
        result: Any = super().send_command().result
        command = self.ssm_backend.get_command_by_id(result["Command"]["CommandId"])
        command.status, command.status_details, command.completed_count = "Pending", "Pending", 0
        # Without targets moto adds every instance there is.
        command.instance_ids, command.target_count = instances, len(instances)
        command.invocations = [one for one in command.invocations if one["InstanceId"] in instances]
        script = "\n".join(parameters["commands"])
        seconds = float((parameters.get("executionTimeout") or ["3600"])[0])  # the document's default
        for invocation in command.invocations:
            invocation.update({**_PENDING, "RequestedDateTime": command.requested_date_time})
            what = (self.world, invocation, script, seconds)
            threading.Thread(target=_execute, args=what, name=f"command-{command.command_id}", daemon=True).start()
        return ActionResult({"Command": {**command.response_object(), "DocumentVersion": "$DEFAULT"}})

    def _check_request(self, instances: list[str], parameters: dict[str, list[str]]) -> None:
        if (name := self._get_param("DocumentName")) != "AWS-RunShellScript":
            raise ApiError("InvalidDocument", f"Document {name} does not exist in your account.")
        if not instances:
            raise ApiError("ValidationException", "InstanceIds: the local cloud takes commands for instance ids")
        if not parameters.get("commands"):
            raise ApiError("InvalidParameters", "Parameters without commands")
        delivery = self._get_param("TimeoutSeconds")
        if delivery and int(delivery) < 30:
            demand = "have value greater than or equal to 30"
            raise ApiError("ValidationException", broken_constraint(delivery, "timeoutSeconds", demand))

    def get_command_invocation(self) -> ActionResult:
        """How a command stands on one instance, with output once it has ended; row S2 for an unknown command."""
        found = self._invocations()
        if not found:
            raise ApiError("InvocationDoesNotExist", "")
        return ActionResult(found[0])

    def list_command_invocations(self) -> ActionResult:
        """Commands by command id, by instance id, or all."""
        return ActionResult({"CommandInvocations": self._invocations()})

    def _invocations(self) -> list[dict[str, Any]]:
        members = ("CommandId", "InstanceId")
        wanted = {member: self._get_param(member) for member in members if self._get_param(member)}
        invocations = (one for command in self.ssm_backend.list_commands(None, None) for one in command.invocations)
        return [one for one in invocations if wanted.items() <= {member: one[member] for member in members}.items()]


def _execute(world: World, invocation: dict[str, Any], script: str, timeout_s: float) -> None:
    """Run a command on its machine, on a thread of its own: it may take as long as its time-out.

    That is wall-clock time whatever the cloud's speed: what a command does takes real time.
    """
    started = datetime.now(UTC)
    with world.lock:
        begun = started.strftime(_TIME_FORMAT)
        invocation.update(Status="InProgress", StatusDetails="InProgress", ExecutionStartDateTime=begun)
    machine, command = invocation["InstanceId"], invocation["CommandId"]
    try:
        result = world.link.call("run", machine=machine, command=command, script=script, timeout_s=timeout_s)
    except SrekvError as error:
        result = {"status": "Undeliverable", "code": -1, "stdout": "", "stderr": error.what}
    ended, status = datetime.now(UTC), result["status"]
    with world.lock:
        invocation.update(
            Status=status,
            StatusDetails="Execution Timed Out" if status == "TimedOut" else status,
            ResponseCode=result["code"],
            ExecutionEndDateTime=ended.strftime(_TIME_FORMAT),
            ExecutionElapsedTime=f"PT{(ended - started).total_seconds():.3f}S",
            StandardOutputContent=result["stdout"][:24_000],  # characters (aws-facts 4.10)
            StandardErrorContent=result["stderr"][:8_000],
        )
