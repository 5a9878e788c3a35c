"""What EC2 refuses when an instance is launched, and how it knows a launch that was asked for before."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srekv.conformance.machines import ENDED, Machines, show
from srekv.conformance.model import Answer, Call, EventuallyVisible, Raw, Refusal, ResponseRule, ServiceRules

_GIVES_PROFILE = "RunInstances AssociateIamInstanceProfile ReplaceIamInstanceProfileAssociation"
USER_DATA_LIMIT = 16384
"""Bytes of user data before base64."""


@dataclass(frozen=True)
class Launch:
    """A launch that took effect: what was asked, and what was answered."""

    asked: str
    answer: Raw | None
    instances: tuple[str, ...]


class Launches(ServiceRules):
    """Launches by their tokens, and what a launch needs."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._conditions = machines.conditions
        self._launches: dict[tuple[str, str], Launch] = {}
        self.rules = (
            ResponseRule("client-token", "RunInstances", refuse=self._answer_again, change=self._keep),
            ResponseRule("user-data-limit", "RunInstances", refuse=_limit_user_data),
            ResponseRule("not-offered", "RunInstances", refuse=self._refuse_type),
            ResponseRule("not-offered", "DescribeInstanceTypeOfferings", change=self._list_offerings),
            ResponseRule("vcpu-quota", "RunInstances", refuse=self._refuse_beyond_quota),
            ResponseRule("dry-run", "ec2", refuse=_refuse_dry_run),
            ResponseRule("no-capacity", "RunInstances", refuse=self._refuse_launch),
            ResponseRule("no-capacity", "StartInstances", refuse=self._refuse_start),
        )

    def _answer_again(self, call: Call) -> Refusal | Raw | None:
        launch = self._launches.get((call.region, call.params.get("ClientToken", "")))
        if launch is None:
            return None
        if launch.asked != _fingerprint(call.params):
            text = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
            return Refusal("IdempotentParameterMismatch", text)
        ended = all(self._machines.shown(one) in ENDED for one in launch.instances)
        if ended and self._conditions.between("client-token", "dead", 0, 1) == 0:
            return Refusal(
                "IdempotentInstanceTerminated",
                "The client token you have provided is associated with a terminated instance. "
                "Please use a different client token.",
            )
        return launch.answer

    def _keep(self, call: Call, answer: Answer) -> None:
        """Keep a launch; show what has become of one that is answered again."""
        instances = answer.get("Instances", [])
        for one in instances if call.replayed else ():
            show(one, self._machines.shown(one["InstanceId"]) or "pending")
        if not call.replayed and call.params.get("ClientToken"):
            ids = tuple(one["InstanceId"] for one in instances)
            self._launches[call.region, call.params["ClientToken"]] = Launch(_fingerprint(call.params), call.raw, ids)

    def _refuse_type(self, call: Call) -> Refusal | None:
        kind, zone = call.params.get("InstanceType", ""), self._zone_of(call)
        if (kind, zone) not in self._conditions.not_offered:
            return None
        return Refusal(
            "Unsupported",
            f"Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone}). "
            f"Please retry your request by not specifying an Availability Zone or choosing {self._others(zone)}.",
        )

    def _list_offerings(self, _call: Call, answer: Answer) -> None:
        missing = self._conditions.not_offered if self._conditions.offerings_agree else set()
        answer["InstanceTypeOfferings"] = [
            one for one in answer["InstanceTypeOfferings"] if (one["InstanceType"], one["Location"]) not in missing
        ]

    def _refuse_beyond_quota(self, call: Call) -> Refusal | None:
        quota = self._conditions.vcpu_quota
        machines = self._machines.known.values()
        running = sum(vcpus(one.type) for one in machines if one.state not in {*ENDED, "stopped"})
        wanted = vcpus(call.params.get("InstanceType", "")) * call.params.get("MaxCount", 1)
        if quota is None or running + wanted <= quota:
            return None
        return Refusal(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {quota} allows for the instance "
            "bucket that the specified instance type belongs to. Please visit "
            "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
        )

    def _refuse_launch(self, call: Call) -> Refusal | None:
        zone, kind = self._zone_of(call), call.params.get("InstanceType", "")
        if zone not in self._conditions.without_capacity:
            return None
        return Refusal(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). "
            f"Our system will be working on provisioning additional capacity. You can currently get {kind} "
            f"capacity by not specifying an Availability Zone in your request or choosing {self._others(zone)}.",
            500,
        )

    def _refuse_start(self, call: Call) -> Refusal | None:
        starting = (self._machines.known.get(one) for one in call.params.get("InstanceIds", ()))
        if not any(one and one.zone in self._conditions.without_capacity for one in starting):
            return None
        return Refusal("InsufficientInstanceCapacity", "Insufficient capacity.", 500)

    def _zone_of(self, call: Call) -> str:
        """The zone that a launch names, by itself or through its subnet; "" when it is not known."""
        zone: str = call.params.get("Placement", {}).get("AvailabilityZone", "")
        interfaces = call.params.get("NetworkInterfaces", ())
        subnets = (call.params.get("SubnetId"), *(one.get("SubnetId") for one in interfaces))
        return zone or next((self._machines.zones[one] for one in subnets if one in self._machines.zones), "")

    def _others(self, zone: str) -> str:
        return ", ".join(sorted({*self._machines.zones.values()} - {zone, ""}))


