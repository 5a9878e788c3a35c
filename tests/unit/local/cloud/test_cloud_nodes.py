"""What a node and its operator have from the cloud: role credentials, commands over SSM, and who is refused how."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.credentials import Credentials

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
                "Resource": "arn:aws:dynamodb:us-east-1:*:table/T",
            }
        ],
    }
)


def create_table(cloud: Any, name: str = "T") -> None:
    """An on-demand table."""
    cloud.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def node(cloud: Any) -> str:
    """A running instance with the role `node`, which may get and put items of table T."""
    create_table(cloud)
    instance: str = cloud.launch(IamInstanceProfile={"Name": cloud.role(POLICY)})
    cloud.report("running")
    return instance


def test_a_node_may_do_what_its_policy_allows_and_nothing_else(cloud: Any, node: str, refusal: Any) -> None:
    """Item actions on its one table; the refusal is AWS's."""
    credentials = cloud.plane.credentials(machine=node)
    dynamodb = cloud.client("dynamodb", credentials=credentials)
    item = {"key": {"S": "k"}, "value": {"S": "v"}}
    dynamodb.put_item(TableName="T", Item=item)
    assert dynamodb.get_item(TableName="T", Key={"key": {"S": "k"}})["Item"] == item
    status, code, text = refusal(dynamodb.delete_item, TableName="T", Key={"key": {"S": "k"}})
    assert (status, code) == (400, "AccessDeniedException")
    assert f"assumed-role/node/{node} is not authorized to perform: dynamodb:DeleteItem on resource: arn:aws:" in text
    assert refusal(dynamodb.get_item, TableName="U", Key={"key": {"S": "k"}})[1] == "AccessDeniedException"
    many = {"RequestItems": {name: {"Keys": [{"key": {"S": "k"}}]} for name in ("T", "U")}}
    assert refusal(dynamodb.batch_get_item, **many)[1] == "AccessDeniedException"
    ec2 = cloud.client("ec2", credentials=credentials)
    assert refusal(ec2.describe_instances)[:2] == (403, "UnauthorizedOperation")
    assert refusal(cloud.client("route53", credentials=credentials).list_hosted_zones)[:2] == (403, "AccessDenied")
    assert refusal(cloud.client("kms", credentials=credentials).list_keys)[1] == "AccessDeniedException"


