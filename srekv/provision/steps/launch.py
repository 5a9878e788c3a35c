"""Launches a node: what RunInstances is asked for, with which token, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, SrekvError
from srekv.provision import lease
from srekv.provision.engine.answers import QUOTA_NEXT, code_of, message_of
from srekv.provision.engine.run import Run
from srekv.provision.inventory.existing import Existing, of_node
from srekv.provision.inventory.marks import Described
from srekv.provision.naming import LEASE_TAG, PAYLOAD_TAG
from srekv.provision.payload import userdata
from srekv.provision.steps.firewall import Firewall
from srekv.provision.steps.iam import Identity
from srekv.provision.steps.images import Images
from srekv.provision.steps.keypair import KeyPair
from srekv.provision.steps.network import Place

PROFILE_TIMEOUT_S = 150
"""Terraform and kops wait two minutes for EC2 to see a new instance profile (aws-facts 4.2, E1)."""

PROFILE_UNSEEN = {"InvalidParameterValue": ("iamInstanceProfile", "IAM Instance Profile")}
NOT_SEEN_YET = frozenset({"InvalidParameterValue", "InvalidGroup.NotFound"})
"""What RunInstances says while EC2 does not see a new instance profile, or a new security group."""

OTHER_PARAMETERS = "IdempotentParameterMismatch"
USED_TOKEN = frozenset({"IdempotentInstanceTerminated", OTHER_PARAMETERS})
TOKENS = 20
"""So many times a node can be launched in one life of a stack: each launch takes a token for a day."""

ENDED = frozenset({"shutting-down", "terminated"})


@dataclass(frozen=True)
class Launcher:
    """What a new node is made of; `lease_at_launch` is the one that its user data names."""

    run: Run
    existing: Existing
    identity: Identity
    firewall: Firewall
    keys: KeyPair
    images: Images
    lease_at_launch: datetime | None

    def payload(self, node: str) -> dict[str, Any]:
        """The arguments of a node's user data."""
        config = self.run.config
        return {
            "table": self.run.names.table,
            "region": config.region,
            "port": config.port,
            "node": node,
            "zone": config.zone_name,
            "os": config.os,
        }

    def launch(self, node: str, place: Place) -> Described:
        """Launch a node with this life's next unused token.

        Another run that launches the same node has the same token and gets the same instance. A token is used up by an
        instance that was terminated less than a day ago (E12), or by one with other parameters (E11), as after a crash
        when there is a newer image by now: then the node has its instance already.
        """
        arguments = self._arguments(node, place)
        # What cannot change between a crash and the next `up`; image, user data and lease can.
        lasting = (self.run.config.instance_type, {"Name": self.identity.profile})
        placed = (place.subnet_id, [self.firewall.group_id], self.keys.name)
        for ordinal in range(TOKENS):
            token = self.run.generation.token(node, *lasting, *placed, ordinal=ordinal)
            try:
                call = self.run.clients.ec2.run_instances
                launched: Described = self.with_profile(call, ClientToken=token, **arguments)["Instances"][0]
            except ClientError as error:
                if code_of(error) not in USED_TOKEN:
                    raise explain_launch(error) from error
                if code_of(error) == OTHER_PARAMETERS and (there := self._poll_briefly(node)):
                    return there
                continue
            if launched["State"]["Name"] not in ENDED:
                return launched
        raise SrekvError(
            f"EC2 did not launch {node}",
            why=f"{TOKENS} client tokens of this stack belong to instances that have ended",
            next_step=CommandLine("srekv down") + ", then up: a new stack has new tokens",
        )

    def _poll_briefly(self, node: str) -> Described | None:
        """The node's instance, found by its tag; None if it does not show for a few seconds."""
        return self.run.sought(
            "EC2",
            f"the instance of {node}",
            lambda: next(iter(of_node(self.existing.fresh_instances(), node)), None),
        )

    def with_profile(self, call: Callable[..., Any], **arguments: Any) -> Any:
        """A call that gives an instance its profile, made again while EC2 does not see a new one."""
        return self.run.persist(
            "EC2",
            f"EC2 to see the instance profile {self.identity.profile}",
            call,
            on=NOT_SEEN_YET,
            saying=PROFILE_UNSEEN,
            timeout_s=PROFILE_TIMEOUT_S,
            IamInstanceProfile={"Name": self.identity.profile},
            **arguments,
        )

    def _arguments(self, node: str, place: Place) -> dict[str, Any]:
        names, image, until = self.run.names, self.images.image, self.lease_at_launch
        tags = names.tags(names.instance(node), node=node)
        machine_tags = [*tags, {"Key": PAYLOAD_TAG, "Value": userdata.fingerprint(**self.payload(node))}]
        optional: dict[str, Any] = {"KeyName": self.keys.name} if self.keys.name else {}
        if until:
            machine_tags.append({"Key": LEASE_TAG, "Value": lease.as_text(until)})
            optional["InstanceInitiatedShutdownBehavior"] = "terminate"
        disk = {"Encrypted": True, "VolumeType": "gp3", "VolumeSize": image.root_gib, "DeleteOnTermination": True}
        return {
            "ImageId": image.id,
            "InstanceType": self.run.config.instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1},
            "BlockDeviceMappings": [{"DeviceName": image.root_device, "Ebs": disk}],
            "NetworkInterfaces": [
                {
                    "DeviceIndex": 0,
                    "SubnetId": place.subnet_id,
                    "Groups": [self.firewall.group_id],
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
            "UserData": userdata.render(**self.payload(node), lease=until),
            **optional,
        }


def explain_launch(error: ClientError) -> Exception:
    """Capacity and offering errors with what to do; any other error unchanged."""
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
