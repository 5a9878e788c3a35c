"""An ordinary moto server, and a world in which every API call is seen and can be made to fail."""

from __future__ import annotations

import dataclasses
import functools
import gc
import io
import json
import logging
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config as BotoConfig
from urllib3 import HTTPResponse
from werkzeug.test import EnvironBuilder

from srekv.config import Config
from srekv.conformance.layer import Account
from srekv.conformance.trouble import Killed
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.account import Account as EveryStack
from srekv.provision.inventory.leftover import Leftover
from srekv.provision.inventory.listings import Inventory, take
from srekv.provision.model import Change
from srekv.provision.removal import Removal
from srekv.provision.stack import Stack, connect
from srekv.provision.steps.collection import Steps

LIVE = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
KEYS = {"aws_access_key_id": "AKIAOPERATOR", "aws_secret_access_key": "secret"}


HEARD = ("before-parameter-build", "after-call")
"""What of each call a test may listen to."""


@dataclass
class Calls:
    """Every API call by name, in order; and what is to happen to some of them.

    Attributes:
        account: sees the calls; its laws and troubles befall them.
        answers: operation -> what answers it in place of the server: a function of the call's parameters that returns
            an answer, raises `refusal`'s exception, or returns None to let the server answer.
        listeners: event of botocore, one of HEARD -> who hears it. A session's clients are remembered, and a client
            tells its events only to those who were there when it was made.
    """

    account: Account
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

    def kill_after(self, operation: str, number: int) -> None:
        """Let the process die when that call has taken effect and before it has its answer."""
        self.account.kill_after(operation, number)

    def lose_answer(self, operation: str, number: int) -> None:
        """Let the connection break when that call has taken effect: the process lives and gets no answer."""
        self.account.lose_answer(operation, number)

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


@dataclass
class Log:
    """A Watcher that remembers."""

    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)

    def started(self, section: str) -> None:
        """A section began."""

    def changed(self, change: Change) -> None:
        """A resource was dealt with."""
        self.changes.append(change)

    def waiting(self, section: str, what: str) -> None:
        """A section waits."""
        self.waits.append(f"{section}: {what}")

    def waited(self, section: str, what: str) -> None:
        """It waits no more."""

    def finished(self, section: str) -> None:
        """A section is done."""

    def warn(self, message: str) -> None:
        """Something optional could not be had."""
        self.warnings.append(message)

    @property
    def done(self) -> Counter[tuple[str, str]]:
        """What was done or is planned: (kind, action), resources left alone excepted."""
        return Counter((one.kind, one.action) for one in self.changes if one.action != "leave")

    @property
    def repairs(self) -> list[tuple[str, str, str]]:
        """The same with the detail, sorted."""
        return sorted((one.kind, one.action, one.detail) for one in self.changes if one.action != "leave")


class LeapingClock:
    """A Clock whose pauses take no time: it only counts them, for each thread by itself."""

    def __init__(self) -> None:
        self._of_thread = threading.local()
        self._lock = threading.Lock()
        self.waited_s = 0.0
        """All pauses of all threads."""

    def now(self) -> float:
        """The pauses of this thread."""
        return float(getattr(self._of_thread, "now", 0.0))

    def pause(self, cancelled: threading.Event, pause_s: float) -> bool:
        """Count it."""
        self._of_thread.now = self.now() + pause_s
        with self._lock:
            self.waited_s += pause_s
        return cancelled.is_set()


EMPTY = {"security groups": 1, "security group rules": 1, "vpcs": 1, "subnets": 6, "route tables": 1}
WHOLE = EMPTY | {
    "security groups": 2,
    # egress of two groups, the operator, two nodes, and the seventeen published ranges of the checkers
    "security group rules": 22,
    "addresses": 2,
    "check tags": 6,
    "checks": 2,
    "instances": 2,
    "interfaces": 2,
    "profiles": 1,
    "records": 4,
    "recovery": 1,
    "role policies": 1,
    "roles": 1,
    "table tags": 1,
    "tables": 1,
    "volumes": 2,
    "zone tags": 3,
    "zones": 1,
}
"""How many of each kind there are in a moto account without and with a stack: anything doubled or lost shows."""


