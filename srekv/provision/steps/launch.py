"""Launches a node: from which image, what RunInstances is asked for, with which token, what its refusals mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, SrekvError, UsageError
from srekv.provision import lease
from srekv.provision.engine.answers import DENIED, QUOTA_NEXT, code_of, message_of
from srekv.provision.inventory.existing import of_node
from srekv.provision.inventory.marks import Described
from srekv.provision.naming import LEASE_TAG, NODES, PAYLOAD_TAG
from srekv.provision.payload.userdata import UserData
from srekv.provision.steps.base import StackStep
from srekv.provision.steps.firewall import Firewall
from srekv.provision.steps.iam import Identity
from srekv.provision.steps.keypair import KeyPair
from srekv.provision.steps.network import Place, is_arm

PARAMETERS = {
    ("al2023", "x86_64"): "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    ("al2023", "arm64"): "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    ("al2", "x86_64"): "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2",
    ("al2", "arm64"): "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-arm64-gp2",
}
"""aws-facts 4.8."""

AMAZON_ROOT = "/dev/xvda"  # Amazon Linux's root device
AMAZON_ROOT_GIB = 8  # the size of Amazon Linux's root snapshot; a volume may not be smaller than its snapshot
PROFILE_TIMEOUT_S = 150  # Terraform and kops wait two minutes for EC2 to see a new instance profile (aws-facts 4.2, E1)

PROFILE_UNSEEN = {"InvalidParameterValue": ("iamInstanceProfile", "IAM Instance Profile")}
NOT_SEEN_YET = frozenset({"InvalidParameterValue", "InvalidGroup.NotFound"})
"""What RunInstances returns while EC2 does not see a new instance profile, or a new security group."""

OTHER_PARAMETERS = "IdempotentParameterMismatch"
USED_TOKEN = frozenset({"IdempotentInstanceTerminated", OTHER_PARAMETERS})
TOKENS = 20  # so many times a node can be launched in one life of a stack: each launch takes a token for a day

ENDED = frozenset({"shutting-down", "terminated"})


class Image(NamedTuple):
    """A machine image, the name of its root device and that device's size in GiB."""

    id: str
    root_device: str = AMAZON_ROOT
    root_gib: int = AMAZON_ROOT_GIB


