"""The operator's policy over a whole life of a stack: it allows every call, and has nothing that no call asks for."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

import srekv
from srekv.doctor.gather import gather
from srekv.doctor.permissions import read_permissions
from srekv.doctor.preflight import findings
from srekv.doctor.reader import Reader
from srekv.errors import SrekvError
from srekv.provision.engine.answers import explain
from srekv.provision.inventory.account import Account
from srekv.provision.naming import Names
from srekv.provision.permissions import node_policy, operator_actions, operator_policy, reads
from srekv.provision.steps.collection import Steps
from srekv.provision.steps.iam import TRUST

ROLE = "EC2_DynamoDB_Access"
NUMBER = "210987654321"
COMMAND = "c" * 36

Allowed = dict[str, set[Any]]


@pytest.fixture(scope="module")
def lived(_strict: Any, record: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What was asked of AWS, and so of IAM, from the first `up` to the last `down`."""
    world = _strict
    world.reset()
    key = tmp_path_factory.mktemp("keys") / "key.pem"
    with record(world) as recorder:
        _look_before(world)
        _build(world, key)
        _damage(world)
        world.up(ttl=20, key_name="srekv-key", deletion_protection=False)
        _rename_profile(world)
        world.up(ami=_image(world))
        _drill(world)
        world.up(lease_s=7200.0)
        world.up(lease=None)
        _add_a_managed_policy(world)
        _diagnose(world)
        _remove(world)
    return recorder


@pytest.fixture(scope="module")
def allowed(lived: Any, evaluate: Any) -> Allowed:
    """Policy by name -> the questions that it allows, of those that are put to it; all asked at once, which is fast."""
    put = {name: [one for one in lived.asked if one.action in about] for name, (_, about) in POLICIES.items()}
    pairs = [(POLICIES[name][0], question) for name, questions in put.items() for question in questions]
    answers = iter(evaluate(pairs))
    return {name: {q for q in questions if next(answers) == "Allowed"} for name, questions in put.items()}


def _build(world: Any, key: Path) -> None:
    ec2 = world.by_hand("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    world.up(create_key=str(key), fix_vpc=True, alarms=True, deletion_protection=True)


def _nodes(world: Any) -> list[Any]:
    filters = [{"Name": "tag:srekv:stack", "Values": ["srekv"]}, {"Name": "instance-state-name", "Values": ["running"]}]
    groups = world.by_hand("ec2").describe_instances(Filters=filters)["Reservations"]
    return [one for group in groups for one in group["Instances"]]


def _image(world: Any) -> str:
    return str(_nodes(world)[0]["ImageId"])


def _damage(world: Any) -> None:
    """Everything that `up` repairs with a call of its own."""
    _damage_identity(world.by_hand("iam"))
    _damage_machines(world)
    route53 = world.by_hand("route53")
    zone = route53.list_hosted_zones()["HostedZones"][0]["Id"].rpartition("/")[2]
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, RemoveTagKeys=["srekv:stack"])
    other = world.by_hand("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    mine = route53.get_hosted_zone(Id=zone)["VPCs"][0]
    route53.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC={"VPCRegion": "us-east-1", "VPCId": other})
    route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=mine)
    checks = route53.list_health_checks()["HealthChecks"]
    route53.update_health_check(HealthCheckId=checks[0]["Id"], Inverted=True)
    dynamodb = world.by_hand("dynamodb")
    table = dynamodb.describe_table(TableName="SREKeyValue")["Table"]["TableArn"]
    dynamodb.untag_resource(ResourceArn=table, TagKeys=["Name"])
    cloudwatch = world.by_hand("cloudwatch")
    cloudwatch.delete_dashboards(DashboardNames=["srekv-dashboard"])
    cloudwatch.delete_alarms(AlarmNames=["srekv-az1-unhealthy"])


def _damage_identity(iam: Any) -> None:
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(TRUST).replace("ec2.", "lambda."))
    iam.untag_role(RoleName=ROLE, TagKeys=["Name"])
    iam.untag_instance_profile(InstanceProfileName=ROLE, TagKeys=["Name"])
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
    iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName="mine")


