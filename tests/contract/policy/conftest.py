"""What AWS asks IAM for each call of srekv, recorded over a whole life, and an evaluator that answers that."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

HERE = Path(__file__).parent
ACCOUNT = "210987654321"
"""The account of the moto server."""

STACK = "srekv:stack"

KINDS = {
    "i": "instance",
    "eipalloc": "elastic-ip",
    "sg": "security-group",
    "key": "key-pair",
    "vol": "volume",
    "eni": "network-interface",
    "vpc": "vpc",
    "subnet": "subnet",
    "pl": "prefix-list",
}
"""How EC2's ids begin, and what their ARNs call them."""

TAGGING = {
    "CreateRole": "iam:TagRole",
    "CreateInstanceProfile": "iam:TagInstanceProfile",
    "CreateTable": "dynamodb:TagResource",
    "PutMetricAlarm": "cloudwatch:TagResource",
}
"""The action that a creating call asks for besides its own, where it gives tags."""

Context = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One thing that AWS asks IAM before it carries a call out: may this be done to that, under these conditions?"""

    action: str
    resource: str
    context: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, action: str, resource: str, context: Mapping[str, Any] | None = None) -> Question:
        """With lists as tuples, so that equal questions are found to be equal."""
        items = (context or {}).items()
        return cls(action, resource, tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in sorted(items)))


def _requested(tags: Any) -> Context:
    pairs = _pairs(tags)
    keys: Context = {"aws:TagKeys": list(pairs)} if pairs else {}
    return keys | {f"aws:RequestTag/{key}": value for key, value in pairs.items()}


def _pairs(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in tags or ()}


@dataclass
class Recorder:
    """Listens to a session: turns each call into the questions that AWS would ask, with the tags things have then."""

    world: Any
    asked: dict[Question, None] = field(default_factory=dict)
    calls: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """(service, operation) -> the parameters of the first call."""
    _asked_by: dict[tuple[str, str], dict[str, Question]] = field(default_factory=dict)
    launched: set[str] = field(default_factory=set)
    """The stacks that launches have given network interfaces to, by tag."""

    def before(self, *, params: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
        """Listens to botocore's before-parameter-build."""
        service = model.service_model.service_name
        call = Call(self.world, service, model.name, dict(params), context["client_region"], self.launched)
        self.calls.setdefault((service, model.name), dict(params))
        for question in call.questions():
            self.asked[question] = None
            self._asked_by.setdefault((service, model.name), {}).setdefault(question.action, question)

    def questions(self, service: str, operation: str) -> Iterator[Question]:
        """One question for each action that the calls of this operation asked for."""
        yield from self._asked_by.get((service, operation), {}).values()


