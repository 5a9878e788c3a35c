"""What a drill may do to a deployment, done with the AWS API: it fulfils `srekv.drill.model.FaultTarget`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, SrekvError
from srekv.provision.deployment import read
from srekv.provision.engine.answers import FAILURES, code_of, explain, explained, message_of
from srekv.provision.engine.run import Run
from srekv.provision.inventory.marks import each, instance
from srekv.provision.model import Check, CommandResult, Deployment, Node, Observation, Place
from srekv.provision.naming import FAULT_TAG
from srekv.provision.steps.firewall import MARK, our_groups, tcp

ENDED = frozenset({"Success", "Failed", "TimedOut", "Cancelled", "Undeliverable", "Terminated"})
SHORTEST_DELIVERY_S = 30  # SSM's least TimeoutSeconds (aws-facts 4.10)

FIRST_LOOK_S = 0.5  # before and between the first polls of a command, AWS-equivalent: SSM takes about a second for one
TIMEOUT_S = 300  # how long an instance may take to stop, and an SSM agent to report after a boot (aws-facts 4.9)


def observation(report: Mapping[str, Any]) -> Observation:
    """One checker's report; only the prefix of its status text is meaningful (aws-facts 1.2)."""
    status = report["StatusReport"]["Status"]
    return Observation(
        checker=report.get("IPAddress", ""),
        region=report.get("Region", ""),
        healthy=status.startswith("Success"),
        status=status,
        at=report["StatusReport"]["CheckedTime"],
    )