def _damage_machines(world: Any) -> None:
    ec2, (first, second) = world.by_hand("ec2"), _nodes(world)
    groups = {one["GroupName"]: one for one in ec2.describe_security_groups()["SecurityGroups"]}
    ours = groups["srekv-web"]
    ec2.revoke_security_group_ingress(GroupId=ours["GroupId"], IpPermissions=ours["IpPermissions"])
    stale = [{"CidrIp": "198.51.100.7/32", "Description": "srekv: operator"}]
    permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": stale}
    ec2.authorize_security_group_ingress(GroupId=ours["GroupId"], IpPermissions=[permission])
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=first["NetworkInterfaces"][0]["NetworkInterfaceId"], Groups=[groups["default"]["GroupId"]]
    )
    ec2.modify_instance_metadata_options(InstanceId=first["InstanceId"], HttpTokens="optional")
    filters = [{"Name": "instance-id", "Values": [first["InstanceId"]]}]
    held = ec2.describe_iam_instance_profile_associations(Filters=filters)["IamInstanceProfileAssociations"][0]
    ec2.disassociate_iam_instance_profile(AssociationId=held["AssociationId"])
    ec2.delete_tags(Resources=[second["InstanceId"]], Tags=[{"Key": "Name"}])
    ec2.stop_instances(InstanceIds=[second["InstanceId"]])


def _rename_profile(world: Any) -> None:
    """Another profile of the same name: the nodes hold the deleted one. And a node is lost: its image is looked up."""
    iam = world.by_hand("iam")
    iam.remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
    iam.delete_instance_profile(InstanceProfileName=ROLE)
    world.by_hand("ec2").terminate_instances(InstanceIds=[_nodes(world)[1]["InstanceId"]])


def _drill(world: Any) -> None:
    """Each thing that a drill does to a deployment."""
    now = datetime.now(UTC)
    report = {"Region": "us-east-1", "IPAddress": "15.177.0.1"}
    report |= {"StatusReport": {"Status": "Success", "CheckedTime": now}}
    online = [{"InstanceId": one["InstanceId"], "PingStatus": "Online"} for one in _nodes(world)]
    told: list[str] = [""]

    def send(body: Any) -> Any:
        """The node remembers the end of the lease that it is told, and tells it."""
        script = json.loads(body)["Parameters"]["commands"][0]
        if "lease-until" in script and not script.startswith("cat "):
            told[0] = "".join(re.findall(r"echo (\d+) >", script))
        return world.success(Command={"CommandId": COMMAND})

    world.calls.answers |= {
        "SendCommand": send,
        "GetCommandInvocation": lambda _: world.success(
            Status="Success", ResponseCode=0, StandardOutputContent=told[0]
        ),
        "DescribeInstanceInformation": lambda _: world.success(InstanceInformationList=online),
        "GetHealthCheckStatus": lambda _: world.success(HealthCheckObservations=[report]),
        "GetConsoleOutput": lambda _: world.success(Output=""),
    }
    target = world.stack()[0].fault_target
    deployment = target.deployment()
    primary, check = deployment.node("primary"), deployment.check("primary")
    target.await_commands(deployment.nodes)
    target.remember(primary, "stop")
    target.run(primary, "true", timeout_s=1)
    target.stop(primary)
    target.start(primary)
    target.forget(primary)
    target.invert(check, inverted=True)
    target.observations(check)
    target.console(primary)
    target.dismiss(target.admit(primary.instance_id))
    target.invert(check, inverted=False)


def _diagnose(world: Any) -> None:
    """All that `doctor` reads of a stack: the rules that forward names away and the prefix lists of others, too."""
    ec2 = world.by_hand("ec2")
    entries = [{"Cidr": "198.51.100.0/24"}]
    mine = ec2.create_managed_prefix_list(PrefixListName="m", MaxEntries=1, AddressFamily="IPv4", Entries=entries)
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["srekv-web"]}])["SecurityGroups"][0]
    lists = [{"PrefixListId": mine["PrefixList"]["PrefixListId"]}]
    permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": lists}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[permission])
    forward = {"Id": "rslvr-rr-1", "RuleType": "FORWARD", "DomainName": "sre-test.local."}
    world.calls.answers["ListResolverRules"] = lambda _: world.success(ResolverRules=[forward])
    opened, _ = world.stack()
    gather(opened.run, role=opened.role, pause=lambda _: None)
    read_permissions(Reader(), opened.run)


def _look_before(world: Any) -> None:
    """All that `doctor` reads before there is a stack."""
    opened, _ = world.stack()
    list(findings(Steps(opened.run, opened.role)))


def _remove(world: Any) -> None:
    """`down` with a backup and a volume that an instance left; then `sweep`, which removes the backup."""
    tags = [{"ResourceType": "volume", "Tags": Names("srekv").tags("srekv-az1")}]
    world.by_hand("ec2").create_volume(AvailabilityZone="us-east-1a", Size=8, TagSpecifications=tags)
    account = Account(world.config, world._session)
    account.regions()
    account.inventory(("us-east-1",))
    stack, _ = world.stack()
    stack.holding()
    stack.down(backup="before")
    for left in account.inventory(("us-east-1",)).of("srekv"):
        account.delete_backup(left)