class World:
    """One account on one moto server: the commands under test, and a hand that goes past them.

    Args:
        endpoint: the server.
        rules: which rules of AWS hold beyond what the server knows; none: the server's own; None: all.
    """

    refusal = staticmethod(refusal)
    success = staticmethod(success)
    Killed = Killed
    EMPTY = EMPTY
    WHOLE = WHOLE

    def __init__(self, endpoint: str, gate: Gate, rules: Collection[str] | None = ()) -> None:
        self.endpoint = endpoint
        self.config = Config(target="aws", endpoint=endpoint)
        self.account = Account(rules=rules)
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
        self.by_hand("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="mine",
            MetricName="mine",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="LessThanThreshold",
            Tags=[{"Key": "srekv:stack", "Value": stack}] if stack else [],
        )

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

    def stack(self, stack: str = "srekv", *, dry: bool = False, **given: Any) -> tuple[Stack, Log]:
        """A stack as a command would open it, and its log."""
        log = Log()
        config = Config(target="aws", endpoint=self.endpoint, stack=stack)
        return connect(config, given, log, dry=dry, session=self._session), log

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
        return take(Clients(self.config, self._session))

    def all_stacks(self) -> EveryStack:
        """All stacks of the account."""
        return EveryStack(self.config, self._session)

    def steps(self, stack: str = "srekv", **given: Any) -> Steps:
        """The steps of a stack as `up` puts them together."""
        opened, _ = self.stack(stack, **given)
        return Steps.of(opened.run, opened.role)

    def listing(self) -> dict[str, Any]:
        """Everything in the account, as its services describe it; what has ended is left out."""
        return {**_ec2(self.by_hand("ec2")), **_iam(self.by_hand("iam")), **self._services()}

    def census(self) -> dict[str, int]:
        """How many of each kind there are."""
        return {kind: len(found) for kind, found in self.listing().items() if found}

    def _services(self) -> dict[str, Any]:
        return {
            **_tables(self.by_hand("dynamodb")),
            **_route53(self.by_hand("route53")),
            **_cloudwatch(self.by_hand("cloudwatch")),
        }


def _ec2(ec2: Any) -> dict[str, Any]:
    groups = ec2.describe_instances(Filters=LIVE)["Reservations"]
    return {
        "instances": [one for group in groups for one in group["Instances"]],
        "volumes": ec2.describe_volumes()["Volumes"],
        "addresses": ec2.describe_addresses()["Addresses"],
        "security groups": ec2.describe_security_groups()["SecurityGroups"],
        "security group rules": ec2.describe_security_group_rules()["SecurityGroupRules"],
        "key pairs": ec2.describe_key_pairs()["KeyPairs"],
        "interfaces": ec2.describe_network_interfaces()["NetworkInterfaces"],
        "vpcs": ec2.describe_vpcs()["Vpcs"],
        "subnets": ec2.describe_subnets()["Subnets"],
        "route tables": ec2.describe_route_tables()["RouteTables"],
    }


def _iam(iam: Any) -> dict[str, Any]:
    names = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    return {
        "roles": [iam.get_role(RoleName=name)["Role"] for name in names],
        "role policies": [
            _said(iam.get_role_policy(RoleName=name, PolicyName=policy))
            for name in names
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ],
        "attached policies": [
            (name, policy)
            for name in names
            for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        ],
        "profiles": [
            iam.get_instance_profile(InstanceProfileName=one["InstanceProfileName"])["InstanceProfile"]
            for one in iam.list_instance_profiles()["InstanceProfiles"]
        ],
    }


