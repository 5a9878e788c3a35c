"""Input that AWS refuses and emulators take, and refusals that emulators put in other words. Tables, one row a rule."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from srekv.conformance.model import Call, Conditions, Law, Lenient, Refusal, Rule

_MOTO = "moto's tests that run on AWS"
_PREFLIGHT = "cdk-preflight, probed 2026-09"
_IAM = "localstack iam/test_iam, recorded 2025"
_CLOUDWATCH = "localstack cloudwatch/test_cloudwatch, recorded 2025-09"


def laws(conditions: Conditions) -> tuple[Law, ...]:
    """A new set."""
    del conditions
    return (
        ImageUnknown(),
        AlarmFresh(),
        AlarmDeleted(),
        *(Input(_rule(*row[:4]), row[4], row[5]) for row in _INPUTS),
        *(Words(_rule(*row[:4]), row[4], row[5], row[6]) for row in _WORDS),
    )


def _rule(name: str, row: str, source: str, says: str) -> Rule:
    return Rule(id=name, rows=(row,), source=source, says=says)


class Input(Lenient):
    """Refuses an operation's parameters for one reason, whatever the account is like."""

    def __init__(self, rule: Rule, operation: str, judge: Callable[[Mapping[str, Any]], Refusal | None]) -> None:
        self.rule = rule
        self._operation = operation
        self._judge = judge

    def before(self, call: Call) -> Refusal | None:
        """Refuse them if this is the reason."""
        return self._judge(call.params) if call.operation == self._operation else None


class Words(Lenient):
    """Puts a backend's refusal as AWS puts it.

    Args:
        rule: what it enforces.
        operation: whose refusal.
        pattern: finds the backend's text, after its code and a space; its groups may be used in the text.
        said: AWS's code, a space, and AWS's text, as a template of `re`.
    """

    def __init__(self, rule: Rule, operation: str, pattern: str, said: str) -> None:
        self.rule = rule
        self._operation = operation
        self._pattern = re.compile(pattern)
        self._said = said

    def reword(self, call: Call, error: dict[str, str]) -> None:
        """Say it in AWS's words."""
        if call.operation != self._operation:
            return
        found = self._pattern.search(f"{error.get('Code')} {error.get('Message')}")
        if found:
            error["Code"], _, error["Message"] = found.expand(self._said).partition(" ")


@dataclass
class ImageUnknown(Lenient):
    """An image that no answer has named does not exist."""

    rule = Rule(
        id="image-unknown",
        rows=("E10",),
        source="moto test_ec2/test_amis.py, run on AWS",
        says="An image that does not exist cannot be run.",
    )
    _known: set[str] = field(default_factory=set)

    def before(self, call: Call) -> Refusal | None:
        """Refuse to run it."""
        image = call.params.get("ImageId") if call.operation == "RunInstances" else None
        if image and image not in self._known:
            return Refusal("InvalidAMIID.NotFound", f"The image id '[{image}]' does not exist")
        return None

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Learn which images there are, from EC2 and from SSM's public parameters."""
        if call.operation == "DescribeImages":
            self._known.update(image["ImageId"] for image in answer["Images"])
        elif call.operation in {"GetParameter", "GetParameters", "DescribeInstances"}:
            self._known.update(re.findall(r"ami-[0-9a-z]+", json.dumps(answer, default=str)))


class AlarmFresh(Lenient):
    """An alarm knows nothing before its first period is over."""

    rule = Rule(id="alarm-fresh", rows=("S6",), source=_CLOUDWATCH, says="A new alarm has no data.")

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Show it without data as long as the backend has not looked at it."""
        if call.operation == "DescribeAlarms":
            for alarm in answer.get("MetricAlarms", ()):
                if alarm.get("StateReason") == "Unchecked: Initial alarm creation":
                    alarm["StateValue"] = "INSUFFICIENT_DATA"


@dataclass
class AlarmDeleted(Lenient):
    """What has gone has no tags."""

    rule = Rule(
        id="alarm-deleted-tags",
        rows=("S8",),
        source=_CLOUDWATCH,
        says="An alarm that was deleted has no tags, and that is no error.",
    )
    _gone: set[str] = field(default_factory=set)

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Forget its tags."""
        if call.operation == "DeleteAlarms":
            self._gone.update(call.params["AlarmNames"])
        elif call.operation == "PutMetricAlarm":
            self._gone.discard(call.params["AlarmName"])
        elif (
            call.operation == "ListTagsForResource"
            and call.service == "cloudwatch"
            and call.params["ResourceARN"].rpartition(":")[2] in self._gone
        ):
            answer["Tags"] = []


def _release(params: Mapping[str, Any]) -> Refusal | None:
    if "AllocationId" in params:
        return None
    return Refusal("InvalidParameterValue", "You must specify an allocation id when releasing a VPC elastic IP address")