def _add_a_managed_policy(world: Any) -> None:
    iam = world.by_hand("iam")
    document = json.dumps(node_policy("*"))
    mine = iam.create_policy(PolicyName="mine", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=mine)


def _listed(value: str | list[str]) -> list[str]:
    """IAM's lists of one may stand without the list."""
    return [value] if isinstance(value, str) else value


def _without(policy: dict[str, Any], action: str) -> dict[str, Any]:
    poorer = copy.deepcopy(policy)
    for statement in poorer["Statement"]:
        statement["Action"] = [one for one in _listed(statement["Action"]) if one != action] or ["none:None"]
    return poorer


def _policies() -> dict[str, tuple[dict[str, Any], Sequence[str]]]:
    """Name -> a policy, and the actions that it is asked about."""
    whole, every = operator_policy(fix_vpc=True), operator_actions()
    statements = whole["Statement"]
    return {
        "whole": (whole, every),
        "plain": (operator_policy(), every),
        "bound": (operator_policy(account=NUMBER, region="us-east-1", stack="srekv", fix_vpc=True), every),
        "theirs": (operator_policy(account=NUMBER, region="us-east-1", stack="theirs"), every),
        **{action: (_without(whole, action), [action]) for action in every},
        **{
            taken["Sid"]: (
                {**whole, "Statement": [one for one in statements if one is not taken]},
                _listed(taken["Action"]),
            )
            for taken in statements
        },
    }


POLICIES = _policies()


def _written() -> set[str]:
    """Every word in the code that talks to AWS: attributes, and texts, which name the operations that have pages."""
    words = set()
    for package in ("provision", "doctor"):
        for path in (Path(srekv.__file__).parent / package).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                words |= {getattr(node, "attr", None), getattr(node, "value", None) if _is_text(node) else None}
    return words - {None}


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_that_life_makes_every_call(lived: Any, strict: Any) -> None:
    """No call is written anywhere that this life does not make: so nothing that srekv may ask for goes untested."""
    services = {service for service, _ in lived.calls}
    operations = {name for service in services for name in strict.by_hand(service).meta.method_to_api_mapping}
    made = {xform_name(operation) for _, operation in lived.calls}
    assert (_written() & operations) - made == set()


@pytest.mark.parametrize(
    ("name", "refused"), [("whole", set()), ("bound", set()), ("plain", {"ec2:ModifyVpcAttribute"})]
)
def test_allows_every_call(lived: Any, allowed: Allowed, name: str, refused: set[str]) -> None:
    """Bound or not it allows all that a whole life asks for; what --fix-vpc does only if that is asked for."""
    assert {question.action for question in set(lived.asked) - allowed[name]} == refused


TABLES = "arn:aws:dynamodb:us-east-1:210987654321:table/"


@pytest.mark.parametrize(
    ("policy", "table", "tags", "said"),
    [
        ("whole", "SREKeyValue", {"aws:ResourceTag/srekv:stack": "srekv"}, "Allowed"),
        ("whole", "SREKeyValue-demo", {}, "Allowed"),
        ("whole", "SREKeyValue-demo/backup/0123", {}, "Allowed"),
        ("whole", "SREKeyValues", {}, "ImplicitlyDenied"),
        ("whole", "SREKeyValue2/backup/0123", {}, "ImplicitlyDenied"),
        ("bound", "SREKeyValue", {}, "Allowed"),
        ("bound", "SREKeyValue", {"aws:ResourceTag/srekv:stack": "srekv"}, "Allowed"),
        ("bound", "SREKeyValue", {"aws:ResourceTag/srekv:stack": "theirs"}, "ImplicitlyDenied"),
        ("bound", "SREKeyValue", {"aws:RequestTag/srekv:stack": "theirs"}, "ImplicitlyDenied"),
        ("bound", "SREKeyValue-demo", {}, "ImplicitlyDenied"),
    ],
)
def test_a_table_is_bound_by_name_and_tag(
    evaluate: Any, question: Any, *, policy: str, table: str, tags: dict[str, str], said: str
) -> None:
    """Its exact name; its tag, too, where DynamoDB looks at tags: where it does not, it is as if there were none."""
    action = "dynamodb:DeleteBackup" if "/backup/" in table else "dynamodb:TagResource"
    assert evaluate([(POLICIES[policy][0], question(action, f"{TABLES}{table}", tags))]) == [said]


