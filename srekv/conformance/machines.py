"""EC2's instances as their owner sees them: new ones are not there yet, and every change of state takes a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from srekv.conformance.model import Call, Conditions, Lenient, Moments, Refusal, Rule

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
PHASES = {"pending": "running", "stopping": "stopped", "shutting-down": "terminated"}
"""A passing state -> what comes after it."""

_STATES = "instance states"
"""The note of a call that asks for instances in some states only: the states."""

_BEGINS = {"StartInstances": "pending", "StopInstances": "stopping", "TerminateInstances": "shutting-down"}
"""What changes an instance's state -> the passing state that it begins."""

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
    profile: str = ""
    groups: frozenset[str] = frozenset()
    ran: bool = False


@dataclass
class Machines:
    """What has been seen of EC2's instances; every law of EC2 looks here.

    Attributes:
        unseen: instances that are new: EC2 does not know their ids yet.
        lagging: instances whose passing state is shown for so many more looks, by "state id".
    """

    conditions: Conditions
    known: dict[str, Machine] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    unseen: Moments = field(default_factory=Moments)
    lagging: Moments = field(default_factory=Moments)
    _noted: tuple[Call, int] | None = None

    def shown(self, instance_id: str) -> str:
        """The instance's state as EC2 shows it now."""
        machine = self.known.get(instance_id)
        if machine is None:
            return ""
        lagging = (state for state in PHASES if self.lagging.lasts(f"{state} {instance_id}"))
        return next(lagging, machine.state)

    def widen(self, call: Call) -> None:
        """Ask for instances in every state: which state each is in is decided when the answer is there."""
        if call.operation != "DescribeInstances" or _STATES in call.notes:
            return
        filters = call.params.get("Filters", [])
        wanted = [set(one["Values"]) for one in filters if one.get("Name") == "instance-state-name"]
        if wanted:
            call.notes[_STATES] = frozenset(set.intersection(*wanted))
            call.params["Filters"] = [one for one in filters if one.get("Name") != "instance-state-name"]

    def note(self, call: Call, answer: dict[str, Any]) -> None:
        """Learn from an answer, once, and let it show what EC2 would show."""
        if (call, call.attempt) == self._noted:
            return
        self._noted = (call, call.attempt)
        for subnet in _subnets(call, answer):
            self.zones[subnet["SubnetId"]] = subnet.get("AvailabilityZone", "")
        if call.operation == "RunInstances" and not call.replayed:
            for instance in answer.get("Instances", ()):
                self._learn(instance)
        if call.operation == "DescribeInstances":
            self._describe(call, answer)
        for change in _state_changes(answer):
            machine = self.known.setdefault(change["InstanceId"], Machine(change["InstanceId"]))
            machine.state = change["CurrentState"]["Name"]

    def _describe(self, call: Call, answer: dict[str, Any]) -> None:
        wanted = call.notes.get(_STATES)
        for group in answer.get("Reservations", ()):
            for instance in group["Instances"]:
                self._learn(instance)
                show(instance, self._look(instance["InstanceId"]))
            if wanted is not None:
                group["Instances"] = [one for one in group["Instances"] if one["State"]["Name"] in wanted]
        answer["Reservations"] = [group for group in answer.get("Reservations", ()) if group["Instances"]]

    def _learn(self, instance: Mapping[str, Any]) -> None:
        machine = self.known.setdefault(instance["InstanceId"], Machine(instance["InstanceId"]))
        machine.state = instance["State"]["Name"]
        machine.zone = instance.get("Placement", {}).get("AvailabilityZone", machine.zone)
        machine.type = instance.get("InstanceType", machine.type)
        machine.profile = instance.get("IamInstanceProfile", {}).get("Arn", machine.profile)
        groups = {group["GroupId"] for nic in instance.get("NetworkInterfaces", ()) for group in nic.get("Groups", ())}
        groups |= {group["GroupId"] for group in instance.get("SecurityGroups", ())}
        machine.groups = frozenset(groups) or machine.groups

    def _look(self, instance_id: str) -> str:
        """The state to show, counted as one look; a backend with states of its own is believed."""
        machine = self.known[instance_id]
        for passing, following in PHASES.items():
            seen = self.lagging.look(f"{passing} {instance_id}") if machine.state in {passing, following} else False
            if seen:
                return passing
            if machine.state not in {passing, following}:
                self.lagging.end(f"{passing} {instance_id}")
        machine.ran = machine.ran or machine.state == "running"
        return machine.state


class MachineLaw(Lenient):
    """A law that looks at instances."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines

    def ask(self, call: Call) -> None:
        """See the instances in every state, so that nothing is believed to live that has ended."""
        self.machines.widen(call)

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Learn from every answer."""
        self.machines.note(call, answer)

    def moment(self, rule: Rule, call: Call, low: int, high: int) -> int:
        """How many looks a moment lasts that begins with this call."""
        return self.machines.conditions.between(rule, f"{call.operation}#{call.number}", low, high)