def _rules(params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from params.get("IpPermissions", ())


def _cidr(params: Mapping[str, Any]) -> Refusal | None:
    for block in (one["CidrIp"] for rule in _rules(params) for one in rule.get("IpRanges", ())):
        try:
            ipaddress.IPv4Network(block, strict=False)
        except ValueError:
            return Refusal("InvalidParameterValue", f"CIDR block {block} is malformed")
    return None


def _port(params: Mapping[str, Any]) -> Refusal | None:
    for rule in _rules(params):
        if rule.get("IpProtocol") not in {"tcp", "udp"}:
            continue
        for member, word in (("FromPort", "from"), ("ToPort", "to")):
            port = rule.get(member, 0)
            if not 0 <= port <= 65535:
                return Refusal("InvalidParameterValue", f"TCP/UDP ({word}) port ({port}) out of range")
    return None


def _ports(params: Mapping[str, Any]) -> Refusal | None:
    for rule in _rules(params):
        if rule.get("IpProtocol") in {"tcp", "udp"} and not {"FromPort", "ToPort"} <= rule.keys():
            text = "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."
            return Refusal("InvalidParameterValue", text)
    return None


def _trust_json(params: Mapping[str, Any]) -> Refusal | None:
    try:
        json.loads(params["AssumeRolePolicyDocument"])
    except ValueError:
        return Refusal("MalformedPolicyDocument", "This policy contains invalid Json")
    return None


def _trust_principal(params: Mapping[str, Any]) -> Refusal | None:
    services = re.findall(r'"Service"\s*:\s*"([^"]+)"', params["AssumeRolePolicyDocument"])
    for service in services:
        if not service.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return Refusal("MalformedPolicyDocument", f'Invalid principal in policy: "SERVICE":"{service}"')
    return None


def _policy_arn(params: Mapping[str, Any]) -> Refusal | None:
    if params["PolicyArn"].startswith("arn:"):
        return None
    return Refusal("ValidationError", "Invalid ARN:  Could not be parsed!")


def _throughput(params: Mapping[str, Any]) -> Refusal | None:
    if params.get("BillingMode") != "PAY_PER_REQUEST" or "ProvisionedThroughput" not in params:
        return None
    return Refusal(
        "ValidationException",
        "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
        "when BillingMode is PAY_PER_REQUEST",
    )


def _dashboard_name(params: Mapping[str, Any]) -> Refusal | None:
    if re.fullmatch(r"[A-Za-z0-9_-]+", params["DashboardName"]):
        return None
    text = (
        "The value for field DashboardName contains invalid characters. It can only contain alphanumerics, dash (-) "
        "and underscore (_).\n"
    )
    return Refusal("InvalidParameterValue", text)


_INPUTS: tuple[tuple[str, str, str, str, str, Callable[[Mapping[str, Any]], Refusal | None]], ...] = (
    ("release-by-address", "E25", "boto/boto#2727; NixOS/nixops#852",
     "A VPC's Elastic IP is released by its allocation id.", "ReleaseAddress", _release),
    ("rule-cidr", "E35", _MOTO, "A rule's block is an IPv4 network.", "AuthorizeSecurityGroupIngress", _cidr),
    ("rule-port", "E35", _PREFLIGHT, "A rule's ports are at most 65535.", "AuthorizeSecurityGroupIngress", _port),
    ("rule-without-ports", "E35", _MOTO, "A TCP rule has both ports.", "AuthorizeSecurityGroupIngress", _ports),
    ("role-trust-json", "I1", _IAM, "A trust policy is JSON.", "CreateRole", _trust_json),
    ("role-trust-principal", "I1", _PREFLIGHT,
     "A trust policy names a principal that exists.", "CreateRole", _trust_principal),
    ("policy-attach-malformed", "I4", _IAM, "What is no ARN cannot be attached.", "AttachRolePolicy", _policy_arn),
    ("table-throughput", "B2", "localstack dynamodb/test_dynamodb, recorded 2025-10-08",
     "An on-demand table has no provisioned throughput.", "CreateTable", _throughput),
    ("dashboard-name", "S9", _CLOUDWATCH,
     "A dashboard's name has letters, digits, dash and underscore.", "PutDashboard", _dashboard_name),
)  # fmt: skip
"""Rule, row, source, what it says, the operation, and what judges its parameters."""

_WORDS = (
    ("table-protected", "B5", "aws-bench/aws-bench#41, 2026-08", "A protected table cannot be deleted.",
     "DeleteTable", r"^ValidationException .*DeletionProtectionEnabled",
     ("ValidationException Resource cannot be deleted as it is currently protected against deletion. "
      "Disable deletion protection first")),
    ("item-key-empty", "B7", "moto test_dynamodb, run on AWS in 2026", "A key is not empty.",
     "PutItem", r"^ValidationException .*empty string\. Key: (\w+)",
     (r"ValidationException One or more parameter values are not valid. The AttributeValue for a key attribute cannot "
      r"contain an empty string value. Key: \1")),
    ("dashboard-body", "S9", _CLOUDWATCH, "A dashboard's body is JSON of a form.",
     "PutDashboard", r"^InvalidParameterInput .*invalid JSON",
     "InvalidParameterInput The dashboard body is invalid, there are 1 validation errors: the body is not JSON"),
)  # fmt: skip
"""Rule, row, source, what it says, the operation, the backend's words, AWS's words."""