FOR_THE_OPERATOR = {
    "send_command": {
        "InstanceIds": ["i-0123456789abcdef0"],
        "DocumentName": "AWS-RunShellScript",
        "Parameters": {"commands": ["true"]},
    },
    "get_command_invocation": {
        "CommandId": "11111111-1111-1111-1111-111111111111",
        "InstanceId": "i-0123456789abcdef0",
    },
    "list_command_invocations": {},
    "describe_instance_information": {},
    "get_parameter": {"Name": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"},
    "put_parameter": {"Name": "p", "Value": "v", "Type": "String"},
    "start_session": {"Target": "i-0123456789abcdef0"},
}
"""What the agent on a machine does not call of SSM."""


@pytest.mark.parametrize("call", sorted(FOR_THE_OPERATOR))
def test_a_roles_credentials_run_no_commands(cloud: Any, refusal: Any, call: str) -> None:
    """Even if its policies allow them: commands run as the operator, and the caller need not be the operator."""
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    node = cloud.launch(IamInstanceProfile={"Name": cloud.role(json.dumps(everything))})
    cloud.report("running")
    ssm = cloud.client("ssm", credentials=cloud.plane.credentials(machine=node))
    status, code, text = refusal(getattr(ssm, call), **FOR_THE_OPERATOR[call])
    assert (status, code) == (400, "AccessDeniedException")
    action = "ssm:" + "".join(part.capitalize() for part in call.split("_"))
    assert text.endswith(
        f"is not authorized to perform: {action} on resource: * because no session policy allows the {action} action"
    )
    assert cloud.data.commands == []


@pytest.mark.parametrize(
    ("allowed", "code"),
    [("ssm:UpdateInstanceInformation", "UnknownOperationException"), ("dynamodb:*", "AccessDeniedException")],
)
def test_the_agents_own_call_needs_the_roles_permission(cloud: Any, allowed: str, code: str) -> None:
    """With it the call reaches SSM, which does not serve it here. No SDK has the agent's API."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    found = cloud.plane.credentials(machine=cloud.launch(IamInstanceProfile={"Name": cloud.role(json.dumps(policy))}))
    target = {"X-Amz-Target": "AmazonSSM.UpdateInstanceInformation", "Content-Type": "application/x-amz-json-1.1"}
    keys = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])
    status, answer = cloud.signed("ssm", "http://127.53.0.1:8000/", target, b"{}", keys)
    assert (status, json.loads(answer)["__type"]) == (400, code)


def test_a_node_whose_role_is_gone_may_do_nothing(cloud: Any, node: str, refusal: Any) -> None:
    """Credentials outlive their role; their permissions do not."""
    dynamodb = cloud.client("dynamodb", credentials=cloud.plane.credentials(machine=node))
    iam = cloud.client("iam")
    assert refusal(iam.delete_role, RoleName="node")[:2] == (409, "DeleteConflict")
    iam.remove_role_from_instance_profile(InstanceProfileName="node", RoleName="node")
    iam.delete_role_policy(RoleName="node", PolicyName="inline")
    iam.delete_role(RoleName="node")
    assert refusal(dynamodb.get_item, TableName="T", Key={"key": {"S": "k"}})[1] == "AccessDeniedException"


def test_a_machine_without_a_profile_has_no_credentials(cloud: Any) -> None:
    """None, and none for a machine that does not exist either."""
    assert cloud.plane.credentials(machine=cloud.launch()) is None
    assert cloud.plane.credentials(machine="i-0123456789abcdef0") is None


def test_a_role_can_attach_aws_own_policies(cloud: Any, refusal: Any) -> None:
    """AmazonSSMManagedInstanceCore exists; an unknown policy does not (row I4)."""
    cloud.role()
    iam = cloud.client("iam")
    arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    iam.attach_role_policy(RoleName="node", PolicyArn=arn)
    attached = iam.list_attached_role_policies(RoleName="node")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [arn]
    assert refusal(iam.attach_role_policy, RoleName="node", PolicyArn=arn + "Nope")[:2] == (404, "NoSuchEntity")


def test_a_command_runs_on_the_machine(cloud: Any, node: str) -> None:
    """In progress without output until it ends; then its code and output, cut as SSM cuts it."""
    ssm = cloud.client("ssm")
    cloud.data.result = {"code": 3, "stdout": "o" * 30_000, "stderr": "e" * 9_000, "status": "Failed"}
    parameters = {"commands": ["echo a", "exit 3"], "executionTimeout": ["60"]}
    answer = ssm.send_command(InstanceIds=[node], DocumentName="AWS-RunShellScript", Parameters=parameters)
    place = {"CommandId": answer["Command"]["CommandId"], "InstanceId": node}
    assert cloud.data.began.wait(20)
    running = ssm.get_command_invocation(**place)
    assert (running["Status"], running["ResponseCode"], running["StandardOutputContent"]) == ("InProgress", -1, "")
    sent = cloud.data.commands[0]
    assert (sent["machine"], sent["script"], sent["timeout_s"]) == (node, "echo a\nexit 3", 60.0)
    cloud.finish_commands()
    ended = ssm.get_command_invocation(**place)
    assert (ended["ResponseCode"], len(ended["StandardOutputContent"]), len(ended["StandardErrorContent"])) == (
        3,
        24_000,
        8_000,
    )
    listed = ssm.list_command_invocations(CommandId=place["CommandId"])["CommandInvocations"]
    assert [(one["InstanceId"], one["Status"]) for one in listed] == [(node, "Failed")]


def test_a_command_runs_nowhere_else(cloud: Any, node: str) -> None:
    """Of two machines that take commands only the one that is named is sent it."""
    other = cloud.launch(IamInstanceProfile={"Name": "node"})
    cloud.report("running")
    ssm = cloud.client("ssm")
    command = ssm.send_command(
        InstanceIds=[other], DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]}
    )["Command"]
    cloud.finish_commands()
    assert (command["InstanceIds"], command["TargetCount"], command["Targets"]) == ([other], 1, [])
    assert [sent["machine"] for sent in cloud.data.commands] == [other]
    listed = ssm.list_command_invocations(CommandId=command["CommandId"])["CommandInvocations"]
    assert [one["InstanceId"] for one in listed] == [other]
    assert ssm.list_command_invocations(InstanceId=node)["CommandInvocations"] == []


def test_only_running_machines_with_a_role_take_commands(cloud: Any, node: str, refusal: Any) -> None:
    """Rows S1, S2: listed and accepted while running, neither afterwards."""
    ssm, ec2 = cloud.client("ssm"), cloud.client("ec2")

    def online() -> list[str]:
        filters = [{"Key": "InstanceIds", "Values": [node]}]
        return [
            one["InstanceId"] for one in ssm.describe_instance_information(Filters=filters)["InstanceInformationList"]
        ]

    command = {"InstanceIds": [node], "DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}
    assert online() == [node]
    unknown = {"CommandId": "11111111-1111-1111-1111-111111111111", "InstanceId": node}
    assert refusal(ssm.get_command_invocation, **unknown)[:2] == (400, "InvocationDoesNotExist")
    ec2.stop_instances(InstanceIds=[node])
    assert online() == []
    status, code, text = refusal(ssm.send_command, **command)
    assert (status, code) == (400, "InvalidInstanceId")
    assert text.startswith(f"Instances [[{node}]] not in a valid state for account ")
    assert refusal(ssm.send_command, **{**command, "DocumentName": "X"})[:2] == (400, "InvalidDocument")


def test_the_newest_amazon_linux_can_be_launched(cloud: Any) -> None:
    """The public SSM parameter names an image that EC2 knows."""
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    image = cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    assert cloud.launch(ImageId=image).startswith("i-")


@pytest.mark.parametrize(
    ("service", "call", "refused"),
    [
        ("ec2", "describe_vpcs", [(401, "AuthFailure"), (401, "AuthFailure")]),
        ("iam", "list_roles", [(403, "InvalidClientTokenId"), (403, "SignatureDoesNotMatch")]),
        ("route53", "list_hosted_zones", [(403, "InvalidClientTokenId"), (403, "SignatureDoesNotMatch")]),
        ("dynamodb", "list_tables", [(400, "UnrecognizedClientException"), (400, "InvalidSignatureException")]),
        ("ssm", "list_commands", [(400, "UnrecognizedClientException"), (400, "InvalidSignatureException")]),
        ("kms", "list_keys", [(400, "UnrecognizedClientException"), (400, "InvalidSignatureException")]),
    ],
)
def test_strangers_are_refused_as_each_service_refuses(
    cloud: Any, refusal: Any, service: str, call: str, refused: list[tuple[int, str]]
) -> None:
    """Row C2 for an unknown key and for a wrong secret, and nobody gets through."""
    strangers = [
        {"AccessKeyId": "AKIANOBODYNOBODYNOBO", "SecretAccessKey": "x"},
        {"AccessKeyId": "AKIALOCALLOCALLOCAL1", "SecretAccessKey": "x"},
    ]
    answers = [refusal(getattr(cloud.client(service, credentials=one), call))[:2] for one in strangers]
    assert answers == refused


def test_an_unsigned_request_learns_nothing(cloud: Any) -> None:
    """Also not whether the cloud is empty."""
    for path in ("/", "/2013-04-01/hostedzone", "/_srekv/empty", "/moto-api/reset", "/moto-api/data.json"):
        assert cloud.request("GET", f"http://127.53.0.1:8000{path}", {})[0] in (400, 403)


def test_the_cloud_names_itself(cloud: Any) -> None:
    """A ping needs no key: it is how a stale runtime file is told from a live cloud."""
    status, _, body = cloud.request("GET", "http://127.53.0.1:8000/_srekv/ping", {})
    assert (status, json.loads(body)) == (200, {"cloud": "c1"})


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.53.0.1:8000", True),
        ("localhost:8000", True),
        ("127.0.0.1:9000", True),
        ("attacker.example:8000", False),
        ("127.53.0.1.attacker.example", False),
        ("", False),
    ],
)
def test_a_request_to_another_host_is_misdirected(cloud: Any, host: str, *, known: bool) -> None:
    """A page whose name resolves to loopback (DNS rebinding) reads nothing; a tunnel or a proxy on loopback works."""
    status, _, body = cloud.request("GET", "http://127.53.0.1:8000/_srekv/ping", {"Host": host})
    assert (status, b'"cloud": "c1"' in body) == ((200, True) if known else (421, False))


@pytest.mark.parametrize(
    ("service", "call"), [("ec2", "describe_vpcs"), ("iam", "list_roles"), ("dynamodb", "list_tables")]
)
def test_a_misdirected_client_reads_where_the_cloud_is(cloud: Any, refusal: Any, service: str, call: str) -> None:
    """In the shape of its service, and although its request is signed."""
    client = cloud.client(service, endpoint="http://attacker.example:8000")
    status, code, text = refusal(getattr(client, call))
    assert (status, code) == (421, "MisdirectedRequest")
    assert text == "the Host header names no address of this cloud, http://127.53.0.1:8000"


def test_empty_means_that_nothing_of_a_user_is_left(cloud: Any) -> None:
    """False while anything is there, with its name; true at the start and at the end."""

    def empty() -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(cloud.signed("srekv", "http://127.53.0.1:8000/_srekv/empty", {})[1])
        return answer

    cloud.client("ec2").describe_vpcs()
    assert empty() == {"empty": True, "resources": []}
    create_table(cloud)
    instance = cloud.launch()
    (volume,) = cloud.client("ec2").describe_volumes()["Volumes"]
    left = [f"instance {instance}", f"volume {volume['VolumeId']}", "table T"]
    assert empty() == {"empty": False, "resources": left}
    cloud.client("dynamodb").delete_table(TableName="T")
    cloud.client("ec2").terminate_instances(InstanceIds=[instance])
    assert empty() == {"empty": False, "resources": [f"instance {instance}"]}
    cloud.report("terminated")
    assert empty() == {"empty": True, "resources": []}


def test_an_action_that_nobody_knows_is_a_client_error(cloud: Any, refusal: Any) -> None:
    """Optional look-ups must be able to tell "not known here" from a failure."""
    quotas = cloud.client("service-quotas")
    status, code, _ = refusal(quotas.get_aws_default_service_quota, ServiceCode="ec2", QuotaCode="L-1216C47A")
    assert status < 500
    assert code


def test_a_protected_table_is_not_deleted(cloud: Any, refusal: Any) -> None:
    """Row B5."""
    create_table(cloud)
    dynamodb = cloud.client("dynamodb")
    dynamodb.update_table(TableName="T", DeletionProtectionEnabled=True)
    code, text = refusal(dynamodb.delete_table, TableName="T")[1:]
    assert (code, text) == (
        "ValidationException",
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
    )


def test_alarms_and_dashboards_are_served(cloud: Any) -> None:
    """CloudWatch speaks boto3's protocol of the day."""
    cloudwatch = cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="a",
        Namespace="AWS/Route53",
        MetricName="HealthCheckStatus",
        ComparisonOperator="LessThanThreshold",
        EvaluationPeriods=1,
        Period=60,
        Statistic="Minimum",
        Threshold=1,
    )
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody='{"widgets": []}')
    assert [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]] == ["a"]
    assert [one["DashboardName"] for one in cloudwatch.list_dashboards()["DashboardEntries"]] == ["d"]