@dataclass
class Call:
    """One call, and what its service asks IAM for it: the service authorization reference in code (aws-facts 6.2)."""

    world: Any
    service: str
    operation: str
    params: dict[str, Any]
    region: str
    launched: set[str]

    @property
    def action(self) -> str:
        """The action that bears the operation's name; CloudWatch's client has another name than its actions."""
        return f"{self.service}:{self.operation}"

    def questions(self) -> Iterator[Question]:
        """Every question, the ones about implied actions too."""
        special = getattr(self, f"_{self.service}_{xform_name(self.operation)}", None)
        if special is not None:
            yield from special()
            return
        resources = getattr(self, f"_{self.service}")()
        for action in filter(None, (self.action, TAGGING.get(self.operation))):
            for resource, context in resources.items():
                yield Question.of(action, resource, context)

    def _arn(self, resource: str, *, service: str = "", region: str | None = None, account: str = ACCOUNT) -> str:
        where = self.region if region is None else region
        return f"arn:aws:{service or self.service}:{where}:{account}:{resource}"

    # EC2

    def _ec2(self) -> dict[str, Context]:
        """By the ids in the parameters; describing calls but two know no resources."""
        if self.operation.startswith("Describe") and self.operation != "DescribeVpcAttribute":
            return {"*": {}}
        named = [self.params.get(member, ()) for member in ("InstanceIds", "Resources", "Groups")]
        ids = [one for group in named for one in group]
        members = ("InstanceId", "AllocationId", "GroupId", "VpcId", "VolumeId", "PrefixListId")
        ids += [self.params[member] for member in members if member in self.params]
        assert ids, f"say what {self.operation} asks IAM for"
        tags = _requested(self.params.get("Tags"))
        return {self._ec2_arn(one): {**self._existing(one), **tags} for one in ids}

    def _ec2_arn(self, resource_id: str) -> str:
        return self._arn(f"{KINDS[resource_id.partition('-')[0]]}/{resource_id}", service="ec2")

    def _existing(self, resource_id: str, prefix: str = "aws:ResourceTag") -> Context:
        filters = [{"Name": "resource-id", "Values": [resource_id]}]
        if resource_id.startswith("eni-"):
            # Moto forgets the tags that a launch asked for on the interface: here they are as AWS keeps them.
            return {f"{prefix}/{STACK}": value for value in self.launched}
        tags = self.world.by_hand("ec2", self.region).describe_tags(Filters=filters)["Tags"]
        return {f"{prefix}/{key}": value for key, value in _pairs(tags).items()}

    def _making(self, known: Mapping[str, str]) -> Iterator[Question]:
        """What a creating call asks for the new things: the action on each, and CreateTags on each that is tagged.

        Args:
            known: kind -> the name in the ARN, of the kinds that the call makes in any case.
        """
        tags = {one["ResourceType"]: one["Tags"] for one in self.params.get("TagSpecifications", ())}
        for kind in {**known, **tags}:
            arn = self._arn(f"{kind}/{known.get(kind, f'{kind}-new')}")
            new = _requested(tags.get(kind))
            launch = {"ec2:MetadataHttpTokens": "required"} if kind == "instance" else {}
            yield Question.of(self.action, arn, {**new, **launch})
            if kind == "network-interface":
                self.launched.add(_pairs(tags[kind])[STACK])
            if kind in tags:
                yield Question.of("ec2:CreateTags", arn, {**new, "ec2:CreateAction": self.operation})

    def _ec2_run_instances(self) -> Iterator[Question]:
        yield from self._making({kind: f"{kind}-new" for kind in ("instance", "network-interface", "volume")})
        interface = self.params["NetworkInterfaces"][0]
        for one in (interface["SubnetId"], *interface["Groups"]):
            yield Question.of(self.action, self._ec2_arn(one), self._existing(one))
        yield Question.of(self.action, self._arn(f"image/{self.params['ImageId']}", account=""))
        if "KeyName" in self.params:
            yield Question.of(self.action, self._arn(f"key-pair/{self.params['KeyName']}"))
        yield self._passing(self.params["IamInstanceProfile"]["Name"])

    def _ec2_allocate_address(self) -> Iterator[Question]:
        yield from self._making({"elastic-ip": "eipalloc-new"})

    def _ec2_create_key_pair(self) -> Iterator[Question]:
        yield from self._making({"key-pair": self.params["KeyName"]})

    def _ec2_create_security_group(self) -> Iterator[Question]:
        yield from self._making({"security-group": "sg-new"})
        yield Question.of(self.action, self._ec2_arn(self.params["VpcId"]), self._existing(self.params["VpcId"]))

    def _ec2_delete_key_pair(self) -> Iterator[Question]:
        pairs = self.world.by_hand("ec2").describe_key_pairs(KeyNames=[self.params["KeyName"]])["KeyPairs"]
        tags = {f"aws:ResourceTag/{key}": value for key, value in _pairs(pairs[0].get("Tags")).items()}
        yield Question.of(self.action, self._arn(f"key-pair/{self.params['KeyName']}"), tags)

    def _ec2_associate_address(self) -> Iterator[Question]:
        interface = self._interface([{"Name": "attachment.instance-id", "Values": [self.params["InstanceId"]]}])
        for one in (self.params["AllocationId"], self.params["InstanceId"], interface["NetworkInterfaceId"]):
            yield Question.of(self.action, self._ec2_arn(one), self._existing(one))

    def _ec2_disassociate_address(self) -> Iterator[Question]:
        filters = [{"Name": "association-id", "Values": [self.params["AssociationId"]]}]
        address = self.world.by_hand("ec2").describe_addresses(Filters=filters)["Addresses"][0]
        for one in (address["AllocationId"], *filter(None, [address.get("NetworkInterfaceId")])):
            yield Question.of(self.action, self._ec2_arn(one), self._existing(one))

    def _interface(self, filters: list[dict[str, Any]]) -> Any:
        return self.world.by_hand("ec2").describe_network_interfaces(Filters=filters)["NetworkInterfaces"][0]

    def _ec2_associate_iam_instance_profile(self) -> Iterator[Question]:
        instance = self.params.get("InstanceId") or self._of_association(self.params["AssociationId"])
        yield Question.of(self.action, self._ec2_arn(instance), self._existing(instance))
        yield self._passing(self.params["IamInstanceProfile"]["Name"])

    _ec2_replace_iam_instance_profile_association = _ec2_associate_iam_instance_profile

    def _of_association(self, association: str) -> str:
        found = self.world.by_hand("ec2").describe_iam_instance_profile_associations(AssociationIds=[association])
        return str(found["IamInstanceProfileAssociations"][0]["InstanceId"])

    # IAM

    def _iam(self) -> dict[str, Context]:
        if self.operation in {"ListRoles", "ListInstanceProfiles"}:
            return {"*": {}}
        if "PolicySourceArn" in self.params:
            return {self.params["PolicySourceArn"]: {}}
        if self.operation.startswith("GetPolicy"):
            return {self.params["PolicyArn"]: {}}
        policy = {"iam:PolicyARN": self.params["PolicyArn"]} if "PolicyArn" in self.params else {}
        tags = _requested(self.params.get("Tags"))
        if "InstanceProfileName" in self.params:
            return {self._profile(): {**policy, **tags}}
        return {self._role(self.params["RoleName"]): {**policy, **tags}}

    def _role(self, name: str) -> str:
        iam = self.world.by_hand("iam")
        try:
            return str(iam.get_role(RoleName=name)["Role"]["Arn"])
        except iam.exceptions.NoSuchEntityException:
            return self._arn(f"role{self.params.get('Path', '/')}{name}", region="", service="iam")

    def _profile(self) -> str:
        iam, name = self.world.by_hand("iam"), self.params["InstanceProfileName"]
        try:
            return str(iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"])
        except iam.exceptions.NoSuchEntityException:
            return self._arn(f"instance-profile{self.params.get('Path', '/')}{name}", region="")

    def _passing(self, profile: str) -> Question:
        """The role in the profile is passed to EC2 (I8)."""
        return Question.of("iam:PassRole", self._role(profile), {"iam:PassedToService": "ec2.amazonaws.com"})

    def _iam_add_role_to_instance_profile(self) -> Iterator[Question]:
        yield Question.of(self.action, self._profile())
        yield self._passing(self.params["RoleName"])

    # DynamoDB

    def _dynamodb(self) -> dict[str, Context]:
        if self.operation in {"ListTables", "ListBackups"}:
            return {"*": {}}
        arn = self.params.get("ResourceArn") or self.params.get("BackupArn")
        table = arn or self._arn(f"table/{self.params['TableName']}")
        return {table: {**self._table_tags(table), **_requested(self.params.get("Tags"))}}

    def _table_tags(self, arn: str) -> Context:
        """As in most accounts; backups have no tags, and neither has what is not there."""
        dynamodb = self.world.by_hand("dynamodb", self.region)
        try:
            tags = {} if "/backup/" in arn else _pairs(dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"])
        except dynamodb.exceptions.ResourceNotFoundException:
            tags = {}
        return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}

    # Route 53

    def _route53(self) -> dict[str, Context]:
        one = self.params
        if "ResourceType" in one:
            ids = one.get("ResourceIds") or [one["ResourceId"]]
            return {self._dns(one["ResourceType"], resource_id): {} for resource_id in ids}
        if self.operation == "GetChange":
            return {self._dns("change", one["Id"]): {}}
        if zone := one.get("HostedZoneId") or one.get("Id"):
            return {self._dns("hostedzone", zone): {}}
        return {self._dns("healthcheck", one["HealthCheckId"]): {}} if "HealthCheckId" in one else {"*": {}}

    def _dns(self, kind: str, resource_id: str) -> str:
        return self._arn(f"{kind}/{resource_id.rpartition('/')[2]}", region="", account="")

    def _route53_change_resource_record_sets(self) -> Iterator[Question]:
        changes = self.params["ChangeBatch"]["Changes"]
        keys = {
            "Actions": [one["Action"] for one in changes],
            "NormalizedRecordNames": [one["ResourceRecordSet"]["Name"].rstrip(".") for one in changes],
            "RecordTypes": [one["ResourceRecordSet"]["Type"] for one in changes],
        }
        context = {f"route53:ChangeResourceRecordSets{key}": sorted(set(values)) for key, values in keys.items()}
        yield Question.of(self.action, self._dns("hostedzone", self.params["HostedZoneId"]), context)

    def _route53_create_hosted_zone(self) -> Iterator[Question]:
        vpc = self.params["VPC"]
        context = {"route53:VPCs": [f"VPCId={vpc['VPCId']},VPCRegion={vpc['VPCRegion']}"]}
        zone = self.params.get("HostedZoneId")
        yield Question.of(self.action, self._dns("hostedzone", zone) if zone else "*", context)
        yield Question.of("ec2:DescribeVpcs", "*")

    _route53_associate_vpc_with_hosted_zone = _route53_create_hosted_zone

    # SSM

    def _ssm(self) -> dict[str, Context]:
        return {"*": {}}

    def _ssm_send_command(self) -> Iterator[Question]:
        yield Question.of(self.action, self._arn(f"document/{self.params['DocumentName']}", account=""))
        for one in self.params["InstanceIds"]:
            yield Question.of(self.action, self._ec2_arn(one), self._existing(one, "ssm:resourceTag"))

    def _ssm_get_parameter(self) -> Iterator[Question]:
        for account in ("", ACCOUNT):
            yield Question.of(self.action, self._arn(f"parameter{self.params['Name']}", account=account))

    # CloudWatch

    def _cloudwatch(self) -> dict[str, Context]:
        if names := self.params.get("DashboardNames") or [*filter(None, [self.params.get("DashboardName")])]:
            return {self._arn(f"dashboard/{name}", region=""): {} for name in names}
        if "ResourceARN" in self.params:
            return {self.params["ResourceARN"]: {}}
        if self.operation == "ListDashboards":
            return {"*": {}}
        names = self.params.get("AlarmNames") or [self.params.get("AlarmName", "*")]
        return {self._arn(f"alarm:{name}"): _requested(self.params.get("Tags")) for name in names}

    # STS, Route 53's resolver

    def _sts(self) -> dict[str, Context]:
        assert self.operation == "GetCallerIdentity", "only that needs no permission"
        return {}

    _route53resolver = _ssm


Evaluate = Callable[[Sequence[tuple[Mapping[str, Any], Question]]], list[str]]


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    """IAM's answers to pairs of a policy and a question: Allowed or ImplicitlyDenied."""
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules").is_dir():
        pytest.skip("the evaluator needs node, and `npm ci` in tests/contract/policy")

    def ask(pairs: Sequence[tuple[Mapping[str, Any], Question]]) -> list[str]:
        policies: list[Mapping[str, Any]] = []
        for policy, _ in pairs:
            if not any(policy is known for known in policies):
                policies.append(policy)
        number = {id(policy): position for position, policy in enumerate(policies)}
        questions = [
            {"policy": number[id(policy)], "action": one.action, "resource": one.resource, "context": dict(one.context)}
            for policy, one in pairs
        ]
        text = json.dumps({"account": ACCOUNT, "policies": policies, "questions": questions})
        done = subprocess.run(
            [node, HERE / "evaluate.mjs"], input=text, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, done.stderr
        answers: list[str] = json.loads(done.stdout)
        wrong = {(said, question) for (_, question), said in zip(pairs, answers, strict=True) if "error" in said}
        assert not wrong, wrong
        return answers

    return ask


@pytest.fixture(scope="session")
def question() -> Callable[..., Question]:
    """Makes a question that no call has asked."""
    return Question.of


@pytest.fixture(scope="session")
def record() -> Callable[[Any], AbstractContextManager[Recorder]]:
    """Records the calls of a world's session while it is open."""

    @contextmanager
    def recording(world: Any) -> Iterator[Recorder]:
        recorder = Recorder(world)
        for service in ("dynamodb", "ec2", "iam"):
            world.by_hand(service)  # made here: a session makes clients in one thread at a time
        world.calls.listeners["before-parameter-build"] = recorder.before
        try:
            yield recorder
        finally:
            world.calls.listeners.clear()

    return recording
