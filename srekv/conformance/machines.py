"""EC2's instances as their owner sees them: new ones are not there yet, and every change of state takes a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
)

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
PHASES = {"pending": "running", "stopping": "stopped", "shutting-down": "terminated"}
"""A passing state -> what comes after it."""

_CHANGES = {
    "StartInstances": ("StartingInstances", "pending"),
    "StopInstances": ("StoppingInstances", "stopping"),
    "TerminateInstances": ("TerminatingInstances", "shutting-down"),
}
"""What changes an instance's state -> the answer's list of changes, and the passing state that it starts."""

ENDED = frozenset({"shutting-down", "terminated"})


@dataclass
class Machine:
    """What is known of one instance.

    Attributes:
        state: the backend's latest word; what EC2 shows may lag behind it.
        ran: it has been seen running.
    """

    id: str
    state: str = "pending"
    zone: str = ""
    type: str = ""
    groups: frozenset[str] = frozenset()
    ran: bool = False


class Machines(ServiceRules):
    """Instances and their states; every rule of EC2 asks here.

    Attributes:
        known: instances by id.
        zones: subnet -> its Availability Zone.
    """

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self.known: dict[str, Machine] = {}
        self.zones: dict[str, str] = {}
        self._lagging = EventuallyVisible()  # passing states that are shown for some more polls, by "state id"
        self._unlisted = EventuallyVisible()
        self.rules = (
            *hide_new(
                "instance-not-seen",
                conditions,
                lambda id_: Refusal("InvalidInstanceID.NotFound", f"The instance ID '{id_}' does not exist"),
                made_by="RunInstances",
                things=lambda _, answer: [one["InstanceId"] for one in answer.get("Instances", ())],
                hidden_from="ec2",
                named=lambda call: named_ids(call.params, "i-"),
            ),
            ResponseRule("stop-never-ran", "StopInstances", refuse=self._refuse_stop),
            ResponseRule("associate-not-running", "AssociateAddress", refuse=self._refuse_association),
            ResponseRule("instance-states", "RunInstances", change=self._launch),
            ResponseRule("instance-states", " ".join(_CHANGES), change=self._change_states),
            ResponseRule("ec2-lists-lag", "RunInstances AllocateAddress", change=self._leave_out),
            ResponseRule("ec2-lists-lag", "DescribeInstances DescribeAddresses", change=self._show_list),
        )

    def shown(self, instance_id: str) -> str:
        """The instance's state as EC2 shows it now."""
        machine = self.known.get(instance_id)
        if machine is None:
            return ""
        lagging = (state for state in PHASES if self._lagging.lasts(f"{state} {instance_id}"))
        return next(lagging, machine.state)

    def widen(self, call: Call) -> None:
        """Ask for instances in every state, before the parameters are serialised.

        Which state each is in is decided when the answer is there, and nothing is believed to live that has ended.
        """
        filters = call.params.get("Filters", []) if call.operation == "DescribeInstances" else []
        wanted = [set(one["Values"]) for one in filters if one.get("Name") == "instance-state-name"]
        if wanted:
            call.wanted_states = frozenset(set.intersection(*wanted))
            call.params["Filters"] = [one for one in filters if one.get("Name") != "instance-state-name"]

    def observe(self, call: Call, answer: Answer) -> None:
        """Learn from an answer, and let it show what EC2 would show."""
        if call.operation in {"CreateSubnet", "DescribeSubnets"}:
            for subnet in answer.get("Subnets", [answer.get("Subnet")]):
                self.zones[subnet["SubnetId"]] = subnet.get("AvailabilityZone", "")
        if call.operation == "RunInstances" and not call.replayed:
            for instance in answer.get("Instances", ()):
                self._learn(instance)
        if call.operation == "DescribeInstances":
            self._describe(call, answer)
        for change in _state_changes(call, answer):
            machine = self.known.setdefault(change["InstanceId"], Machine(change["InstanceId"]))
            machine.state = change["CurrentState"]["Name"]

    def _describe(self, call: Call, answer: Answer) -> None:
        for group in answer.get("Reservations", ()):
            for instance in group["Instances"]:
                self._learn(instance)
                show(instance, self._look(instance["InstanceId"]))
            if call.wanted_states is not None:
                group["Instances"] = [one for one in group["Instances"] if one["State"]["Name"] in call.wanted_states]
        answer["Reservations"] = [group for group in answer.get("Reservations", ()) if group["Instances"]]

    def _learn(self, instance: Mapping[str, Any]) -> None:
        machine = self.known.setdefault(instance["InstanceId"], Machine(instance["InstanceId"]))
        machine.state = instance["State"]["Name"]
        machine.zone = instance.get("Placement", {}).get("AvailabilityZone", machine.zone)
        machine.type = instance.get("InstanceType", machine.type)
        groups = {group["GroupId"] for nic in instance.get("NetworkInterfaces", ()) for group in nic.get("Groups", ())}
        groups |= {group["GroupId"] for group in instance.get("SecurityGroups", ())}
        machine.groups = frozenset(groups) or machine.groups

    def _look(self, instance_id: str) -> str:
        """The state to show, counted as one poll; a backend with states of its own is believed."""
        machine = self.known[instance_id]
        for passing, following in PHASES.items():
            if machine.state not in {passing, following}:
                self._lagging.end(f"{passing} {instance_id}")
            elif self._lagging.poll(f"{passing} {instance_id}"):
                return passing
        machine.ran = machine.ran or machine.state == "running"
        return machine.state

    def _launch(self, call: Call, answer: Answer) -> None:
        for one in () if call.replayed else answer.get("Instances", ()):
            self._start(call, one["InstanceId"], "pending")
            show(one, "pending")

    def _change_states(self, call: Call, answer: Answer) -> None:
        """A change of state starts its passing state."""
        passing = _CHANGES[call.operation][1]
        for change in _state_changes(call, answer):
            if change.get("PreviousState", {}).get("Name") not in {passing, PHASES[passing]}:
                for other in PHASES:
                    self._lagging.end(f"{other} {change['InstanceId']}")
                self._start(call, change["InstanceId"], passing)
                change["CurrentState"] = {"Code": CODES[passing], "Name": passing}

    def _start(self, call: Call, instance_id: str, passing: str) -> None:
        polls = self.conditions.between("instance-states", f"{passing} {call.number}", 1, 2)
        self._lagging.start(f"{passing} {instance_id}", polls)

    def _refuse_stop(self, call: Call) -> Refusal | None:
        """A stop of a pending instance that was never seen running; being asked is a poll."""
        for instance_id in call.params.get("InstanceIds", ()):
            machine = self.known.get(instance_id)
            if machine and not machine.ran and self._lagging.poll(f"pending {instance_id}"):
                text = f"Instance '{instance_id}' cannot be stopped as it has never reached the 'running' state."
                return Refusal("IncorrectInstanceState", text)
        return None

    def _refuse_association(self, call: Call) -> Refusal | None:
        """An address goes to an instance that runs or is stopped; being refused while it is pending is a poll."""
        instance_id = call.params.get("InstanceId", "")
        shown = self.shown(instance_id)
        pending = self._lagging.poll(f"pending {instance_id}")
        if not pending and shown not in ENDED:
            return None
        text = f"The {'pending' if pending else 'terminated'} instance '{instance_id}' is not in a valid state for "
        return Refusal("InvalidInstanceID", f"{text}this operation.")

    def _leave_out(self, call: Call, answer: Answer) -> None:
        """A caller that lists by a filter, for example by a tag, may list too early."""
        made = [*answer.get("Instances", ()), *([answer] if call.operation == "AllocateAddress" else ())]
        for one in () if call.replayed else made:
            polls = self.conditions.polls("ec2-lists-lag", call, 0, 2)
            self._unlisted.start(one.get("InstanceId") or one["AllocationId"], polls)

    def _show_list(self, call: Call, answer: Answer) -> None:
        if any(call.params.get(ids) for ids in ("InstanceIds", "AllocationIds", "PublicIps")):
            return
        for group in answer.get("Reservations", ()):
            group["Instances"] = [one for one in group["Instances"] if not self._unlisted.poll(one["InstanceId"])]
        if "Reservations" in answer:
            answer["Reservations"] = [group for group in answer["Reservations"] if group["Instances"]]
        else:
            seen = [one for one in answer["Addresses"] if not self._unlisted.poll(one.get("AllocationId", ""))]
            answer["Addresses"] = seen


def show(instance: dict[str, Any], state: str) -> None:
    """Put a state into a described instance."""
    instance["State"] = {"Code": CODES[state], "Name": state}


def _state_changes(call: Call, answer: Answer) -> Iterator[dict[str, Any]]:
    if call.operation in _CHANGES:
        yield from answer.get(_CHANGES[call.operation][0], ())