@dataclass
class Profile:
    """What has been seen of an instance profile."""

    name: str
    arn: str = ""
    roles: set[str] = field(default_factory=set)


class Profiles(ServiceRules):
    """EC2 hears late of an instance profile, and of the role in it."""

    def __init__(self, machines: Machines) -> None:
        self._conditions = machines.conditions
        self._deleted: set[str] = set()
        self._profiles: dict[str, Profile] = {}
        self._unseen, self._role_unseen = EventuallyVisible(), EventuallyVisible()
        self.rules = (
            ResponseRule("profile-not-seen", _GIVES_PROFILE, refuse=self._refuse_unseen),
            ResponseRule("profile-not-seen", "CreateInstanceProfile", change=self._hide),
            ResponseRule("profile-without-role", _GIVES_PROFILE, refuse=self._refuse_without_role),
            ResponseRule("profile-without-role", "AddRoleToInstanceProfile", change=self._hide_role),
        )

    def observe(self, call: Call, answer: Answer) -> None:
        """Learn from an answer of IAM."""
        name = call.params.get("InstanceProfileName", "")
        if call.operation in {"CreateInstanceProfile", "GetInstanceProfile"}:
            shown = answer["InstanceProfile"]
            roles = {role["RoleName"] for role in shown.get("Roles", ())}
            self._profiles[shown["InstanceProfileName"]] = Profile(shown["InstanceProfileName"], shown["Arn"], roles)
            self._deleted.discard(name)
        elif call.operation == "DeleteInstanceProfile":
            self._profiles.pop(name, None)
            self._deleted.add(name)
        elif name in self._profiles and call.operation == "AddRoleToInstanceProfile":
            self._profiles[name].roles.add(call.params["RoleName"])
        elif name in self._profiles and call.operation == "RemoveRoleFromInstanceProfile":
            self._profiles[name].roles.discard(call.params["RoleName"])

    def _refuse_unseen(self, call: Call) -> Refusal | None:
        given = call.params.get("IamInstanceProfile", {})
        name = _profile_name(given)
        if not name or not (name in self._deleted or self._unseen.poll(name)):
            return None
        member, kind = ("name", "name") if "Name" in given else ("arn", "ARN")
        return Refusal(
            "InvalidParameterValue",
            f"Value ({given.get('Name') or given['Arn']}) for parameter iamInstanceProfile.{member} is invalid. "
            f"Invalid IAM Instance Profile {kind}",
        )

    def _hide(self, call: Call, _answer: Answer) -> None:
        self._unseen.start(call.params["InstanceProfileName"], self._conditions.polls("profile-not-seen", call, 1, 2))

    def _refuse_without_role(self, call: Call) -> Refusal | None:
        profile = self._profiles.get(_profile_name(call.params.get("IamInstanceProfile", {})))
        if profile is None or not (self._role_unseen.poll(profile.name) or not profile.roles):
            return None
        return Refusal("InvalidParameterValue", f'IAM Instance Profile "{profile.arn}" has no associated IAM Roles')

    def _hide_role(self, call: Call, _answer: Answer) -> None:
        if call.params["InstanceProfileName"] in self._profiles:
            polls = self._conditions.polls("profile-without-role", call, 0, 2)
            self._role_unseen.start(call.params["InstanceProfileName"], polls)


def _limit_user_data(call: Call) -> Refusal | None:
    if len(base64.b64decode(call.params.get("UserData", ""))) > USER_DATA_LIMIT:
        return Refusal("InvalidParameterValue", f"User data is limited to {USER_DATA_LIMIT} bytes")
    return None


def _refuse_dry_run(call: Call) -> Refusal | None:
    if call.params.get("DryRun"):
        return Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    return None


def vcpus(instance_type: str) -> int:
    """How many vCPUs a type has, by the rule of its size's name; the first micro types had one."""
    family, _, size = instance_type.partition(".")
    if family in {"t1", "t2"} and size in {"nano", "micro", "small"}:
        return 1
    times = size.removesuffix("xlarge")
    return 4 * int(times or 1) if size.endswith("xlarge") and (times or "1").isdigit() else 2


def _profile_name(given: Mapping[str, str]) -> str:
    return given.get("Name") or given.get("Arn", "").rpartition("/")[2]


def _fingerprint(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True, default=str)