@dataclass(eq=False)
class Launcher(StackStep):
    """What a new node is made of; the image's parameter moves, so instances that exist are never compared with it."""

    section = "EC2"
    checking = "finding the machine image"
    identity: Identity
    firewall: Firewall
    keys: KeyPair
    lease_at_launch: datetime | None  # the one that its user data names

    def fit(self) -> None:
        """Refuse an image that is not there, if a node is missing."""
        if not all(of_node(self.existing.instances, node) for node in NODES):
            _ = self.image

    @cached_property
    def image(self) -> Image:
        """The image for new nodes; raises SrekvError if --ami names none, or the parameter cannot be read."""
        config, processor = self.config, "arm64" if is_arm(self.config.instance_type) else "x86_64"
        if config.ami:
            return self._read_image(config.ami, processor)
        parameter = PARAMETERS[config.os, processor]
        try:
            return Image(self.run.clients.ssm.get_parameter(Name=parameter)["Parameter"]["Value"])
        except ClientError as error:
            if code_of(error) in DENIED:
                raise
            raise SrekvError(
                f"cannot learn the newest image of {config.os}",
                why=f"{error.operation_name} {parameter}: {code_of(error)}: {message_of(error)}",
                next_step="give one with --ami",
            ) from error

    def _read_image(self, ami: str, processor: str) -> Image:
        try:
            images = self.ec2.describe_images(ImageIds=[ami])["Images"]
        except ClientError as error:
            if not code_of(error).startswith("InvalidAMIID"):
                raise
            images = []
        image = next((one for one in images if one["ImageId"] == ami), None)
        if image is None:
            what = f"there is no image {ami} in {self.config.region}"
            raise UsageError(what, next_step="leave --ami out for the newest one")
        have = image.get("Architecture")
        if have and have != processor:
            what = f"the image {ami} is for {have}, and {self.config.instance_type} has {processor}"
            raise UsageError(what, next_step=f"choose an image for {processor}, or another --instance-type")
        root = image.get("RootDeviceName") or AMAZON_ROOT
        disks = [one.get("Ebs", {}) for one in image.get("BlockDeviceMappings", ()) if one.get("DeviceName") == root]
        return Image(ami, root, max([AMAZON_ROOT_GIB, *(disk.get("VolumeSize", 0) for disk in disks)]))

    def user_data(self, node: str) -> UserData:
        """What a node boots with."""
        config, table = self.config, self.names.table
        return UserData(
            table=table, region=config.region, port=config.port, node=node, zone=config.zone_name, os=config.os
        )

    def launch(self, node: str, place: Place) -> Described:
        """Launch a node with this life's next unused token; another run has the same one and gets the same instance.

        A token is used up by an instance that was terminated less than a day ago (E12), or by one with other parameters
        (E11), as after a crash when there is a newer image by now: then the node has its instance already.
        """
        arguments = self._arguments(node, place)
        # What cannot change between a crash and the next `up`; image, user data and lease can.
        lasting = (self.config.instance_type, {"Name": self.identity.profile})
        placed = (place.subnet_id, [self.firewall.group_id], self.keys.name)
        what = f"the instance of {node}"

        def find() -> Described | None:
            return next(iter(of_node(self.existing.fresh_instances(), node)), None)

        for ordinal in range(TOKENS):
            token = self.run.generation.token(node, *lasting, *placed, ordinal=ordinal)
            try:
                call = self.ec2.run_instances
                launched: Described = self.with_profile(call, ClientToken=token, **arguments)["Instances"][0]
            except ClientError as error:
                if code_of(error) not in USED_TOKEN:
                    raise explain_launch(error) from error
                if code_of(error) == OTHER_PARAMETERS and (there := self.poll_briefly(what, find)):
                    return there
                continue
            if launched["State"]["Name"] not in ENDED:
                return launched
        raise SrekvError(
            f"EC2 did not launch {node}",
            why=f"{TOKENS} client tokens of this stack belong to instances that have ended",
            next_step=CommandLine("srekv down") + ", then up: a new stack has new tokens",
        )

    def with_profile(self, call: Callable[..., Any], **arguments: Any) -> Any:
        """A call that gives an instance its profile, made again while EC2 does not see a new one."""
        profile = self.identity.profile
        waiting: dict[str, Any] = {"saying": PROFILE_UNSEEN, "timeout_s": PROFILE_TIMEOUT_S}
        what, arguments["IamInstanceProfile"] = f"EC2 to see the instance profile {profile}", {"Name": profile}
        return self.retry_while(NOT_SEEN_YET, what, call, **waiting, **arguments)

    def _arguments(self, node: str, place: Place) -> dict[str, Any]:
        names, image, until = self.names, self.image, self.lease_at_launch
        tags = names.tags(names.instance(node), node=node)
        machine_tags = [*tags, {"Key": PAYLOAD_TAG, "Value": self.user_data(node).fingerprint()}]
        optional: dict[str, Any] = {"KeyName": self.keys.name} if self.keys.name else {}
        if until:
            machine_tags.append({"Key": LEASE_TAG, "Value": lease.as_text(until)})
            optional["InstanceInitiatedShutdownBehavior"] = "terminate"
        disk = {"Encrypted": True, "VolumeType": "gp3", "VolumeSize": image.root_gib, "DeleteOnTermination": True}
        interface: dict[str, Any] = {"DeviceIndex": 0, "SubnetId": place.subnet_id, "Groups": [self.firewall.group_id]}
        # The Elastic IP can only come once the instance runs; the first boot needs the internet before.
        interface |= {"AssociatePublicIpAddress": True, "DeleteOnTermination": True}
        return {
            "ImageId": image.id,
            "InstanceType": self.config.instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1},
            "BlockDeviceMappings": [{"DeviceName": image.root_device, "Ebs": disk}],
            "NetworkInterfaces": [interface],
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": machine_tags},
                {"ResourceType": "network-interface", "Tags": tags},
                {"ResourceType": "volume", "Tags": tags},
            ],
            "UserData": self.user_data(node).packed(until),
            **optional,
        }


def explain_launch(error: ClientError) -> Exception:
    """Capacity and offering errors with what to do; any other error unchanged."""
    code, why = code_of(error), message_of(error)
    if code == "Unsupported":
        next_step = "choose other zones (--azs) or another --instance-type"
        return SrekvError("the zone does not offer this instance type", why=why, next_step=next_step)
    if code in QUOTA_NEXT:
        return SrekvError(f"EC2 refused the launch: {code}", why=why, next_step=QUOTA_NEXT[code])
    return error
