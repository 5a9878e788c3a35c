"""Systems Manager's laws: instances register late, and a command's invocation appears late."""

from __future__ import annotations

from typing import Any

from srekv.conformance.machines import named
from srekv.conformance.model import Call, Conditions, Law, Lenient, Moments, Refusal, Rule


def laws(conditions: Conditions) -> tuple[Law, ...]:
    """A new set."""
    return (NotRegistered(conditions), InvocationLate(conditions), InvocationsEmpty(conditions))


class NotRegistered(Lenient):
    """The agent registers some time after the instance runs."""

    rule = Rule(
        id="ssm-not-registered",
        rows=("S1",),
        source="aws/aws-cli#3646, #2412; aws-samples/eks-security-compromised-cluster-remediation#12",
        says="A command to an instance that has not registered is refused.",
    )

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._known: set[str] = set()
        self._early = Moments()
        self._account = "123456789012"

    def before(self, call: Call) -> Refusal | None:
        """Refuse a command to an instance that nobody has seen, and the first ones to a new instance."""
        if call.operation != "SendCommand":
            return None
        instances = call.params.get("InstanceIds", [])
        away = [one for one in instances if one not in self._known or self._early.look(one)]
        if not away:
            return None
        text = f"Instances [[{', '.join(away)}]] not in a valid state for account {self._account}"
        return Refusal("InvalidInstanceId", text)

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Learn which instances there are; leave new ones out of the list of those that take commands."""
        if call.service == "ec2":
            self._account = answer.get("OwnerId", self._account)
            self._known.update(named(answer, "i-"))
        if call.operation == "RunInstances" and not call.replayed:
            looks = self._conditions.between(self.rule, f"{call.operation}#{call.number}", 1, 2)
            for instance in answer["Instances"]:
                self._early.begin(instance["InstanceId"], looks)
        elif call.operation == "DescribeInstanceInformation":
            listed = answer["InstanceInformationList"]
            self._known.update(one["InstanceId"] for one in listed)
            answer["InstanceInformationList"] = [one for one in listed if not self._early.look(one["InstanceId"])]


class InvocationLate(Lenient):
    """SendCommand answers before the command has reached its instances' lists."""

    rule = Rule(
        id="ssm-invocation-late",
        rows=("S2",),
        source="boto/boto3#2701; aws/aws-sdk#86; aws-sdk-ruby#2556",
        says="A command's invocation is not there at first, nor for a command that was never sent.",
    )

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._late = Moments()

    def before(self, call: Call) -> Refusal | None:
        """Refuse the first looks."""
        if call.operation == "GetCommandInvocation" and self._late.look(call.params["CommandId"]):
            return Refusal("InvocationDoesNotExist", "")
        return None

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """A command has been sent."""
        if call.operation == "SendCommand":
            looks = self._conditions.between(self.rule, f"{call.operation}#{call.number}", 1, 2)
            self._late.begin(answer["Command"]["CommandId"], looks)

    def reword(self, call: Call, error: dict[str, str]) -> None:
        """Put a backend's refusal as SSM puts it."""
        if call.operation == "GetCommandInvocation" and error.get("Code") == "InvalidCommandId":
            error.update(Code="InvocationDoesNotExist", Message="")


class InvocationsEmpty(Lenient):
    """The list is late as well."""

    rule = Rule(
        id="ssm-invocations-empty",
        rows=("S3",),
        source="aws/aws-cli#3546; boto/boto3#1694",
        says="The list of a command's invocations is empty at first.",
    )

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._late = Moments()

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Show nothing to the first look, by the seed."""
        if call.operation == "SendCommand":
            looks = self._conditions.between(self.rule, f"{call.operation}#{call.number}", 0, 1)
            self._late.begin(answer["Command"]["CommandId"], looks)
        elif call.operation == "ListCommandInvocations" and self._late.look(call.params.get("CommandId", "")):
            answer["CommandInvocations"] = []
