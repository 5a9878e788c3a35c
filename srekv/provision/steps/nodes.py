"""The two web servers, one in each Availability Zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, SrekvError
from srekv.provision import lease
from srekv.provision.engine.answers import QUOTA_NEXT, code_of, found, message_of
from srekv.provision.engine.run import HeldError, Op, Ops, Run, Step, cannot, leave
from srekv.provision.inventory.existing import Existing, of_node
from srekv.provision.inventory.marks import instance
from srekv.provision.model import Resource
from srekv.provision.naming import LEASE_TAG, NODES, PAYLOAD_TAG, lost_tags, tag_map
from srekv.provision.payload import userdata
from srekv.provision.steps.addresses import Addresses
from srekv.provision.steps.firewall import Firewall
from srekv.provision.steps.iam import Identity
from srekv.provision.steps.images import Images
from srekv.provision.steps.keypair import KeyPair
from srekv.provision.steps.network import Network, Place
from srekv.provision.steps.volumes import Volumes

RUNNING_TIMEOUT_S = 300
STOPPED_TIMEOUT_S = 300
TERMINATED_TIMEOUT_S = 600
ASSOCIATED_TIMEOUT_S = 20
"""The instance runs by then: only EC2's parts have to agree about it, and about the address."""

PROFILE_TIMEOUT_S = 150
"""Terraform and kops wait two minutes for EC2 to see a new instance profile (aws-facts 4.2, E1)."""

PROFILE_UNSEEN = {"InvalidParameterValue": ("iamInstanceProfile", "IAM Instance Profile")}
NOT_SEEN_YET = frozenset({"InvalidParameterValue", "InvalidGroup.NotFound"})
"""What RunInstances says while EC2 does not see a new instance profile, or a new security group."""

NOT_RUNNING_YET = frozenset(
    {"InvalidInstanceID", "InvalidInstanceID.NotFound", "InvalidAllocationID.NotFound", "IncorrectInstanceState"}
)
"""EC2's refusals to associate an address with a pending instance (E20, E21), or while an id does not show (E27)."""

OTHER_PARAMETERS = frozenset({"IdempotentParameterMismatch"})
USED_TOKEN = frozenset({"IdempotentInstanceTerminated"}) | OTHER_PARAMETERS
TOKENS = 20
"""So many times a node can be launched in one life of a stack: each launch takes a token for a day."""

PROTECTIONS = {"disableApiTermination": "termination protection", "disableApiStop": "stop protection"}
"""What TerminateInstances refuses with OperationNotPermitted, by the attribute that the message names: an instance that
is protected against stops cannot be terminated either (cloud-custodian/cloud-custodian#7597)."""

ENDED = frozenset({"shutting-down", "terminated"})


