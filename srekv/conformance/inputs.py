"""Callers and input that AWS refuses and emulators take, and refusals that emulators put in other words."""

from __future__ import annotations

import ipaddress
import json
import re
from functools import partial

from srekv.conformance.model import Answer, Call, Conditions, Refusal, ResponseRule, ServiceRules, reword
from srekv.local import auth
from srekv.local.overlay.errors import refusal_fault

_KINDS: dict[str, auth.RefusalKind] = {"expired": "expired", "invalid": "unknown", "skewed": "late"}
"""What the account thinks of its caller's credentials -> the local cloud's name for it."""

_SKEWED = "Signature expired: 20261123T100000Z is now earlier than 20261123T100500Z (20261123T101000Z - 5 min.)"
_NOT_SUBSCRIBED_XML = Refusal("OptInRequired", "The AWS Access Key Id needs a subscription for the service", 403)
_NOT_SUBSCRIBED = {
    "ec2": Refusal(
        "OptInRequired",
        "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe.",
        401,
    ),
    "json": Refusal("SubscriptionRequiredException", _NOT_SUBSCRIBED_XML.message),
}
"""In the words of each family of services (aws-recorded C4)."""


class Credentials(ServiceRules):
    """Refuses every call while the account thinks so of its caller."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self.rules = tuple(
            ResponseRule(f"credentials-{state}", "*", refuse=partial(self._refuse, state))
            for state in (*_KINDS, "not-subscribed")
        )

    def _refuse(self, state: str, call: Call) -> Refusal | None:
        stranger = state == "invalid" and bool(call.key) and call.key not in self._conditions.keys
        if self._conditions.credentials != state and not stranger:
            return None
        protocol = call.model.service_model.resolved_protocol
        if state == "not-subscribed":
            return _NOT_SUBSCRIBED.get(protocol, _NOT_SUBSCRIBED_XML)
        # EC2's words for a clock that is behind are not recorded; these are those of its documentation
        message = _SKEWED if state == "skewed" and protocol != "ec2" else ""
        fault = refusal_fault(protocol, auth.Refusal(_KINDS[state], message))
        return Refusal(fault.code, fault.message, fault.status)


class Images(ServiceRules):
    """An image that no answer has named does not exist."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self.rules = (ResponseRule("image-unknown", "RunInstances", refuse=self._refuse),)

    def observe(self, call: Call, answer: Answer) -> None:
        """Learn which images there are, from EC2 and from SSM's public parameters."""
        if call.operation == "DescribeImages":
            self._known.update(image["ImageId"] for image in answer["Images"])
        elif call.operation in {"GetParameter", "GetParameters", "DescribeInstances"}:
            self._known.update(re.findall(r"ami-[0-9a-z]+", json.dumps(answer, default=str)))

    def _refuse(self, call: Call) -> Refusal | None:
        image = call.params.get("ImageId")
        if image and image not in self._known:
            return Refusal("InvalidAMIID.NotFound", f"The image id '[{image}]' does not exist")
        return None


class Alarms(ServiceRules):
    """An alarm has no data before its first period is over, and no tags when it is deleted."""

    def __init__(self) -> None:
        self._deleted: set[str] = set()
        self.rules = (
            ResponseRule("alarm-fresh", "DescribeAlarms", change=_show_without_data),
            ResponseRule("alarm-deleted-tags", "ListTagsForResource", change=self._drop_tags),
        )

    def observe(self, call: Call, _answer: Answer) -> None:
        """Learn which alarms are deleted."""
        if call.operation == "DeleteAlarms":
            self._deleted.update(call.params["AlarmNames"])
        elif call.operation == "PutMetricAlarm":
            self._deleted.discard(call.params["AlarmName"])

    def _drop_tags(self, call: Call, answer: Answer) -> None:
        if call.service == "cloudwatch" and call.params["ResourceARN"].rpartition(":")[2] in self._deleted:
            answer["Tags"] = []


def _show_without_data(_call: Call, answer: Answer) -> None:
    """As long as the backend has not evaluated it."""
    for alarm in answer.get("MetricAlarms", ()):
        if alarm.get("StateReason") == "Unchecked: Initial alarm creation":
            alarm["StateValue"] = "INSUFFICIENT_DATA"


def _refuse_release(call: Call) -> Refusal | None:
    if "AllocationId" in call.params:
        return None
    return Refusal("InvalidParameterValue", "You must specify an allocation id when releasing a VPC elastic IP address")


