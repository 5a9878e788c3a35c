"""Where a case asks from: clients, names of its own, and the removal of what it makes."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from string import Template
from typing import Any

from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from srekv.conformance.cases.catalogue import Answer

PREFIX = "srekv-conformance"
"""How every name starts that a case gives."""

_NOT_THERE = {
    *("NoSuchEntity", "NoSuchHostedZone", "NoSuchHealthCheck", "ResourceNotFoundException", "ResourceNotFound"),
    *("InvalidGroup.NotFound", "InvalidInstanceID.NotFound", "InvalidAllocationID.NotFound"),
    "InvalidAssociationID.NotFound",
}
"""Codes for what is not there: no longer, or not yet visible."""

_BUSY = {
    *("PriorRequestNotComplete", "ResourceInUseException", "DependencyViolation", "DeleteConflict"),
    *("InvalidIPAddress.InUse", "InvalidInstanceID", "IncorrectInstanceState"),
}
"""Codes that go away by waiting, when something is made ready or removed (aws-recorded R16, B1, E20, E30)."""

_STILL_HELD = _BUSY | {"AuthFailure"}
"""The same for removals: an address may still be held by what has just gone (E24)."""

_PATIENT = BotoConfig(
    retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=20, user_agent_extra=PREFIX
)
_ONCE = _PATIENT.merge(BotoConfig(retries={"mode": "standard", "total_max_attempts": 1}))
_UNKNOWN_KEY = {"aws_access_key_id": "AKIASREKVCONFORMANCE", "aws_secret_access_key": "none"}

FAILURES = (ClientError, BotoCoreError, ResponseParserError)
"""All that a call raises."""

_REMOVALS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "route53.create_hosted_zone":
        ("hosted zone $HostedZone_Id", "route53.delete_hosted_zone", {"Id": "$HostedZone_Id"}),
    "route53.create_health_check":
        ("health check $HealthCheck_Id", "route53.delete_health_check", {"HealthCheckId": "$HealthCheck_Id"}),
    "ec2.create_security_group":
        ("security group $GroupName", "ec2.delete_security_group", {"GroupId": "$GroupId"}),
    "ec2.authorize_security_group_ingress":
        ("a rule of $GroupId", "ec2.revoke_security_group_ingress",
         {"GroupId": "$GroupId", "IpPermissions": "$IpPermissions"}),
    "ec2.allocate_address":
        ("Elastic IP $PublicIp", "ec2.release_address", {"AllocationId": "$AllocationId"}),
    "ec2.run_instances":
        ("instance $Instances_InstanceId", "ec2.terminate_instances", {"InstanceIds": ["$Instances_InstanceId"]}),
    "ec2.associate_address":
        ("association of $AllocationId", "ec2.disassociate_address", {"AssociationId": "$AssociationId"}),
    "iam.create_role":
        ("role $RoleName", "iam.delete_role", {"RoleName": "$RoleName"}),
    "iam.put_role_policy":
        ("the policy of role $RoleName", "iam.delete_role_policy",
         {"RoleName": "$RoleName", "PolicyName": "$PolicyName"}),
    "iam.create_policy":
        ("policy $Policy_Arn", "iam.delete_policy", {"PolicyArn": "$Policy_Arn"}),
    "iam.attach_role_policy":
        ("the attached policy of role $RoleName", "iam.detach_role_policy",
         {"RoleName": "$RoleName", "PolicyArn": "$PolicyArn"}),
    "iam.create_instance_profile":
        ("instance profile $InstanceProfileName", "iam.delete_instance_profile",
         {"InstanceProfileName": "$InstanceProfileName"}),
    "iam.add_role_to_instance_profile":
        ("$RoleName in instance profile $InstanceProfileName", "iam.remove_role_from_instance_profile",
         {"InstanceProfileName": "$InstanceProfileName", "RoleName": "$RoleName"}),
    "dynamodb.create_table":
        ("table $TableName", "dynamodb.delete_table", {"TableName": "$TableName"}),
    "cloudwatch.put_metric_alarm":
        ("alarm $AlarmName", "cloudwatch.delete_alarms", {"AlarmNames": ["$AlarmName"]}),
    "cloudwatch.put_dashboard":
        ("dashboard $DashboardName", "cloudwatch.delete_dashboards", {"DashboardNames": ["$DashboardName"]}),
}  # fmt: skip
"""A call -> what it makes, in words; the call that removes that; its parameters. $Name is a parameter or member of the
answer, $Name_Part a part of such a member."""


class NotAskedError(Exception):
    """The question cannot be put here; the message has the reason."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long to wait for what AWS does not show at once: so many tries, so many seconds apart."""

    tries: int = 90
    pause_s: float = 2.0

    def pause(self) -> None:
        """Let some time pass."""
        time.sleep(self.pause_s)