def test_every_action_is_missed(lived: Any, allowed: Allowed) -> None:
    """Take any action away, and a call of that life is denied."""
    asked = {question.action for question in lived.asked}
    assert [action for action in operator_actions() if action not in asked or allowed[action]] == []


def test_every_statement_is_missed(lived: Any, allowed: Allowed) -> None:
    """Take any statement away, and a call of that life is denied."""
    for statement in operator_policy(fix_vpc=True)["Statement"]:
        asked = {question for question in lived.asked if question.action in _listed(statement["Action"])}
        assert asked - allowed[statement["Sid"]], statement


def test_another_stack_is_out_of_reach(allowed: Allowed) -> None:
    """Bound to another stack, the policy allows no change of this one's: nothing but reading, and what has no tags."""
    assert {question.action for question in allowed["theirs"] if not reads(question.action)} == {
        "ec2:CreateSecurityGroup",
        "ec2:RunInstances",
        "route53:AssociateVPCWithHostedZone",
        "route53:ChangeResourceRecordSets",
        "route53:ChangeTagsForResource",
        "route53:CreateHealthCheck",
        "route53:CreateHostedZone",
        "route53:DeleteHealthCheck",
        "route53:DeleteHostedZone",
        "route53:UpdateHealthCheck",
        "ssm:SendCommand",
    }


def test_another_stacks_machines_cannot_be_launched_or_commanded(allowed: Allowed) -> None:
    """Of a launch the policy of another stack allows what it is made of, of a command its document, and no more."""
    kinds = {
        (question.action, question.resource.split(":", 5)[5].partition("/")[0])
        for question in allowed["theirs"]
        if question.action in {"ec2:RunInstances", "ec2:CreateSecurityGroup", "ssm:SendCommand"}
    }
    assert kinds == {
        ("ec2:CreateSecurityGroup", "vpc"),
        ("ec2:RunInstances", "image"),
        ("ec2:RunInstances", "key-pair"),
        ("ec2:RunInstances", "subnet"),
        ("ssm:SendCommand", "document"),
    }


def _code(service: str) -> str:
    """How a service says no (R17, E14, S5)."""
    return {"ec2": "UnauthorizedOperation", "iam": "AccessDenied", "route53": "AccessDenied"}.get(
        service, "AccessDeniedException"
    )


def _message(question: Any) -> str:
    where = f" on resource: {question.resource}" if question.resource != "*" else ""
    because = f"because no identity-based policy allows the {question.action} action"
    return f"User: arn:aws:iam::{NUMBER}:user/op is not authorized to perform: {question.action}{where} {because}"


def test_a_denied_call_names_the_missing_action(lived: Any, strict: Any) -> None:
    """Whatever action a call lacks, in whatever protocol it is told: the advice is to allow that one, there."""
    seen = set()
    for (service, operation), params in lived.calls.items():
        client = strict.client(service)
        for question in lived.questions(service, operation):
            strict.account.fail(operation, _code(service), _message(question), status=403)
            with pytest.raises(ClientError) as caught:
                getattr(client, xform_name(operation))(**params)
            error = explain(caught.value, "doing it")
            where = "" if question.resource == "*" else f" on {question.resource}"
            policy = "srekv policy --fix-vpc" if question.action == "ec2:ModifyVpcAttribute" else "srekv policy"
            assert error.what == "not permitted: doing it"
            assert str(error.next_step) == f"allow {question.action}{where}; {policy} prints all that srekv needs"
            seen.add(question.action)
            strict.account.clear()
        client.close()
    assert seen >= set(operator_actions())


@pytest.mark.parametrize(
    ("operation", "code", "action"),
    [
        ("RunInstances", "UnauthorizedOperation", "iam:PassRole"),
        ("GetParameter", "AccessDeniedException", "ssm:GetParameter"),
        ("DescribeInstanceTypeOfferings", "UnauthorizedOperation", "ec2:DescribeInstanceTypeOfferings"),
    ],
)
def test_up_says_which_action_it_lacks(strict: Any, operation: str, code: str, action: str) -> None:
    """`up` ends with the missing action, or goes on without what it does not need and warns of it."""
    strict.account.fail(operation, code, f"User: me is not authorized to perform: {action}", status=403, times=9)
    try:
        said = "; ".join(strict.up().warnings)
    except SrekvError as error:
        said = error.next_step
    assert action in str(said)
