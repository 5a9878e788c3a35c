"""One account on one moto server, in which every API call is seen and can be made to fail."""

from __future__ import annotations

import dataclasses
import functools
import json
import urllib.request
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config as BotoConfig
from click.testing import CliRunner, Result

from srekv.cli import main_group
from srekv.config import Config
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.account import Account as EveryStack
from srekv.provision.inventory.leftover import Leftover
from srekv.provision.inventory.listings import Inventory, take_inventory
from srekv.provision.removal import Removal
from srekv.provision.stack import Stack, connect
from srekv.provision.steps.collection import Steps
from tests.support import census
from tests.support.faults import FaultyAccount, Killed
from tests.support.moto import KEYS, Gate, Session
from tests.support.watcher import LeapingClock, Log

HEARD = ("before-parameter-build", "after-call")
"""What of each call a test may listen to."""


@dataclass
class Calls:
    """Every API call by name, in order; and what is to happen to some of them.

    Attributes:
        account: sees the calls; its rules and injected faults apply to them.
        answers: operation -> what answers it in place of the server: a function of the call's parameters that returns
            an answer, raises `refusal`'s exception, or returns None to let the server answer.
        listeners: event of botocore, one of HEARD -> who hears it. A session's clients are remembered, and a client
            tells its events only to those who were there when it was made.
    """

    account: FaultyAccount
    answers: dict[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)
    listeners: dict[str, Callable[..., None]] = field(default_factory=dict)

    def attach(self, session: boto3.Session) -> None:
        """Every client of this session is watched."""
        self.account.attach(session)
        session.events.register("before-call", self._answer)
        for event in HEARD:
            session.events.register(event, functools.partial(self._hear, event))

    @property
    def log(self) -> list[str]:
        """The operations that were asked for."""
        return self.account.operations

    @property
    def mutating(self) -> list[str]:
        """The calls that may have changed something."""
        return self.account.mutating

    def clear(self) -> None:
        """Forget what was called; nothing is to happen to any call from now on."""
        self.account.clear()
        self.answers.clear()

    def before(self, operation: str, number: int, work: Callable[[], object]) -> None:
        """Do `work` once, when this operation is about to be called for that time; then it is answered as before."""
        answer, left = self.answers.get(operation), [*range(number)]

        def interrupted(body: Mapping[str, Any]) -> Any:
            left.pop()
            if not left:
                del self.answers[operation]
                if answer:
                    self.answers[operation] = answer
                work()
            return answer(body) if answer else None

        self.answers[operation] = interrupted

    def _hear(self, event: str, /, **told: Any) -> None:
        if event in self.listeners:
            self.listeners[event](**told)

    def _answer(self, *, model: Any, params: Mapping[str, Any], **_: Any) -> Any:
        """Listens to botocore's before-call; an answer from here is the call's answer."""
        answer = self.answers.get(model.name)
        return answer(params.get("body", {})) if answer else None


def refusal(code: str, message: str = "", status: int = 400) -> tuple[AWSResponse, dict[str, Any]]:
    """An answer for `Calls.answers` that botocore turns into a ClientError."""
    told = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return AWSResponse("http://refused", status, {}, None), told


def success(**members: Any) -> tuple[AWSResponse, dict[str, Any]]:
    """An answer for `Calls.answers` with these members."""
    return AWSResponse("http://answered", 200, {}, None), members


