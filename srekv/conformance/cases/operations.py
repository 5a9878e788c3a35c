"""SSM, CloudWatch, the tagging API and credentials (aws-recorded, sections 8 and 9)."""

from __future__ import annotations

from typing import Any

from srekv.conformance.cases.answer import Answer, Seen
from srekv.conformance.cases.desk import TAG, Desk
from srekv.conformance.cases.model import Case, case

_INSTANCE, _COMMAND = "i-0123456789abcdef0", "01234567-89ab-cdef-0123-456789abcdef"
_CLOUDWATCH = "localstack cloudwatch/test_cloudwatch, recorded 2025-09 and 2026-02"
_ALARM = {
    "MetricName": "Nothing",
    "Namespace": "srekv-conformance",
    "Statistic": "Minimum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "LessThanThreshold",
}


@case(
    "ssm-not-registered",
    "S1",
    "A command to an instance that has not registered is refused.",
    Answer(400, "InvalidInstanceId", rf"^(Instances \[\[{_INSTANCE}\]\] not in a valid state for account \d+)?$"),
    source="aws/aws-cli#3646, #2412; aws-samples/eks-security-compromised-cluster-remediation#12",
)
def not_registered(desk: Desk) -> Seen:
    """Send a command to an instance that does not exist."""
    return desk.ask(
        desk.ssm.send_command,
        InstanceIds=[_INSTANCE],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": ["true"]},
    )


@case(
    "ssm-invocation-unknown",
    "S2",
    "A command's invocation is not there at first, nor for a command that was never sent.",
    Answer(400, "InvocationDoesNotExist"),
    source="boto/boto3#2701; aws/aws-sdk#86",
    law="ssm-invocation-late",
)
def invocation_unknown(desk: Desk) -> Seen:
    """Get a command that was never sent."""
    return desk.ask(desk.ssm.get_command_invocation, CommandId=_COMMAND, InstanceId=_INSTANCE)


def _new_alarm(desk: Desk) -> str:
    name = desk.name("alarm")
    desk.surely(desk.cloudwatch.put_metric_alarm, AlarmName=name, Tags=desk.tags, **_ALARM)
    desk.later(f"alarm {name}", desk.cloudwatch.delete_alarms, AlarmNames=[name])
    return name


def _alarm(desk: Desk, name: str) -> dict[str, Any]:
    """The alarm as it is described, once it is."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = desk.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return bool(found)

    desk.until(f"alarm {name}", look)
    return found[0]


@case(
    "alarm-fresh",
    "S6",
    "A new alarm has no data.",
    Answer(200, "", "^INSUFFICIENT_DATA Unchecked: Initial alarm creation$"),
    source=_CLOUDWATCH,
    needs="an alarm",
)
def alarm_fresh(desk: Desk) -> Seen:
    """Put an alarm and read its state."""
    alarm = _alarm(desk, _new_alarm(desk))
    return Seen(status=200, text=f"{alarm['StateValue']} {alarm['StateReason']}")


@case(
    "alarm-unknown",
    "S7",
    "The state of an alarm that does not exist cannot be set.",
    Answer(404, "ResourceNotFound"),
    source=_CLOUDWATCH,
)
def alarm_unknown(desk: Desk) -> Seen:
    """Set it."""
    return desk.ask(
        desk.cloudwatch.set_alarm_state,
        AlarmName="srekv-conformance-absent",
        StateValue="OK",
        StateReason="srekv conformance",
    )


@case(
    "alarm-deleted-tags",
    "S8",
    "An alarm that was deleted has no tags, and that is no error.",
    Answer(200, "", "^0 tags$"),
    source=_CLOUDWATCH,
    needs="an alarm",
)
def alarm_deleted_tags(desk: Desk) -> Seen:
    """Ask for its tags."""
    name = _new_alarm(desk)
    arn = _alarm(desk, name)["AlarmArn"]
    desk.surely(desk.cloudwatch.delete_alarms, AlarmNames=[name])
    answer = desk.surely(desk.cloudwatch.list_tags_for_resource, ResourceARN=arn)
    return Seen(status=answer["ResponseMetadata"]["HTTPStatusCode"], text=f"{len(answer['Tags'])} tags")


def _dashboard(desk: Desk, name: str, body: str) -> Seen:
    return desk.ask(
        desk.cloudwatch.put_dashboard,
        made=lambda _: desk.later(f"dashboard {name}", desk.cloudwatch.delete_dashboards, DashboardNames=[name]),
        DashboardName=name,
        DashboardBody=body,
    )


@case(
    "dashboard-name",
    "S9",
    "A dashboard's name has letters, digits, dash and underscore.",
    Answer(
        400,
        "InvalidParameterValue",
        "The value for field DashboardName contains invalid characters. It can only contain alphanumerics, dash",
    ),
    source=_CLOUDWATCH,
)
def dashboard_name(desk: Desk) -> Seen:
    """Put one with a dot in its name."""
    return _dashboard(desk, f"{desk.name('board')}.x", '{"widgets": []}')


@case(
    "dashboard-body",
    "S9",
    "A dashboard's body is JSON of a form.",
    Answer(400, "InvalidParameterInput", r"^The dashboard body is invalid, there are \d+ validation errors"),
    source=_CLOUDWATCH,
)
def dashboard_body(desk: Desk) -> Seen:
    """Put one whose body ends early."""
    return _dashboard(desk, desk.name("board"), "[")


@case(
    "tagging-last-page",
    "T4",
    "The last page of the tagging API has an empty token.",
    Answer(200, "", "^''$"),
    source="localstack resourcegroupstaggingapi/test_rgsa, recorded 2024-03-20",
)
def last_page(desk: Desk) -> Seen:
    """Search for a tag that nothing has."""
    answer = desk.surely(desk.tagging.get_resources, TagFilters=[{"Key": f"{TAG}:absent"}])
    return Seen(status=answer["ResponseMetadata"]["HTTPStatusCode"], text=repr(answer.get("PaginationToken")))


def _stranger(service: str, operation: str, status: int, code: str, text: str) -> Case:
    """A case that asks with a key that no account knows."""
    return case(
        f"key-unknown-{service}",
        "C2",
        f"A key that no account knows is refused by {service} in its own words.",
        Answer(status, code, text),
        source="turbot/steampipe-plugin-aws#75; segmentio/aws-okta#225; aws/chalice#1445; jcabi/jcabi-dynamo#101",
        law="credentials-invalid",
    )(lambda desk: desk.ask(getattr(desk.stranger(service), operation)))


_INVALID = r"^The security token included in the request is invalid\.?$"
KEY_EC2 = _stranger(
    "ec2", "describe_vpcs", 401, "AuthFailure", "^AWS was not able to validate the provided access credentials"
)
KEY_IAM = _stranger("iam", "list_roles", 403, "InvalidClientTokenId", _INVALID)
KEY_STS = _stranger("sts", "get_caller_identity", 403, "InvalidClientTokenId", _INVALID)
KEY_DYNAMODB = _stranger("dynamodb", "list_tables", 400, "UnrecognizedClientException", _INVALID)
KEY_SSM = _stranger("ssm", "describe_instance_information", 400, "UnrecognizedClientException", _INVALID)
