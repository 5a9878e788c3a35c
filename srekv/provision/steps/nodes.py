"""The two web servers, one in each Availability Zone: which instances are kept, repaired, started and terminated."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, SrekvError
from srekv.provision import lease
from srekv.provision.engine.answers import code_of, message_of, or_none
from srekv.provision.engine.run import HeldError
from srekv.provision.inventory.existing import of_node
from srekv.provision.inventory.marks import Described, instance, tags_of
from srekv.provision.naming import LEASE_TAG, NODES, PAYLOAD_TAG
from srekv.provision.step import Op, Ops, anew, cannot, change, change_or_leave, create, delete
from srekv.provision.steps.addresses import Addresses
from srekv.provision.steps.base import StackStep
from srekv.provision.steps.launch import ENDED, Launcher, explain_launch
from srekv.provision.steps.network import Network, Place

NOT_RUNNING_YET = frozenset(
    {"InvalidInstanceID", "InvalidInstanceID.NotFound", "InvalidAllocationID.NotFound", "IncorrectInstanceState"}
)
"""EC2's refusals to associate an address with a pending instance (E20, E21), or while an id does not show (E27)."""

PROTECTIONS = {"disableApiTermination": "termination protection", "disableApiStop": "stop protection"}
"""What TerminateInstances refuses with OperationNotPermitted, by the attribute that the message names: an instance that
is protected against stops cannot be terminated either (cloud-custodian/cloud-custodian#7597)."""

STOPPED = frozenset({"stopping", "stopped"})
KIND = "instance"