def environment(url: str, folder: Path) -> dict[str, str]:
    """The environment of a user who calls this server by `srekv --target aws`."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
        "AWS_CONFIG_FILE": str(folder / "none"),
        "SREKV_HOME": str(folder),
    }


class World:
    """One account on one moto server: the commands under test, and a hand that goes past them.

    Args:
        endpoint: the server.
        rules: which rules of AWS hold beyond what the server knows; none: the server's own; None: all.
    """

    refusal = staticmethod(refusal)
    success = staticmethod(success)
    Killed = Killed
    EMPTY = census.EMPTY
    WHOLE = census.WHOLE

    def __init__(self, endpoint: str, gate: Gate, rules: Collection[str] | None = ()) -> None:
        self.endpoint = endpoint
        self.config = Config(target="aws", endpoint=endpoint)
        self.account = FaultyAccount(rules=rules)
        self.calls = Calls(self.account)
        self._session = Session(gate)
        self.calls.attach(self._session)
        self._by_hand = Session(gate)

    def reset(self) -> None:
        """Empty the account."""
        self.calls.clear()
        self.account.reset()
        request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()

    def by_hand(self, service: str, region: str = "us-east-1") -> Any:
        """A client whose calls nobody records: the user's own hand, or a neighbour's."""
        return self._by_hand.client(service, region_name=region, endpoint_url=self.endpoint)

    def vpc(self) -> str:
        """The default VPC's id."""
        (vpc,) = self.by_hand("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        return str(vpc["VpcId"])

    def open_internet(self) -> dict[str, str]:
        """The default route, as `create_route` takes it: moto's default VPC has no gateway, AWS's has."""
        ec2, vpc = self.by_hand("ec2"), self.vpc()
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
        table = ec2.describe_route_tables(Filters=filters)["RouteTables"][0]["RouteTableId"]
        route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
        ec2.create_route(**route)
        return route

    def put_group(self, name: str, **more: Any) -> str:
        """A security group in the default VPC; its id."""
        given = {"GroupName": name, "Description": "mine", "VpcId": self.vpc(), **more}
        return str(self.by_hand("ec2").create_security_group(**given)["GroupId"])

    def put_role(self, name: str, **more: Any) -> None:
        """A role that nothing may take."""
        self.by_hand("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}", **more)

    def put_profile(self, name: str, **more: Any) -> None:
        """An instance profile without a role."""
        self.by_hand("iam").create_instance_profile(InstanceProfileName=name, **more)

    def put_key_pair(self, name: str) -> None:
        """A key pair without tags."""
        self.by_hand("ec2").create_key_pair(KeyName=name)

    def put_check(self, reference: str) -> None:
        """A health check."""
        config = {"Type": "HTTP", "IPAddress": "192.0.2.1", "Port": 80, "ResourcePath": "/health"}
        self.by_hand("route53").create_health_check(CallerReference=reference, HealthCheckConfig=config)

    def put_zone(self, name: str, *, vpc: str = "", reference: str = "mine") -> str:
        """A private zone; its id."""
        # AWS knows by the VPC that it is private, moto by the configuration.
        given: Any = {"Name": name, "CallerReference": reference, "HostedZoneConfig": {"PrivateZone": True}}
        where = {"VPCRegion": "us-east-1", "VPCId": vpc or self.vpc()}
        return str(self.by_hand("route53").create_hosted_zone(**given, VPC=where)["HostedZone"]["Id"])

    def put_address(self, *, stack: str = "", region: str = "us-east-1", **tags: str) -> str:
        """An Elastic IP, with a stack's tag and others of ours, or without any; its allocation."""
        marks = {"stack": stack, **tags} if stack else {}
        listed = [{"Key": f"srekv:{key}", "Value": value} for key, value in marks.items()]
        specification = {"TagSpecifications": [{"ResourceType": "elastic-ip", "Tags": listed}]} if listed else {}
        return str(self.by_hand("ec2", region).allocate_address(Domain="vpc", **specification)["AllocationId"])

    def put_instance(self, **more: Any) -> str:
        """An instance of moto's first image; its id."""
        ec2 = self.by_hand("ec2")
        image = ec2.describe_images()["Images"][0]["ImageId"]
        return str(ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, **more)["Instances"][0]["InstanceId"])

    def put_table(self, name: str = "SREKeyValue", *, stack: str = "") -> None:
        """A table as `up` would make it, with or without a stack's tag."""
        self.by_hand("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            Tags=[{"Key": "srekv:stack", "Value": stack}] if stack else [],
        )

    def put_alarm(self, name: str, *, stack: str = "") -> None:
        """An alarm about a metric of somebody's, with or without a stack's tag."""
        metric: Any = {"Namespace": "mine", "MetricName": "mine", "Statistic": "Sum", "Period": 60}
        limit: Any = {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "LessThanThreshold"}
        tags = [{"Key": "srekv:stack", "Value": stack}] if stack else []
        self.by_hand("cloudwatch").put_metric_alarm(AlarmName=name, **metric, **limit, Tags=tags)

    def put_dashboard(self, name: str, *widgets: Any) -> None:
        """A dashboard with widgets of these properties."""
        body = {"widgets": [{"type": "text", "properties": properties} for properties in widgets]}
        self.by_hand("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=json.dumps(body))

    def client(self, service: str, region: str = "us-east-1", *, attempts: int = 6) -> Any:
        """A client whose calls are seen, and meet what the commands' own calls meet."""
        retries: Any = {"mode": "standard", "total_max_attempts": attempts}
        return self._session.client(
            service, region_name=region, endpoint_url=self.endpoint, config=BotoConfig(retries=retries)
        )

    def stack(
        self, stack: str = "srekv", *, dry: bool = False, region: str = "us-east-1", session: Any = None, **given: Any
    ) -> tuple[Stack, Log]:
        """A stack as a command would open it, and its log."""
        log = Log()
        config = dataclasses.replace(self.config, stack=stack, region=region)
        return connect(config, given, log, dry=dry, session=session or self._session), log

    def up(
        self, stack: str = "srekv", *, dry: bool = False, wait: bool = False, preflight: Any = None, **given: Any
    ) -> Log:
        """Run `up`; `calls.log` holds this run's calls only."""
        self.account.forget()
        opened, log = self.stack(stack, dry=dry, **given)
        opened.up(wait=wait, preflight=preflight)
        return log

    def remove(self, stack: str = "srekv") -> tuple[Removal, Log, float]:
        """Run `down` by a clock that leaps: what came of it, the log, and the seconds that it would have waited."""
        self.account.forget()
        opened, log = self.stack(stack)
        clock = LeapingClock()
        removal = Stack(dataclasses.replace(opened.run, clock=clock), opened.role).down()
        return removal, log, clock.waited_s

    def down(self, stack: str = "srekv", *, dry: bool = False) -> tuple[tuple[Leftover, ...], Log]:
        """Run `down`: what is left, and the log."""
        self.account.forget()
        opened, log = self.stack(stack, dry=dry)
        return opened.down().left, log

    def take(self) -> Inventory:
        """What srekv itself finds of all stacks."""
        return take_inventory(Clients(self.config, self._session))

    def all_stacks(self) -> EveryStack:
        """All stacks of the account."""
        return EveryStack(self.config, self._session)

    def steps(self, stack: str = "srekv", **given: Any) -> Steps:
        """The steps of a stack as `up` puts them together."""
        opened, _ = self.stack(stack, **given)
        return Steps(opened.run, opened.role)

    def listing(self) -> dict[str, Any]:
        """Everything in the account, as its services describe it; what has ended is left out."""
        return census.listing(self.by_hand)

    def census(self) -> dict[str, int]:
        """How many of each kind there are."""
        return {kind: len(found) for kind, found in self.listing().items() if found}

    def invoke(self, *words: str, folder: Path, answer: str = "") -> Result:
        """Run `srekv --target aws WORDS` in this process, with that environment."""
        words = ("--target", "aws", *words)
        return CliRunner().invoke(
            main_group, words, env=environment(self.endpoint, folder), input=answer, standalone_mode=False
        )
