"""What EC2 refuses when an instance is launched, and how it knows a launch that was asked for before."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srekv.conformance.machines import ENDED, MachineLaw, Machines, show
from srekv.conformance.model import Call, Moments, Raw, Refusal, Rule

GIVES_PROFILE = frozenset({"RunInstances", "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation"})
USER_DATA_LIMIT = 16384
"""Bytes of user data before base64."""


@dataclass
class Profile:
    """What has been seen of an instance profile."""

    name: str
    arn: str = ""
    roles: set[str] = field(default_factory=set)


class ProfileNotSeen(MachineLaw):
    """EC2 hears of a new instance profile late."""

    rule = Rule(
        id="profile-not-seen",
        rows=("E1",),
        source="aws/aws-sdk-js-v3#5253; hashicorp/packer#9810; hashicorp/terraform#15341",
        says="EC2 refuses a new, or deleted, instance profile as an invalid name or ARN for a few tries.",
    )

    def __init__(self, machines: Machines) -> None:
        super().__init__(machines)
        self._unseen = Moments()
        self._deleted: set[str] = set()

    def before(self, call: Call) -> Refusal | None:
        """Whatever gives an instance its profile."""
        given = _given_profile(call)
        name = _profile_name(given)
        if not name or not (name in self._deleted or self._unseen.look(name)):
            return None
        member, kind = ("name", "name") if "Name" in given else ("arn", "ARN")
        return Refusal(
            "InvalidParameterValue",
            f"Value ({given.get('Name') or given['Arn']}) for parameter iamInstanceProfile.{member} is invalid. "
            f"Invalid IAM Instance Profile {kind}",
        )

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """A profile appears or goes."""
        super().after(call, answer)
        name = call.params.get("InstanceProfileName", "")
        if call.operation == "CreateInstanceProfile":
            self._deleted.discard(name)
            self._unseen.begin(name, self.moment(self.rule, call, 1, 2))
        if call.operation == "DeleteInstanceProfile":
            self._deleted.add(name)
        if call.operation == "GetInstanceProfile":
            self._deleted.discard(name)


class ProfileWithoutRole(MachineLaw):
    """EC2 hears late of the role in a profile."""

    rule = Rule(
        id="profile-without-role",
        rows=("E2",),
        source="DanielThomas/ec2gaming#17; terraform-provider-aws ec2_instance.go",
        says="EC2 refuses a profile that has no role, and for a try or two one that has just been given its role.",
    )

    def __init__(self, machines: Machines) -> None:
        super().__init__(machines)
        self._profiles: dict[str, Profile] = {}
        self._unseen = Moments()

    def before(self, call: Call) -> Refusal | None:
        """Whatever gives an instance its profile."""
        profile = self._profiles.get(_profile_name(_given_profile(call)))
        if profile is None or not (self._unseen.look(profile.name) or not profile.roles):
            return None
        return Refusal("InvalidParameterValue", f'IAM Instance Profile "{profile.arn}" has no associated IAM Roles')

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """A profile is seen, or its role changes."""
        super().after(call, answer)
        shown = answer.get("InstanceProfile") if call.service == "iam" else None
        if shown:
            roles = {role["RoleName"] for role in shown.get("Roles", ())}
            self._profiles[shown["InstanceProfileName"]] = Profile(shown["InstanceProfileName"], shown["Arn"], roles)
        profile = self._profiles.get(call.params.get("InstanceProfileName", ""))
        if profile and call.operation == "AddRoleToInstanceProfile":
            profile.roles.add(call.params["RoleName"])
            self._unseen.begin(profile.name, self.moment(self.rule, call, 0, 2))
        if profile and call.operation == "RemoveRoleFromInstanceProfile":
            profile.roles.discard(call.params["RoleName"])
        if profile and call.operation == "DeleteInstanceProfile":
            del self._profiles[profile.name]


class UserDataLimit(MachineLaw):
    """User data has a limit."""

    rule = Rule(
        id="user-data-limit",
        rows=("E8",),
        source="runs-on/runs-on#9; dask/dask-cloudprovider#249; cdk-preflight (probed 2026-09-01)",
        says="More than 16,384 bytes of user data, before base64, are refused with InvalidParameterValue.",
    )

    def before(self, call: Call) -> Refusal | None:
        """At launch."""
        data = call.params.get("UserData", "") if call.operation == "RunInstances" else ""
        if len(base64.b64decode(data)) > USER_DATA_LIMIT:
            return Refusal("InvalidParameterValue", f"User data is limited to {USER_DATA_LIMIT} bytes")
        return None


class NoCapacity(MachineLaw):
    """A zone can be out of stock."""

    rule = Rule(
        id="no-capacity",
        rows=("E3",),
        source="red-hat-storage/ocs-ci#9263; scylladb/scylla-cluster-tests#5119",
        says="A zone without stock refuses RunInstances and StartInstances with InsufficientInstanceCapacity and HTTP "
        "status 500, which botocore sends again.",
    )

    def before(self, call: Call) -> Refusal | None:
        """At launch, and at the start of a stopped instance."""
        without = self.machines.conditions.without_capacity
        if call.operation == "StartInstances":
            starting = (self.machines.known.get(one) for one in call.params.get("InstanceIds", ()))
            if any(one and one.zone in without for one in starting):
                return Refusal("InsufficientInstanceCapacity", "Insufficient capacity.", 500)
        if call.operation == "RunInstances" and (zone := zone_of(self.machines, call)) in without:
            kind, others = call.params.get("InstanceType", ""), _others(self.machines, zone)
            return Refusal(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). "
                f"Our system will be working on provisioning additional capacity. You can currently get {kind} "
                f"capacity by not specifying an Availability Zone in your request or choosing {others}.",
                500,
            )
        return None


class NotOffered(MachineLaw):
    """A zone may not have a type at all."""

    rule = Rule(
        id="not-offered",
        rows=("E4",),
        source="ned1313/Getting-Started-Terraform#44; terraform-provider-aws#9113",
        says="A zone that does not offer the type refuses RunInstances with Unsupported.",
    )

    def before(self, call: Call) -> Refusal | None:
        """At launch."""
        if call.operation != "RunInstances":
            return None
        kind, zone = call.params.get("InstanceType", ""), zone_of(self.machines, call)
        if (kind, zone) not in self.machines.conditions.not_offered:
            return None
        return Refusal(
            "Unsupported",
            f"Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone}). "
            "Please retry your request by not specifying an Availability Zone or choosing "
            f"{_others(self.machines, zone)}.",
        )

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """The list of what is offered where says so too, if it agrees."""
        super().after(call, answer)
        conditions = self.machines.conditions
        if call.operation == "DescribeInstanceTypeOfferings" and conditions.offerings_agree:
            answer["InstanceTypeOfferings"] = [
                one
                for one in answer["InstanceTypeOfferings"]
                if (one["InstanceType"], one["Location"]) not in conditions.not_offered
            ]


class VcpuQuota(MachineLaw):
    """An account may run so many vCPUs."""

    rule = Rule(
        id="vcpu-quota",
        rows=("E5",),
        source="xlang-ai/OSWorld#366; StreisandEffect/streisand#1715",
        says="A launch that needs more vCPUs than the quota leaves is refused with VcpuLimitExceeded.",
    )

    def before(self, call: Call) -> Refusal | None:
        """At launch."""
        quota = self.machines.conditions.vcpu_quota
        if call.operation != "RunInstances" or quota is None:
            return None
        running = sum(vcpus(one.type) for one in self.machines.known.values() if one.state not in {*ENDED, "stopped"})
        if running + vcpus(call.params.get("InstanceType", "")) * call.params.get("MaxCount", 1) <= quota:
            return None
        return Refusal(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {quota} allows for the instance "
            "bucket that the specified instance type belongs to. Please visit "
            "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
        )


@dataclass(frozen=True)
class Launch:
    """A launch that took effect: what was asked, and what was answered."""

    asked: str
    answer: Raw | None
    instances: tuple[str, ...]


class ClientToken(MachineLaw):
    """A launch's token stays bound to what it launched."""

    rule = Rule(
        id="client-token",
        rows=("E11", "E12"),
        source="ubicloud/ubicloud#5898; boto/boto3#4406; harbor-framework/harbor#2346; EC2 API idempotency",
        says="The same ClientToken gives the same instance; with other parameters IdempotentParameterMismatch; and "
        "when that instance has ended either IdempotentInstanceTerminated or the dead instance.",
    )

    def __init__(self, machines: Machines) -> None:
        super().__init__(machines)
        self._launches: dict[tuple[str, str], Launch] = {}

    def before(self, call: Call) -> Refusal | Raw | None:
        """A launch whose token is known."""
        launch = self._launches.get(self._key(call)) if call.operation == "RunInstances" else None
        if launch is None:
            return None
        if launch.asked != _fingerprint(call.params):
            return Refusal(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )
        ended = all(self.machines.shown(one) in ENDED for one in launch.instances)
        if ended and self.machines.conditions.between(self.rule, "dead", 0, 1) == 0:
            return Refusal(
                "IdempotentInstanceTerminated",
                "The client token you have provided is associated with a terminated instance. "
                "Please use a different client token.",
            )
        return launch.answer

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Keep a launch; show what has become of one that is answered again."""
        super().after(call, answer)
        if call.operation != "RunInstances":
            return
        instances = answer.get("Instances", [])
        for one in instances if call.replayed else ():
            show(one, self.machines.shown(one["InstanceId"]) or "pending")
        if not call.replayed and call.params.get("ClientToken"):
            ids = tuple(one["InstanceId"] for one in instances)
            self._launches[self._key(call)] = Launch(_fingerprint(call.params), call.raw, ids)

    @staticmethod
    def _key(call: Call) -> tuple[str, str]:
        return call.region, call.params.get("ClientToken", "")


def zone_of(machines: Machines, call: Call) -> str:
    """The zone that a launch names, by itself or through its subnet; "" when nobody has told it."""
    zone = call.params.get("Placement", {}).get("AvailabilityZone", "")
    interfaces = call.params.get("NetworkInterfaces", ())
    subnets = (call.params.get("SubnetId"), *(one.get("SubnetId") for one in interfaces))
    return zone or next((machines.zones[one] for one in subnets if one in machines.zones), "")


def vcpus(instance_type: str) -> int:
    """How many vCPUs a type has, by the rule of its size's name; the first micro types had one."""
    family, _, size = instance_type.partition(".")
    if family in {"t1", "t2"} and size in {"nano", "micro", "small"}:
        return 1
    times = size.removesuffix("xlarge")
    return 4 * int(times or 1) if size.endswith("xlarge") and (times or "1").isdigit() else 2


def _others(machines: Machines, zone: str) -> str:
    return ", ".join(sorted({*machines.zones.values()} - {zone, ""}))


def _given_profile(call: Call) -> Mapping[str, str]:
    given: Mapping[str, str] = call.params.get("IamInstanceProfile", {}) if call.operation in GIVES_PROFILE else {}
    return given


def _profile_name(given: Mapping[str, str]) -> str:
    return given.get("Name") or given.get("Arn", "").rpartition("/")[2]


def _fingerprint(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True, default=str)
