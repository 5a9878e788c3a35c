"""Systems Manager: instances register late, and a command's invocation appears late."""

from __future__ import annotations

from srekv.conformance.model import (
    Answer,
    Call,
    Conditions,
    EventuallyVisible,
    Refusal,
    ResponseRule,
    ServiceRules,
    hide_new,
    named_ids,
    param,
)


class Ssm(ServiceRules):
    """Instances that take commands, and the invocations of these."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._account = "123456789012"
        self._known: set[str] = set()
        self._unregistered, self._unlisted = EventuallyVisible(), EventuallyVisible()
        self.rules = (
            ResponseRule("ssm-not-registered", "SendCommand", refuse=self._refuse_unregistered),
            ResponseRule("ssm-not-registered", "RunInstances", change=self._launch),
            ResponseRule("ssm-not-registered", "DescribeInstanceInformation", change=self._list_registered),
            *hide_new(
                "ssm-invocation-late",
                conditions,
                lambda _: Refusal("InvocationDoesNotExist", ""),
                made_by="SendCommand",
                things=lambda _, answer: [answer["Command"]["CommandId"]],
                polls=(1, 2),
                hidden_from="GetCommandInvocation",
                named=param("CommandId"),
            ),
            ResponseRule("ssm-invocation-late", "GetCommandInvocation", reword=_reword_unknown),
            ResponseRule("ssm-invocations-empty", "SendCommand", change=self._send),
            ResponseRule("ssm-invocations-empty", "ListCommandInvocations", change=self._list_invocations),
        )

    def observe(self, call: Call, answer: Answer) -> None:
        """Learn which instances there are."""
        if call.service == "ec2":
            self._account = answer.get("OwnerId", self._account)
            self._known.update(named_ids(answer, "i-"))
        elif call.operation == "DescribeInstanceInformation":
            self._known.update(one["InstanceId"] for one in answer["InstanceInformationList"])

    def _refuse_unregistered(self, call: Call) -> Refusal | None:
        instances = call.params.get("InstanceIds", [])
        missing = [one for one in instances if one not in self._known or self._unregistered.poll(one)]
        if not missing:
            return None
        text = f"Instances [[{', '.join(missing)}]] not in a valid state for account {self._account}"
        return Refusal("InvalidInstanceId", text)

    def _launch(self, call: Call, answer: Answer) -> None:
        for instance in () if call.replayed else answer["Instances"]:
            polls = self._conditions.polls("ssm-not-registered", call, 1, 2)
            self._unregistered.start(instance["InstanceId"], polls)

    def _list_registered(self, _call: Call, answer: Answer) -> None:
        listed = answer["InstanceInformationList"]
        seen = [one for one in listed if not self._unregistered.poll(one["InstanceId"])]
        answer["InstanceInformationList"] = seen

    def _send(self, call: Call, answer: Answer) -> None:
        polls = self._conditions.polls("ssm-invocations-empty", call, 0, 1)
        self._unlisted.start(answer["Command"]["CommandId"], polls)

    def _list_invocations(self, call: Call, answer: Answer) -> None:
        if self._unlisted.poll(call.params.get("CommandId", "")):
            answer["CommandInvocations"] = []


def _reword_unknown(_call: Call, error: dict[str, str]) -> None:
    if error.get("Code") == "InvalidCommandId":
        error.update(Code="InvocationDoesNotExist", Message="")