@dataclass(eq=False)
class Nodes(StackStep):
    """Two instances and the association of their addresses; `instance_id` is there after ensure, by node."""

    section = "EC2"
    checking = "packing the nodes' user data"
    launcher: Launcher
    network: Network
    addresses: Addresses
    port_at_launch: int | None  # with which the stack was made; None for a new stack
    instance_id: dict[str, str] = field(default_factory=dict, init=False)
    launched_with: dict[str, str] = field(default_factory=dict, init=False)  # leases of new instances, as in their tags
    begun: set[str] = field(default_factory=set, init=False)  # the nodes that this run has launched or started
    _running: set[str] = field(default_factory=set, init=False)

    def fit(self) -> None:
        """Refuse user data that is too large for a new node."""
        for node in NODES:
            if not of_node(self.existing.instances, node):
                self.launcher.user_data(node).packed(self.config.lease)

    def limits(self) -> Ops:
        """The type of an instance stays what it is, and so does the port that its user data named."""
        for node in NODES:
            for kept in self._by_age(node)[:1]:
                yield from self._limit(self.names.instance(node), kept)

    def _by_age(self, node: str) -> list[Described]:
        return sorted(of_node(self.existing.instances, node), key=lambda one: (one["LaunchTime"], one["InstanceId"]))

    def ensure(self) -> Ops:
        """Launch what is missing, start what is stopped, repair what can be changed on a running instance."""
        for node, place in zip(NODES, self.network.places, strict=True):
            instances = self._by_age(node)
            for surplus in instances[1:]:
                yield self._terminate_op(surplus)
            if instances and self._is_spent(instances[0]):
                yield self._terminate_op(instances[0])
                instances = []
            if instances:
                self.instance_id[node] = instances[0]["InstanceId"]
                yield from self._repair(node, instances[0])
            else:
                detail = f"{self.config.instance_type} in {place.zone}"
                yield create(KIND, self.names.instance(node), partial(self._launch, node, place), detail)

    def settle(self) -> Ops:
        """Wait until both run, then give them their addresses: a pending instance takes none (E20)."""
        for node in NODES:
            if node not in self._running and not self.run.dry:
                self._await_state(node, "running")
            instance_id, allocation = self.instance_id.get(node), self.addresses.allocation.get(node, "")
            known = [one for one in self.existing.addresses if one["AllocationId"] == allocation]
            if not instance_id or not known or known[0].get("InstanceId") != instance_id:
                name, detail = self.addresses.public[node], f"with {self.names.instance(node)}"
                yield create("address association", name, partial(self._associate, instance_id, allocation), detail)

    def _associate(self, instance_id: str | None, allocation: str) -> str:
        """It runs by now: only EC2's parts have to agree about it, and about the address."""
        what, call = f"{instance_id} to take its address", self.ec2.associate_address
        arguments: Any = {"AllocationId": allocation, "InstanceId": instance_id, "AllowReassociation": True}
        return str(self.retry_while(NOT_RUNNING_YET, what, call, timeout_s=20, **arguments)["AssociationId"])

    def destroy(self) -> Ops:
        """Terminate every instance of ours and wait for it: interfaces and addresses are held until then."""
        instances = [*self.existing.fresh_instances(), *self.existing.stray_instances]
        for one in instances:
            yield self._terminate_op(one)
        ending = [one["InstanceId"] for one in instances if one["InstanceId"] in self.run.deleted]

        def have_ended() -> bool | None:
            """A concurrent `up` may have launched others, which are the next round's."""
            live = {one["InstanceId"] for one in self.existing.fresh_instances()}
            ended = live.isdisjoint(ending) and all(self._state(one) in {"", "terminated"} for one in ending)
            return ended or None

        if ending:  # boto3's waiter fails on an instance that is still stopping (aws-facts 4.2)
            self.wait("the instances to be terminated", have_ended, timeout_s=600)

    def _state(self, instance_id: str) -> str:
        one = self._described(instance_id)
        return str(one["State"]["Name"]) if one else ""

    def _described(self, instance_id: str) -> Described | None:
        return or_none(instance, ec2=self.ec2, instance_id=instance_id)

    def _terminate_op(self, instance: Described) -> Op:
        instance_id = instance["InstanceId"]

        def is_listed() -> bool:
            return instance_id in {one["InstanceId"] for one in self.existing.fresh_instances()}

        def terminate() -> None:
            call = partial(self.ec2.terminate_instances, InstanceIds=[instance_id])
            try:
                self.remove(f"EC2 to see {instance_id}", call, listed=is_listed)
            except ClientError as error:
                if code_of(error) != "OperationNotPermitted":
                    raise
                what, why = f"the instance {instance_id} is protected against termination", message_of(error)
                named = [tie for attribute, tie in PROTECTIONS.items() if attribute in why] or PROTECTIONS.values()
                raise HeldError(what, why=why, ties=tuple((tie, "") for tie in named)) from error

        name = tags_of(instance).get("Name", str(instance_id))
        return delete(KIND, name, instance_id, instance["State"]["Name"], terminate)

    def _launch(self, node: str, place: Place) -> str:
        launched = self.launcher.launch(node, place)
        instance_id = self.instance_id[node] = str(launched["InstanceId"])
        # Another run's instance, which has the same token, may have another lease.
        own = lease.as_text(self.launcher.lease_at_launch)
        self.launched_with[instance_id] = tags_of(launched).get(LEASE_TAG, "") if launched.get("Tags") else own
        self.begun.add(node)
        return instance_id

    def _is_spent(self, instance: Described) -> bool:
        """Whether the instance would end once it is started: its lease cannot be renewed before it boots."""
        ready = datetime.now(UTC) + timedelta(seconds=self.config.wall(lease.SPENT_S))
        end = lease.from_text(tags_of(instance).get(LEASE_TAG, ""))
        return instance["State"]["Name"] in STOPPED and lease.is_over(end, now=ready)

    def _repair(self, node: str, instance: Described) -> Ops:
        what, state = (KIND, self.names.instance(node), instance["InstanceId"]), instance["State"]["Name"]
        changes = [*self._limit(what[1], instance), *self._drift(node, instance)]
        if state == "running":
            self._running.add(node)
        if state in STOPPED:
            changes.append(change(*what, "stopped -> running", self._start, node=node))
        yield from change_or_leave(*what, changes, instance["Placement"]["AvailabilityZone"])
        if tags_of(instance).get(PAYLOAD_TAG) != self.launcher.user_data(node).fingerprint():
            terminate = CommandLine(f"aws ec2 terminate-instances --instance-ids {instance['InstanceId']}")
            self.run.watcher.warn(
                f"{what[1]} booted with other user data than this version would give it, and that cannot change on an "
                "instance; to replace it: " + terminate + ", then " + CommandLine("srekv up")
            )

    def _limit(self, name: str, instance: Described) -> Ops:
        what, kind, port = (KIND, name, instance["InstanceId"]), instance["InstanceType"], self.config.port
        if kind != self.config.instance_type:
            new = CommandLine("srekv down") + ", then up with the new type; or terminate the instance and run up again"
            yield cannot(*what, field="type", have=kind, want=self.config.instance_type, next_step=new)
        if self.port_at_launch not in {None, port}:
            yield cannot(*what, field="port", have=self.port_at_launch, want=port, next_step=anew("--port"))

    def _drift(self, node: str, instance: Described) -> Ops:
        name, instance_id, ec2 = self.names.instance(node), instance["InstanceId"], self.ec2
        what, interfaces = (KIND, name, instance_id), instance.get("NetworkInterfaces", ())
        groups = {group["GroupId"] for interface in interfaces for group in interface.get("Groups", ())}
        wanted, profile = self.launcher.firewall.group_id, self.launcher.identity.profile
        if not groups:
            self.run.watcher.warn(f"cannot read the security groups of {name}: EC2 shows no interface of it")
        elif wanted not in groups:
            detail = f"security group {', '.join(sorted(groups))} -> {wanted or 'a new one'}"
            yield change(*what, detail, ec2.modify_instance_attribute, InstanceId=instance_id, Groups=[wanted])
        if instance.get("MetadataOptions", {}).get("HttpTokens") == "optional":
            required = {"InstanceId": instance_id, "HttpTokens": "required", "HttpEndpoint": "enabled"}
            yield change(*what, "IMDSv2 optional -> required", ec2.modify_instance_metadata_options, **required)
        if not self.launcher.identity.is_held_by(instance):
            held = str(instance.get("IamInstanceProfile", {}).get("Arn", "none")).rpartition("/")[2]
            now = f"a deleted {held}" if held == profile else held
            yield change(*what, f"instance profile {now} -> {profile}", self._give_profile, instance_id=instance_id)
        yield from self._retag(*what, instance, self.names.tags(name, node=node))

    def _give_profile(self, instance_id: str) -> None:
        """In place of none, or of a deleted one that had the same name: EC2 goes by the profile's id."""
        filters: Any = [{"Name": "instance-id", "Values": [instance_id]}]
        associations = self.ec2.describe_iam_instance_profile_associations(Filters=filters)
        for one in associations["IamInstanceProfileAssociations"]:
            if one["InstanceId"] == instance_id and one["State"] in {"associating", "associated"}:
                replace = self.ec2.replace_iam_instance_profile_association
                self.launcher.with_profile(replace, AssociationId=one["AssociationId"])
                return
        self.launcher.with_profile(self.ec2.associate_iam_instance_profile, InstanceId=instance_id)

    def _start(self, node: str) -> None:
        self.begun.add(node)
        self._await_state(node, "stopped", "running", "pending")
        try:
            self.ec2.start_instances(InstanceIds=[self.instance_id[node]])
        except ClientError as error:
            raise explain_launch(error) from error

    def _await_state(self, node: str, *states: str) -> None:
        instance_id, seen = self.instance_id[node], ""

        def look() -> bool | None:
            nonlocal seen
            seen = self._state(instance_id)
            if seen in ENDED:
                reason = (self._described(instance_id) or {}).get("StateReason", {}).get("Message", "")
                what, next_step = f"the instance {instance_id} ended by itself", "run up again: it launches another one"
                raise SrekvError(what, why=str(reason), next_step=next_step)
            return True if seen in states else None

        self.wait(f"{self.names.instance(node)} to be {states[0]}", look, timeout_s=300, last_seen=lambda: seen)