class InstanceNotSeen(MachineLaw):
    """A new instance's id is unknown for one or two looks."""

    rule = Rule(
        id="instance-not-seen",
        rows=("E15",),
        source="roboconf#197; amazon.aws retries it; EC2 API: DescribeInstances, eventual consistency",
        says="Right after RunInstances, calls that name the new instance answer InvalidInstanceID.NotFound.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Any call but the launch itself."""
        if call.service != "ec2":
            return None
        for instance_id in named(call.params, "i-"):
            if self.machines.unseen.look(instance_id):
                return Refusal("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
        return None

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """A launch begins the moment."""
        super().after(call, answer)
        if call.operation == "RunInstances" and not call.replayed:
            for one in answer.get("Instances", ()):
                self.machines.unseen.begin(one["InstanceId"], self.moment(self.rule, call, 1, 2))


class InstanceStates(MachineLaw):
    """Starting, stopping and ending take a look or more each."""

    rule = Rule(
        id="instance-states",
        rows=("E16", "E20"),
        source="EC2 user guide: instance lifecycle; aws-facts 4.2, 4.4",
        says="An instance is pending before it runs, stopping before it is stopped, and shutting-down before it is "
        "terminated; a terminated one stays listed.",
    )

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """A change of state begins its passing state."""
        super().after(call, answer)
        if call.operation == "RunInstances" and not call.replayed:
            for one in answer.get("Instances", ()):
                self._begin(call, one["InstanceId"], "pending")
                show(one, "pending")
        passing = _BEGINS.get(call.operation)
        for change in _state_changes(answer) if passing else ():
            self._change(call, change, str(passing))

    def _change(self, call: Call, change: dict[str, Any], passing: str) -> None:
        instance_id = change["InstanceId"]
        before = change.get("PreviousState", {}).get("Name")
        if before in {passing, PHASES[passing]}:
            return
        for other in PHASES:
            self.machines.lagging.end(f"{other} {instance_id}")
        self._begin(call, instance_id, passing)
        change["CurrentState"] = {"Code": CODES[passing], "Name": passing}

    def _begin(self, call: Call, instance_id: str, passing: str) -> None:
        looks = self.machines.conditions.between(self.rule, f"{passing} {call.number}", 1, 2)
        self.machines.lagging.begin(f"{passing} {instance_id}", looks)


class StopNeverRan(MachineLaw):
    """An instance that has not run yet cannot be stopped."""

    rule = Rule(
        id="stop-never-ran",
        rows=("E16",),
        source="cloud-custodian#6014",
        says="StopInstances of an instance that never reached running is refused with IncorrectInstanceState.",
    )

    def before(self, call: Call) -> Refusal | None:
        """A stop of a pending instance that was never seen running; being asked is a look."""
        if call.operation != "StopInstances":
            return None
        for instance_id in call.params.get("InstanceIds", ()):
            machine = self.machines.known.get(instance_id)
            if machine and not machine.ran and self.machines.lagging.look(f"pending {instance_id}"):
                return Refusal(
                    "IncorrectInstanceState",
                    f"Instance '{instance_id}' cannot be stopped as it has never reached the 'running' state.",
                )
        return None


class AssociateNotRunning(MachineLaw):
    """An address goes to an instance that runs or is stopped."""

    rule = Rule(
        id="associate-not-running",
        rows=("E20",),
        source="bevacqua/grunt-ec2#15; hashicorp/terraform-provider-aws#3072, #21228",
        says="AssociateAddress with a pending or terminated instance is refused with InvalidInstanceID.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Being refused while it is pending is a look."""
        if call.operation != "AssociateAddress":
            return None
        instance_id = call.params.get("InstanceId", "")
        shown = self.machines.shown(instance_id)
        pending = self.machines.lagging.look(f"pending {instance_id}")
        if not pending and shown not in ENDED:
            return None
        state = "pending" if pending else "terminated"
        return Refusal(
            "InvalidInstanceID", f"The {state} instance '{instance_id}' is not in a valid state for this operation."
        )


def show(instance: dict[str, Any], state: str) -> None:
    """Put a state into a described instance."""
    instance["State"] = {"Code": CODES[state], "Name": state}


def named(value: Any, prefix: str) -> Iterator[str]:
    """Every id with this prefix in the parameters, however deep, filters and texts left out."""
    if isinstance(value, str):
        if value.startswith(prefix):
            yield value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            if key not in {"Filters", "UserData", "TagSpecifications", "Tags"}:
                yield from named(member, prefix)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from named(member, prefix)


def _state_changes(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        change
        for member in ("StartingInstances", "StoppingInstances", "TerminatingInstances")
        for change in answer.get(member, ())
    ]


def _subnets(call: Call, answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if call.operation == "CreateSubnet":
        return [answer["Subnet"]]
    return list(answer.get("Subnets", ())) if call.operation == "DescribeSubnets" else []