@dataclass(frozen=True)
class Removal:
    """A call that removes something, and what it removes, in words."""

    what: str
    call: str
    params: Mapping[str, Any]


@dataclass(eq=False)
class CaseContext:
    """The context of one case, or of what several cases share. Calls are named as "route53.get_change".

    Args:
        make: makes a client: service, botocore configuration, and the keys to use instead of the account's own.
        region: the account's Region.
        retries: how long to wait for what becomes visible late.
        nonce: distinguishes this run's names from others.
        expected: the recorded answers to the case's question.
        parent: the context whose things are shared: they are removed when the run is over.
    """

    make: Callable[..., Any]
    region: str
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    nonce: str = field(default_factory=lambda: secrets.token_hex(4))
    expected: tuple[Answer, ...] = ()
    parent: CaseContext | None = None
    shared: dict[Callable[[CaseContext], Any], Any] = field(default_factory=dict)
    _clients: dict[tuple[str, bool, bool], Any] = field(default_factory=dict)
    _removals: list[Removal] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=itertools.count)

    def child(self, expected: tuple[Answer, ...]) -> CaseContext:
        """A context of its own for one case, with the same clients, the same shared things, and names that differ."""
        return replace(self, expected=expected, parent=self, _removals=[])

    def name(self, short: str = "x") -> str:
        """A name that nothing else has, at most 64 characters."""
        return f"{PREFIX}-{self.nonce}-{short}{next(self._names)}"

    @property
    def tags(self) -> list[dict[str, str]]:
        """What everything carries that takes tags when it is made, and what cases share."""
        return [{"Key": "srekv:conformance", "Value": self.nonce}]

    def call(self, call: str, *, unknown_key: bool = False, **params: Any) -> Any:
        """Make a call, with a key that no account knows if need be; what it makes is removed later.

        Raises:
            ClientError: it is refused.
        """
        service, _, operation = call.partition(".")
        once = unknown_key or call == "ec2.allocate_address"  # it takes no token: a lost answer would leave two
        key = (service, once, unknown_key)
        if key not in self._clients:
            given = (_UNKNOWN_KEY,) if unknown_key else ()
            self._clients[key] = self.make(service, _ONCE if once else _PATIENT, *given)
        answer = getattr(self._clients[key], operation)(**params)
        for removal in _removals(call, params, answer):
            if removal not in self._removals:
                self._removals.append(removal)
        return answer

    def ask(self, call: str, *, shows: str = "", **params: Any) -> Answer:
        """The answer to a question. Asked again while AWS does not yet know what was made for it.

        Args:
            call: the call that asks.
            shows: what a success shows; $Name stands for a member of its answer.
            params: of the call.
        """
        for _ in range(self.retries.tries):
            try:
                answer = self.call(call, **params)
                seen = success(answer, Template(shows).safe_substitute(members(answer)))
            except ClientError as error:
                details, meta = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
                text = str(details.get("Message") or "")
                seen = Answer(int(meta.get("HTTPStatusCode", 0)), code_of(error), text)
            passes = seen.code in _NOT_THERE | {"PriorRequestNotComplete"}
            if not passes or any(answer.matches(seen) for answer in self.expected):
                break
            self.retries.pause()
        return seen

    def call_with_retries(self, call: str, **params: Any) -> Any:
        """Make a call that prepares the question; wait while AWS does not yet know what it names.

        Raises:
            ClientError: it is refused for good.
        """
        return self._retry(_NOT_THERE | _BUSY, call, params)

    def _retry(self, passing: set[str], call: str, params: Mapping[str, Any]) -> Any:
        """Call until it is not refused with a code that passes."""
        for _ in range(self.retries.tries - 1):
            try:
                return self.call(call, **params)
            except ClientError as error:
                if code_of(error) not in passing:
                    raise
            self.retries.pause()
        return self.call(call, **params)

    def wait_until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait for it.

        Raises:
            NotAskedError: it did not come.
        """
        for _ in range(self.retries.tries):
            try:
                if is_so():
                    return
            except ClientError as error:
                if code_of(error) not in _NOT_THERE:
                    raise
            self.retries.pause()
        raise NotAskedError(f"waited in vain for {what}")

    def wait_for_instance(self, instance: str, verb: str, state: str) -> None:
        """Wait until an instance is in a state, in words: to "run", to "end"."""

        def is_so() -> bool:
            groups = self.call("ec2.describe_instances", InstanceIds=[instance])["Reservations"]
            return bool(groups[0]["Instances"][0]["State"]["Name"] == state)

        self.wait_until(f"instance {instance} to {verb}", is_so)

    def remove_later(self, what: str, call: str, **params: Any) -> None:
        """Remove something when the question has been answered, the newest first."""
        self._removals.append(Removal(what, call, params))

    def _remove(self, removal: Removal) -> None:
        """What is not there may be too new to be seen: only what is missing four times has gone."""
        for _ in range(4):
            try:
                self._retry(_STILL_HELD, removal.call, removal.params)
                for instance in removal.params.get("InstanceIds", ()):  # what it uses cannot be removed before
                    self.wait_for_instance(instance, "end", "terminated")
            except ClientError as error:
                if code_of(error) not in _NOT_THERE:
                    raise
            else:
                return
            self.retries.pause()

    def clear(self) -> list[str]:
        """Remove everything; what could not be removed, each with the reason."""
        left = []
        while self._removals:
            removal = self._removals.pop()
            try:
                self._remove(removal)
            except (*FAILURES, NotAskedError) as error:
                left.append(f"{removal.what}: {error}")
        return left


def code_of(error: ClientError) -> str:
    """The service's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def success(answer: Mapping[str, Any], text: str = "") -> Answer:
    """A success, and what it showed."""
    return Answer(int(answer["ResponseMetadata"]["HTTPStatusCode"]), "", text)