def _refuse_cidr(call: Call) -> Refusal | None:
    permissions = call.params.get("IpPermissions", ())
    for block in (one["CidrIp"] for permission in permissions for one in permission.get("IpRanges", ())):
        try:
            ipaddress.IPv4Network(block, strict=False)
        except ValueError:
            return Refusal("InvalidParameterValue", f"CIDR block {block} is malformed")
    return None


def _refuse_port(call: Call) -> Refusal | None:
    for permission in call.params.get("IpPermissions", ()):
        for member, word in (("FromPort", "from"), ("ToPort", "to")):
            port = permission.get(member, 0)
            if permission.get("IpProtocol") in {"tcp", "udp"} and not 0 <= port <= 65535:
                return Refusal("InvalidParameterValue", f"TCP/UDP ({word}) port ({port}) out of range")
    return None


def _refuse_without_ports(call: Call) -> Refusal | None:
    for permission in call.params.get("IpPermissions", ()):
        if permission.get("IpProtocol") in {"tcp", "udp"} and not {"FromPort", "ToPort"} <= permission.keys():
            text = "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."
            return Refusal("InvalidParameterValue", text)
    return None


def _refuse_json(call: Call) -> Refusal | None:
    try:
        json.loads(call.params["AssumeRolePolicyDocument"])
    except ValueError:
        return Refusal("MalformedPolicyDocument", "This policy contains invalid Json")
    return None


def _refuse_principal(call: Call) -> Refusal | None:
    for service in re.findall(r'"Service"\s*:\s*"([^"]+)"', call.params["AssumeRolePolicyDocument"]):
        if not service.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return Refusal("MalformedPolicyDocument", f'Invalid principal in policy: "SERVICE":"{service}"')
    return None


def _refuse_arn(call: Call) -> Refusal | None:
    if call.params["PolicyArn"].startswith("arn:"):
        return None
    return Refusal("ValidationError", "Invalid ARN:  Could not be parsed!")


def _refuse_throughput(call: Call) -> Refusal | None:
    if call.params.get("BillingMode") != "PAY_PER_REQUEST" or "ProvisionedThroughput" not in call.params:
        return None
    return Refusal(
        "ValidationException",
        "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
        "when BillingMode is PAY_PER_REQUEST",
    )


def _refuse_dashboard_name(call: Call) -> Refusal | None:
    if re.fullmatch(r"[A-Za-z0-9_-]+", call.params["DashboardName"]):
        return None
    return Refusal(
        "InvalidParameterValue",
        "The value for field DashboardName contains invalid characters. It can only contain alphanumerics, dash (-) "
        "and underscore (_).\n",
    )


class Inputs(ServiceRules):
    """What is refused for the parameters alone, whatever the account is like."""

    rules = (
        ResponseRule("release-by-address", "ReleaseAddress", refuse=_refuse_release),
        ResponseRule("rule-cidr", "AuthorizeSecurityGroupIngress", refuse=_refuse_cidr),
        ResponseRule("rule-port", "AuthorizeSecurityGroupIngress", refuse=_refuse_port),
        ResponseRule("rule-without-ports", "AuthorizeSecurityGroupIngress", refuse=_refuse_without_ports),
        ResponseRule("role-trust-json", "CreateRole", refuse=_refuse_json),
        ResponseRule("role-trust-principal", "CreateRole", refuse=_refuse_principal),
        ResponseRule("policy-attach-malformed", "AttachRolePolicy", refuse=_refuse_arn),
        ResponseRule("table-throughput", "CreateTable", refuse=_refuse_throughput),
        ResponseRule("dashboard-name", "PutDashboard", refuse=_refuse_dashboard_name),
        reword(
            "table-protected",
            "DeleteTable",
            r"^ValidationException .*DeletionProtectionEnabled",
            "ValidationException",
            "Resource cannot be deleted as it is currently protected against deletion. "
            "Disable deletion protection first",
        ),
        reword(
            "item-key-empty",
            "PutItem",
            r"^ValidationException .*empty string\. Key: (\w+)",
            "ValidationException",
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            r"empty string value. Key: \1",
        ),
        reword(
            "dashboard-body",
            "PutDashboard",
            r"^InvalidParameterInput .*invalid JSON",
            "InvalidParameterInput",
            "The dashboard body is invalid, there are 1 validation errors: the body is not JSON",
        ),
    )