def _tables(dynamodb: Any) -> dict[str, Any]:
    tables = [dynamodb.describe_table(TableName=name)["Table"] for name in dynamodb.list_tables()["TableNames"]]
    return {
        "tables": tables,
        "table tags": [dynamodb.list_tags_of_resource(ResourceArn=one["TableArn"])["Tags"] for one in tables],
        "recovery": [
            description["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
            for table in tables
            for description in [
                dynamodb.describe_continuous_backups(TableName=table["TableName"])["ContinuousBackupsDescription"]
            ]
        ],
    }


def _route53(route53: Any) -> dict[str, Any]:
    zones = [_said(route53.get_hosted_zone(Id=one["Id"])) for one in route53.list_hosted_zones()["HostedZones"]]
    checks = route53.list_health_checks()["HealthChecks"]
    return {
        "zones": zones,
        "zone tags": _tags(route53, "hostedzone", [zone["HostedZone"]["Id"].rpartition("/")[2] for zone in zones]),
        "records": [
            record
            for zone in zones
            for record in route53.list_resource_record_sets(HostedZoneId=zone["HostedZone"]["Id"])["ResourceRecordSets"]
        ],
        "checks": checks,
        "check tags": _tags(route53, "healthcheck", [check["Id"] for check in checks]),
    }


def _tags(route53: Any, kind: str, ids: list[str]) -> list[tuple[str, str, str]]:
    """Every tag of every one of these."""
    sets = route53.list_tags_for_resources(ResourceType=kind, ResourceIds=ids)["ResourceTagSets"] if ids else []
    return sorted((one["ResourceId"], tag["Key"], tag["Value"]) for one in sets for tag in one["Tags"])


def _cloudwatch(cloudwatch: Any) -> dict[str, Any]:
    names = [one["DashboardName"] for one in cloudwatch.list_dashboards()["DashboardEntries"]]
    return {
        "alarms": cloudwatch.describe_alarms()["MetricAlarms"],
        "dashboards": [_said(cloudwatch.get_dashboard(DashboardName=name)) for name in names],
    }


def _said(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


ACCOUNT = "210987654321"
"""Not moto's default account: moto keeps one state a process, and other tests of this process use that one."""


class Gate:
    """Stands before moto's application: lets one request in at a time, and can hold the calls of an operation.

    Two requests at once can make moto's serializer fail: it keeps a table that requests share.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._one_at_a_time = threading.Lock()
        self._held = b""
        self.reached = threading.Event()
        self._open = threading.Event()

    def hold(self, operation: str) -> None:
        """Let the calls of this EC2 or IAM operation wait; `reached` is set when one does."""
        self.reached.clear()
        self._open.clear()
        self._held = f"Action={operation}&".encode()

    def let_go(self) -> None:
        """Let everything pass."""
        self._held = b""
        self._open.set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer a request, in time."""
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = ACCOUNT
        if self._held:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            if body.startswith(self._held):
                self.reached.set()
                self._open.wait(60)
        with self._one_at_a_time:
            try:
                return list(self._application(environ, start_response))
            except Exception:  # noqa: BLE001 - any error of moto's own is its answer, as it is from a server
                start_response("500 Internal Server Error", [])
                return [b""]


class Session(boto3.Session):
    """Makes each client once, and its clients call moto's application as a function.

    A command makes its own seven clients and some fifty calls, and every test runs several commands: without sockets
    and models read again they take half the time. Commands of processes of their own go over the wire.
    """

    def __init__(self, gate: Gate) -> None:
        super().__init__(region_name="us-east-1", **KEYS)
        self._gate = gate
        self._clients: dict[str, Any] = {}

    def client(self, *service: Any, **given: Any) -> Any:
        """The client of this service and these arguments."""
        config = given.get("config")
        which = str((service, {**given, "config": config and vars(config)}))
        if which not in self._clients:
            client: Any = super().client(*service, **given)
            client._endpoint.http_session = Inside(self._gate)
            self._clients[which] = client
        return self._clients[which]


@dataclass(frozen=True)
class Inside:
    """In place of botocore's HTTP session: the request goes through the gate at once."""

    gate: Gate

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """The answer, read whole."""
        url = urlsplit(request.url)
        asked = EnvironBuilder(
            unquote(url.path),
            f"{url.scheme}://{url.netloc}/",
            query_string=url.query,
            method=request.method,
            headers={name: _text(value) for name, value in request.headers.items()},
            data=request.body,
        )
        started: list[tuple[str, Iterable[tuple[str, str]]]] = []
        parts = self.gate(asked.get_environ(), lambda status, headers, *_: started.append((status, headers)))
        status, headers = started[-1]
        body = HTTPResponse(io.BytesIO(b"".join(parts)), preload_content=False)
        return AWSResponse(request.url, int(status[:3]), dict(headers), body)

    def close(self) -> None:
        """Nothing was opened."""


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture(scope="session")
def gate() -> Gate:
    """Moto's application, behind a gate."""
    from moto.core import responses
    from moto.server import DomainDispatcherApplication, create_backend_app

    application: Any = DomainDispatcherApplication(create_backend_app)
    # For every request moto lists the folders of its services and the methods of a class: once each is enough.
    application.get_backend_for_host = functools.cache(application.get_backend_for_host)
    responses.method_names_from_class = functools.cache(responses.method_names_from_class)
    return Gate(application)


@pytest.fixture(scope="session")
def moto_server(gate: Gate) -> Iterator[str]:
    """The URL of an ordinary moto server in this process."""
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, gate, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="moto", kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(timeout=10)
    server.server_close()


@pytest.fixture(scope="session")
def _world(moto_server: str, gate: Gate) -> Iterator[World]:
    world = World(moto_server, gate)
    world.up()
    world.listing()
    # By now the models of botocore and moto are in memory, for good: the collector need not look at them again (it
    # took a fifth of a second each time, about once a test).
    gc.collect()
    gc.freeze()
    yield world
    gc.unfreeze()


@pytest.fixture
def world(_world: World) -> World:
    """An empty account."""
    _world.reset()
    return _world


@pytest.fixture(scope="session")
def _strict(moto_server: str, gate: Gate) -> World:
    return World(moto_server, gate, rules=None)


@pytest.fixture
def strict(_strict: World) -> World:
    """An empty account that behaves as AWS does where moto is kinder: every rule of the conformance layer holds.

    For another seed: `strict.account.seed = 1`, then `strict.reset()`.
    """
    _strict.account.seed = 0
    _strict.reset()
    return _strict