class Nodes:
    """Two instances and the association of their addresses; `instance_id` is there after ensure."""

    section = "EC2"

    def __init__(
        self,
        run: Run,
        existing: Existing,
        *,
        identity: Identity,
        network: Network,
        firewall: Firewall,
        addresses: Addresses,
        keys: KeyPair,
        images: Images,
        volumes: Volumes,
        lease_at_launch: datetime | None = None,
        port_at_launch: int | None = None,
    ) -> None:
        """`port_at_launch`: the one that the stack was made with, None for a new stack."""
        self._run = run
        self._ec2 = run.clients.ec2
        self._existing = existing
        self._identity = identity
        self._network = network
        self._firewall = firewall
        self._addresses = addresses
        self._keys = keys
        self._images = images
        self.lease_at_launch = lease_at_launch
        self._port_at_launch = port_at_launch
        self.needs: tuple[Step, ...] = (identity, network, firewall, addresses, keys, images, volumes)
        self.instance_id: dict[str, str] = {}
        self.launched_with: dict[str, str] = {}
        """The lease of each instance that this run has launched, as its tag has it."""
        self.begun: set[str] = set()
        """The nodes that this run has launched or started."""
        self._running: set[str] = set()

    def observe(self) -> tuple[Resource, ...]:
        """Every instance of ours that has not ended."""
        return tuple(
            Resource(
                kind="instance",
                id=one["InstanceId"],
                name=tag_map(one.get("Tags")).get("Name", ""),
                state=one["State"]["Name"],
            )
            for one in self._existing.fresh_instances()
        )

    def fit(self) -> None:
        """Refuse user data that is too large for a new node."""
        for node in NODES:
            if not of_node(self._existing.instances, node):
                userdata.render(**self._payload(node), lease=self._run.config.lease)

    def ensure(self) -> Ops:
        """Launch what is missing, start what is stopped, repair what can be changed on a running instance."""
        for node, place in zip(NODES, self._network.places, strict=True):
            instances = sorted(of_node(self._existing.instances, node), key=_age)
            for surplus in instances[1:]:
                yield self._terminate_op(surplus)
            if instances and self._is_spent(instances[0]):
                yield self._terminate_op(instances[0])
                instances = []
            if not instances:
                yield Op(
                    kind="instance",
                    name=self._run.names.instance(node),
                    action="create",
                    detail=f"{self._run.config.instance_type} in {place.zone}",
                    call=partial(self._launch, node, place),
                )
                continue
            self.instance_id[node] = instances[0]["InstanceId"]
            yield from self._repair(node, instances[0])

    def settle(self) -> Ops:
        """Wait until both run, then give them their addresses: a pending instance takes none (E20)."""
        for node in NODES:
            if node not in self._running and not self._run.dry:
                self._wait_state(node, "running")
            yield from self._associate(node)

    def destroy(self) -> Ops:
        """Terminate every instance of ours and wait for it: interfaces and addresses are held until then.

        boto3's waiter fails on an instance that is still stopping (aws-facts 4.2), so the states are polled here.
        """
        instances = [*self._existing.fresh_instances(), *self._existing.stray_instances]
        for one in instances:
            yield self._terminate_op(one)
        ending = [one for one in instances if one["InstanceId"] in self._run.deleted]
        if ending:
            self._run.wait(
                self.section,
                "the instances to be terminated",
                lambda: True if self._all_ended(ending) else None,
                timeout_s=TERMINATED_TIMEOUT_S,
            )

    def _all_ended(self, instances: Sequence[Mapping[str, Any]]) -> bool:
        """Whether these have; an `up` beside us may have launched others, which are the next round's."""
        live = {one["InstanceId"] for one in self._existing.fresh_instances()}
        return not any(one["InstanceId"] in live for one in instances) and all(
            self._state(one["InstanceId"]) in {"", "terminated"} for one in instances
        )

    def _state(self, instance_id: str) -> str:
        one = self._described(instance_id)
        return str(one["State"]["Name"]) if one else ""

    def _described(self, instance_id: str) -> Mapping[str, Any] | None:
        return found(instance, ec2=self._ec2, instance_id=instance_id)

    def _terminate_op(self, instance: Mapping[str, Any]) -> Op:
        instance_id = instance["InstanceId"]

        def terminate() -> None:
            try:
                self._run.remove(
                    self.section,
                    f"EC2 to see {instance_id}",
                    lambda: self._ec2.terminate_instances(InstanceIds=[instance_id]),
                    listed=lambda: instance_id in {one["InstanceId"] for one in self._existing.fresh_instances()},
                )
            except ClientError as error:
                if code_of(error) != "OperationNotPermitted":
                    raise
                message = message_of(error)
                named = [tie for attribute, tie in PROTECTIONS.items() if attribute in message]
                raise HeldError(
                    f"the instance {instance_id} is protected against termination",
                    why=message,
                    ties=tuple((tie, "") for tie in named or PROTECTIONS.values()),
                ) from error

        name = tag_map(instance.get("Tags")).get("Name", instance_id)
        return Op(kind="instance", name=name, id=instance_id, action="delete", call=terminate)

    def _launch(self, node: str, place: Place) -> str:
        instance = self._launched(node, self._launch_arguments(node, place))
        self.instance_id[node] = instance["InstanceId"]
        # Another run's instance, which has the same token, may have another lease.
        tags = instance.get("Tags")
        told = tag_map(tags).get(LEASE_TAG, "") if tags else lease.as_text(self.lease_at_launch)
        self.launched_with[instance["InstanceId"]] = told
        self.begun.add(node)
        return str(instance["InstanceId"])

    def _launched(self, node: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Launch with this life's next unused token.

        Another run that launches the same node has the same token and gets the same instance. A token is used up by an
        instance that was terminated less than a day ago (E12), or by one with other parameters (E11), as after a crash
        when there is a newer image by now: then the node has its instance already.
        """
        for ordinal in range(TOKENS):
            try:
                instance = self._run_instance(arguments, self._token(node, arguments, ordinal))
            except ClientError as error:
                if code_of(error) not in USED_TOKEN:
                    raise _explain_launch(error) from error
                if code_of(error) in OTHER_PARAMETERS and (there := self._sought(node)):
                    return there
                continue
            if instance["State"]["Name"] not in ENDED:
                return instance
        raise SrekvError(
            f"EC2 did not launch {node}",
            why=f"{TOKENS} client tokens of this stack belong to instances that have ended",
            next_step=CommandLine("srekv down") + ", then up: a new stack has new tokens",
        )

    def _token(self, node: str, arguments: Mapping[str, Any], ordinal: int) -> str:
        """From what cannot change between a crash and the next `up`; image, user data and lease can."""
        interface = arguments["NetworkInterfaces"][0]
        lasting = [arguments[key] for key in ("InstanceType", "IamInstanceProfile")]
        placed = [interface["SubnetId"], interface["Groups"], arguments.get("KeyName")]
        return self._run.generation.token(node, *lasting, *placed, ordinal=ordinal)

    def _sought(self, node: str) -> Mapping[str, Any] | None:
        """The node's instance, found by its tag; None if it does not show for a few seconds."""
        return self._run.sought(
            self.section,
            f"the instance of {node}",
            lambda: next(iter(of_node(self._existing.fresh_instances(), node)), None),
        )

    def _run_instance(self, arguments: Mapping[str, Any], token: str) -> Mapping[str, Any]:
        """RunInstances, patient while EC2 does not see the new instance profile."""
        return self._run.persist(
            self.section,
            f"EC2 to see the instance profile {self._identity.profile}",
            self._ec2.run_instances,
            on=NOT_SEEN_YET,
            saying=PROFILE_UNSEEN,
            timeout_s=PROFILE_TIMEOUT_S,
            ClientToken=token,
            **arguments,
        )["Instances"][0]

    def _is_spent(self, instance: Mapping[str, Any]) -> bool:
        """Whether the instance would end as soon as it is started: nobody can renew its lease before it boots."""
        if instance["State"]["Name"] not in {"stopping", "stopped"}:
            return False
        left = timedelta(seconds=self._run.config.wall(lease.SPENT_S))
        end = lease.from_text(tag_map(instance.get("Tags")).get(LEASE_TAG, ""))
        return lease.is_over(end, now=datetime.now(UTC) + left)

    def _launch_arguments(self, node: str, place: Place) -> dict[str, Any]:
        config, names = self._run.config, self._run.names
        payload = userdata.render(**self._payload(node), lease=self.lease_at_launch)
        tags = names.tags(names.instance(node), node=node)
        machine_tags = [*tags, {"Key": PAYLOAD_TAG, "Value": userdata.fingerprint(**self._payload(node))}]
        if self.lease_at_launch:
            machine_tags.append({"Key": LEASE_TAG, "Value": lease.as_text(self.lease_at_launch)})
        arguments: dict[str, Any] = {
            "ImageId": self._images.image.id,
            "InstanceType": config.instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "IamInstanceProfile": {"Name": self._identity.profile},
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1},
            "BlockDeviceMappings": [
                {
                    "DeviceName": self._images.image.root_device,
                    "Ebs": {
                        "Encrypted": True,
                        "VolumeType": "gp3",
                        "VolumeSize": self._images.image.root_gib,
                        "DeleteOnTermination": True,
                    },
                }
            ],
            "NetworkInterfaces": [
                {
                    "DeviceIndex": 0,
                    "SubnetId": place.subnet_id,
                    "Groups": [self._firewall.group_id],
                    # The Elastic IP can only come once the instance runs; the first boot needs the internet before.
                    "AssociatePublicIpAddress": True,
                    "DeleteOnTermination": True,
                }
            ],
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": machine_tags},
                {"ResourceType": "network-interface", "Tags": tags},
                {"ResourceType": "volume", "Tags": tags},
            ],
            "UserData": payload,
        }
        if self.lease_at_launch:
            arguments["InstanceInitiatedShutdownBehavior"] = "terminate"
        if self._keys.name:
            arguments["KeyName"] = self._keys.name
        return arguments

    def _payload(self, node: str) -> dict[str, Any]:
        """The arguments of a node's user data."""
        config = self._run.config
        return {
            "table": self._run.names.table,
            "region": config.region,
            "port": config.port,
            "node": node,
            "zone": config.zone_name,
            "os": config.os,
        }

    def _repair(self, node: str, instance: Mapping[str, Any]) -> Ops:
        """Bring a live instance to what was asked, or say what cannot be changed."""
        name, instance_id = self._run.names.instance(node), instance["InstanceId"]
        operations = [*self._limit(name, instance), *self._drift(node, name, instance)]
        if instance["State"]["Name"] == "running":
            self._running.add(node)
        if instance["State"]["Name"] in {"stopping", "stopped"}:
            operations.append(self._start_op(node, name, instance_id))
        yield from operations
        if not operations:
            yield leave("instance", name, instance_id, instance["Placement"]["AvailabilityZone"])
        self._warn_outdated(node, name, instance)

    def limits(self) -> Ops:
        """The type of an instance stays what it is, and so does the port that its user data named."""
        for node in NODES:
            instances = sorted(of_node(self._existing.instances, node), key=_age)
            for kept in instances[:1]:
                yield from self._limit(self._run.names.instance(node), kept)

    def _limit(self, name: str, instance: Mapping[str, Any]) -> Ops:
        config, instance_id = self._run.config, instance["InstanceId"]
        if instance["InstanceType"] != config.instance_type:
            yield cannot(
                "instance",
                name,
                instance_id,
                field="type",
                have=instance["InstanceType"],
                want=config.instance_type,
                next_step=CommandLine("srekv down")
                + ", then up with the new type; or terminate the instance and run up again",
            )
        if self._port_at_launch not in {None, config.port}:
            yield cannot(
                "instance",
                name,
                instance_id,
                field="port",
                have=self._port_at_launch,
                want=config.port,
                next_step=CommandLine("srekv down") + ", then up with the new --port; or use another --stack",
            )

    def _drift(self, node: str, name: str, instance: Mapping[str, Any]) -> Ops:
        instance_id = instance["InstanceId"]
        groups = _groups(instance)
        if not groups:
            self._run.watcher.warn(f"cannot read the security groups of {name}: EC2 shows no interface of it")
        elif self._firewall.group_id not in groups:
            yield self._change_op(
                name,
                instance_id,
                f"security group {', '.join(sorted(groups))} -> {self._firewall.group_id or 'a new one'}",
                self._ec2.modify_instance_attribute,
                Groups=[self._firewall.group_id],
            )
        if instance.get("MetadataOptions", {}).get("HttpTokens") == "optional":
            yield self._change_op(
                name,
                instance_id,
                "IMDSv2 optional -> required",
                self._ec2.modify_instance_metadata_options,
                HttpTokens="required",
                HttpEndpoint="enabled",
            )
        if not self._identity.is_held_by(instance):
            held = str(instance.get("IamInstanceProfile", {}).get("Arn", "none")).rpartition("/")[2]
            now = f"a deleted {held}" if held == self._identity.profile else held
            detail = f"instance profile {now} -> {self._identity.profile}"
            yield self._change_op(name, instance_id, detail, self._give_profile)
        want: Any = self._run.names.tags(name, node=node)
        lost = lost_tags(tag_map(instance.get("Tags")), want)
        if lost:
            yield Op(
                kind="instance",
                name=name,
                id=instance_id,
                action="change",
                detail=lost,
                call=lambda: self._tag(instance_id, want),
            )

    def _give_profile(self, *, InstanceId: str) -> None:  # noqa: N803 - as EC2's own calls name it
        """In place of none, or of a deleted one that had the same name: EC2 goes by the profile's id."""
        filters: Any = [{"Name": "instance-id", "Values": [InstanceId]}]
        associations = self._ec2.describe_iam_instance_profile_associations(Filters=filters)
        held = [
            one["AssociationId"]
            for one in associations["IamInstanceProfileAssociations"]
            if one["InstanceId"] == InstanceId and one["State"] in {"associating", "associated"}
        ]
        give: Any = self._ec2.associate_iam_instance_profile
        arguments: dict[str, Any] = {"InstanceId": InstanceId}
        if held:
            give, arguments = self._ec2.replace_iam_instance_profile_association, {"AssociationId": held[0]}
        self._run.persist(
            self.section,
            f"EC2 to see the instance profile {self._identity.profile}",
            give,
            on=NOT_SEEN_YET,
            saying=PROFILE_UNSEEN,
            timeout_s=PROFILE_TIMEOUT_S,
            IamInstanceProfile={"Name": self._identity.profile},
            **arguments,
        )

    def _tag(self, instance_id: str, tags: Any) -> None:
        self._ec2.create_tags(Resources=[instance_id], Tags=tags)

    def _change_op(self, name: str, instance_id: str, detail: str, call: Any, **arguments: Any) -> Op:
        def change() -> None:
            call(InstanceId=instance_id, **arguments)

        return Op(kind="instance", name=name, id=instance_id, action="change", detail=detail, call=change)

    def _start_op(self, node: str, name: str, instance_id: str) -> Op:
        def start() -> None:
            self.begun.add(node)
            self._wait_state(node, "stopped", "running", "pending")
            try:
                self._ec2.start_instances(InstanceIds=[instance_id])
            except ClientError as error:
                raise _explain_launch(error) from error

        return Op(kind="instance", name=name, id=instance_id, action="change", detail="stopped -> running", call=start)

    def _warn_outdated(self, node: str, name: str, instance: Mapping[str, Any]) -> None:
        booted_with = tag_map(instance.get("Tags")).get(PAYLOAD_TAG)
        if booted_with != userdata.fingerprint(**self._payload(node)):
            self._run.watcher.warn(
                f"{name} booted with other user data than this version would give it, and that cannot change on an "
                "instance; to replace it: "
                + CommandLine(f"aws ec2 terminate-instances --instance-ids {instance['InstanceId']}")
                + ", then "
                + CommandLine("srekv up")
            )

    def _wait_state(self, node: str, *states: str) -> None:
        seen = ""

        def look() -> bool | None:
            nonlocal seen
            seen = self._state(self.instance_id[node])
            if seen in ENDED:
                raise SrekvError(
                    f"the instance {self.instance_id[node]} ended by itself",
                    why=self._state_reason(node),
                    next_step="run up again: it launches another one",
                )
            return True if seen in states else None

        self._run.wait(
            self.section,
            f"{self._run.names.instance(node)} to be {states[0]}",
            look,
            timeout_s=RUNNING_TIMEOUT_S if "running" in states else STOPPED_TIMEOUT_S,
            last_seen=lambda: seen,
        )

    def _state_reason(self, node: str) -> str:
        one = self._described(self.instance_id[node]) or {}
        return str(one.get("StateReason", {}).get("Message", ""))

    def _associate(self, node: str) -> Ops:
        instance_id, allocation = self.instance_id.get(node), self._addresses.allocation.get(node, "")
        known = [one for one in self._existing.addresses if one["AllocationId"] == allocation]
        if known and instance_id and known[0].get("InstanceId") == instance_id:
            return
        yield Op(
            kind="address association",
            name=self._addresses.public[node],
            action="create",
            detail=f"with {self._run.names.instance(node)}",
            call=lambda: self._run.persist(
                self.section,
                f"{instance_id} to take its address",
                self._ec2.associate_address,
                on=NOT_RUNNING_YET,
                timeout_s=ASSOCIATED_TIMEOUT_S,
                AllocationId=allocation,
                InstanceId=instance_id,
                AllowReassociation=True,
            )["AssociationId"],
        )


def _age(instance: Mapping[str, Any]) -> tuple[Any, str]:
    """Sort key: the oldest first, then a stable order."""
    return instance["LaunchTime"], instance["InstanceId"]


def _groups(instance: Mapping[str, Any]) -> set[str]:
    """The security groups of the instance's network interfaces."""
    interfaces = instance.get("NetworkInterfaces", ())
    return {group["GroupId"] for interface in interfaces for group in interface.get("Groups", ())}


def _explain_launch(error: ClientError) -> Exception:
    """Capacity and offering errors with what to do; any other error as it is."""
    code = code_of(error)
    if code == "Unsupported":
        return SrekvError(
            "the zone does not offer this instance type",
            why=message_of(error),
            next_step="choose other zones (--azs) or another --instance-type",
        )
    if code in QUOTA_NEXT:
        return SrekvError(f"EC2 refused the launch: {code}", why=message_of(error), next_step=QUOTA_NEXT[code])
    return error