class AwsFaultTarget:
    """Stops, starts, inverts, reads, and runs commands inside the VPC by SSM Run Command; SSH is not needed."""

    def __init__(self, run: Run) -> None:
        self._run, clients = run, run.clients
        self._ec2, self._route53, self._ssm = clients.ec2, clients.route53, clients.ssm

    def cancel(self) -> None:
        """End every wait that is under way in another thread."""
        self._run.cancelled.set()

    def deployment(self) -> Deployment:
        """The stack as it is now; raises SrekvError if it is not complete, or could not be read."""
        with explained(f"reading the stack {self._run.config.stack}"):
            return read(self._run)

    def stop(self, node: Node, *, skip_os_shutdown: bool = False) -> None:
        """Ask for the instance to stop; SkipOsShutdown is closest to a power loss (aws-facts 4.4)."""
        more: Any = {"SkipOsShutdown": True} if skip_os_shutdown else {}
        self._call(f"stopping {node.name}", self._ec2.stop_instances, InstanceIds=[node.instance_id], **more)

    def start(self, node: Node) -> None:
        """Start the instance; one that is still stopping must have stopped first."""

        def has_stopped() -> bool | None:
            there = self._instance(node.instance_id, node.name)
            return there.get("State", {}).get("Name") != "stopping" or None

        self._run.wait("EC2", f"{node.instance_id} to have stopped", has_stopped, timeout_s=TIMEOUT_S)
        self._call(f"starting {node.name}", self._ec2.start_instances, InstanceIds=[node.instance_id])

    def _instance(self, instance_id: str, name: str) -> Mapping[str, Any]:
        return self._call(f"reading {name}", instance, ec2=self._ec2, instance_id=instance_id) or {}

    def invert(self, check: Check, *, inverted: bool) -> None:
        """Set or clear the check's Inverted flag."""
        update = self._route53.update_health_check
        self._call(f"inverting {check.name}", update, HealthCheckId=check.id, Inverted=inverted)

    def remember(self, node: Node, text: str) -> None:
        """Write the note as a tag of the instance: tags survive a stop, and this process."""
        tags = [{"Key": FAULT_TAG, "Value": text}]
        doing = f"noting on {node.name} what is to be undone"
        self._call(doing, self._ec2.create_tags, Resources=[node.instance_id], Tags=tags)

    def forget(self, node: Node) -> None:
        """Remove the note; EC2 does not mind when there is none."""
        doing, tags = f"removing the note from {node.name}", [{"Key": FAULT_TAG}]
        self._call(doing, self._ec2.delete_tags, Resources=[node.instance_id], Tags=tags)

    def admit(self, instance_id: str) -> str:
        """Open the service's port to an instance's public address: that is where it comes from to an Elastic IP.

        The rule has srekv's mark, so that `up` takes it away. Returns the address; "" when it was let in already, so
        that nothing needs to be taken back. Raises SrekvError if the instance has no public address.
        """
        address = str(self._instance(instance_id, instance_id).get("PublicIpAddress", ""))
        if not address:
            raise SrekvError(
                f"{instance_id} cannot be the vantage point",
                why="it has no public IPv4 address, and the nodes let only known addresses in",
                next_step="choose an instance with a public address, or leave --vantage out",
            )
        authorize = self._ec2.authorize_security_group_ingress
        doing, present = f"letting {instance_id} in", "InvalidPermission.Duplicate"
        return address if self._change_rule(doing, authorize, address, unless=present) else ""

    def dismiss(self, address: str) -> None:
        """Close the port to that address again; a rule that is gone is fine."""
        if address:
            revoke = self._ec2.revoke_security_group_ingress
            self._change_rule(f"closing the port to {address}", revoke, address, unless="InvalidPermission.NotFound")

    def _change_rule(self, doing: str, call: Callable[..., object], address: str, *, unless: str) -> bool:
        """Change the vantage point's rule; False when EC2 refuses with this code: then nothing was to be done."""
        groups = self._call("finding the security group", our_groups, ec2=self._ec2, names=self._run.names)
        if not groups:
            raise SrekvError("the stack has no security group", next_step=CommandLine("srekv up"))
        rule = tcp(self._run.config.port, f"{address}/32").permission(f"{MARK}vantage point of a drill")
        try:
            call(GroupId=groups[0]["GroupId"], IpPermissions=[rule])
        except FAILURES as error:
            if code_of(error) == unless:
                return False
            raise explain(error, doing) from error
        return True

    def observations(self, check: Check) -> tuple[Observation, ...]:
        """The checkers' last reports."""
        answer = self._call(f"asking for {check.name}", self._route53.get_health_check_status, HealthCheckId=check.id)
        return tuple(observation(one) for one in answer["HealthCheckObservations"])

    def await_commands(self, nodes: Sequence[Place]) -> None:
        """Wait until the SSM agents of these nodes are online (aws-facts 4.9), TIMEOUT_S at most."""
        ids = {node.instance_id for node in nodes}
        seen: set[str] = set()

        def look() -> bool | None:
            filters: Any = [{"Key": "InstanceIds", "Values": sorted(ids)}]
            listed = each(self._ssm, "describe_instance_information", "InstanceInformationList", Filters=filters)
            seen.update(one["InstanceId"] for one in listed if one.get("PingStatus") == "Online")
            return True if ids <= seen else None

        check = "check that the nodes reach the internet, and the role's policy ("
        advice = check + CommandLine("srekv up") + " repairs it)"
        with explained("listing the SSM agents"):
            self._run.wait("SSM", "the nodes to take commands", look, timeout_s=TIMEOUT_S, next_step=advice)

    def run(self, node: Place, script: str, *, timeout_s: float) -> CommandResult:
        """Run a shell script on the node and wait for its end."""
        command_id, first_look_s = self._send(node, script, timeout_s), self._run.config.wall(FIRST_LOOK_S)

        def look() -> dict[str, Any] | None:
            """The invocation when it has ended; right after SendCommand it may not exist yet (S2)."""
            try:
                answer: Any = self._ssm.get_command_invocation(CommandId=command_id, InstanceId=node.instance_id)
            except ClientError as error:
                if code_of(error) == "InvocationDoesNotExist":
                    return None
                raise
            return answer if answer["Status"] in ENDED else None

        self._run.clock.pause(self._run.cancelled, first_look_s)
        with explained(f"asking for a command on {node.name}"):
            what, longest_s = f"a command on {node.name}", timeout_s + SHORTEST_DELIVERY_S
            answer = self._run.wait("SSM", what, look, timeout_s=longest_s, shortest_pause_s=first_look_s)
        return CommandResult(
            status=answer["Status"],
            code=answer.get("ResponseCode", -1),
            stdout=answer.get("StandardOutputContent", ""),
            stderr=answer.get("StandardErrorContent", ""),
        )

    def _send(self, node: Place, script: str, timeout_s: float) -> str:
        try:
            answer = self._ssm.send_command(
                InstanceIds=[node.instance_id],
                DocumentName="AWS-RunShellScript",
                Comment="srekv",
                TimeoutSeconds=max(SHORTEST_DELIVERY_S, int(timeout_s)),
                Parameters={"commands": [script], "executionTimeout": [str(max(1, int(timeout_s + 0.999)))]},
            )
        except FAILURES as error:
            if code_of(error) != "InvalidInstanceId":
                raise explain(error, f"sending a command to {node.name}") from error
            what, why = f"{node.name} ({node.instance_id}) does not take commands", message_of(error)
            late = CommandLine("srekv status") + " shows whether it runs; an agent registers a minute or two after boot"
            raise SrekvError(what, why=why or "its SSM agent is not registered", next_step=late) from error
        return answer["Command"]["CommandId"]

    def console(self, node: Node, lines: int = 15) -> str:
        """The end of the instance's console output; "" where there is none yet."""
        try:
            output = self._ec2.get_console_output(InstanceId=node.instance_id).get("Output", "")
        except FAILURES:
            return ""
        return "\n".join(output.rstrip().splitlines()[-lines:])

    def _call(self, doing: str, call: Callable[..., Any], **arguments: Any) -> Any:
        with explained(doing):
            return call(**arguments)