def fill(value: Any, values: Mapping[str, Any]) -> Any:
    """A value with every $name in its texts replaced; a text that is a name becomes what the name stands for."""
    if isinstance(value, str):
        is_name = value.startswith("$") and value[1:].isidentifier()
        return values[value[1:]] if is_name else Template(value).substitute(values)
    if isinstance(value, Mapping):
        return {name: fill(member, values) for name, member in value.items()}
    return [fill(one, values) for one in value] if isinstance(value, list) else value


def members(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an answer by their names, and their parts as Name_Part; the first one stands for a list."""
    found = dict(answer)
    for name, member in answer.items():
        parts = member[0] if isinstance(member, list) and member else member
        if isinstance(parts, Mapping):
            found |= {f"{name}_{part}": value for part, value in members(parts).items()}
    return found


def _removals(call: str, params: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Removal]:
    """What removes what a call has made."""
    if call == "route53.change_resource_record_sets":
        for change in params["ChangeBatch"]["Changes"]:
            record, zone = change["ResourceRecordSet"], params["HostedZoneId"]
            if change["Action"] != "DELETE":
                what = f"record {record['Name']} in zone {zone}"
                batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
                yield Removal(what, call, {"HostedZoneId": zone, "ChangeBatch": batch})
    elif call in _REMOVALS:
        what, removing, removing_params = fill(list(_REMOVALS[call]), {**params, **members(answer)})
        yield Removal(what.replace("/hostedzone/", ""), removing, removing_params)
