"""What a drill may do to a stack, and reading a stack back: whole, incomplete, or not there."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from srekv.errors import SrekvError
from srekv.provision.model import Check, Node
from srekv.provision.ready import await_healthy
from srekv.provision.target import AwsFaultTarget

COMMAND = "c" * 36
"""A command id of the length that SSM gives."""


@pytest.fixture
def target(world: Any) -> AwsFaultTarget:
    """The target of a whole stack."""
    world.up()
    opened, _ = world.stack()
    world.calls.log.clear()
    return opened.fault_target


def _node(target: AwsFaultTarget) -> Node:
    return target.deployment().node("primary")


def test_reads_the_whole_stack(world: Any, target: AwsFaultTarget) -> None:
    """What `up` returns is what is read back: nodes with roles and addresses, each watched by its check."""
    deployment = target.deployment()
    assert world.stack()[0].up(wait=False) == deployment
    assert [(node.name, node.role, node.zone) for node in deployment.nodes] == [
        ("az1", "primary", "us-east-1a"),
        ("az2", "secondary", "us-east-1b"),
    ]
    for role in ("primary", "secondary"):
        assert deployment.check(role).address == deployment.node(role).address
    assert (deployment.url, deployment.ttl, deployment.table) == ("http://svc.sre-test.local", 10, "SREKeyValue")


def test_no_stack(world: Any) -> None:
    """Without any part of it, there is no stack of that name."""
    with pytest.raises(SrekvError, match="there is no stack srekv in us-east-1") as caught:
        world.stack()[0].fault_target.deployment()
    assert str(caught.value.next_step) == "srekv up"


@pytest.mark.parametrize(
    "missing", ["instance az2", "address of az1", "health checks", "hosted zone", "failover records"]
)
def test_an_incomplete_stack_says_what_is_missing(world: Any, target: AwsFaultTarget, missing: str) -> None:
    """One part lost: it is named, and `up` is the next step."""
    ec2, route53 = world.by_hand("ec2"), world.by_hand("route53")
    deployment, zone = target.deployment(), route53.list_hosted_zones()["HostedZones"][0]["Id"]
    records = [one for one in world.listing()["records"] if "Failover" in one]
    if missing == "instance az2":
        ec2.terminate_instances(InstanceIds=[deployment.node("secondary").instance_id])
    elif missing == "address of az1":
        listed, primary = ec2.describe_addresses()["Addresses"], deployment.node("primary")
        address = next(one for one in listed if one["InstanceId"] == primary.instance_id)
        ec2.disassociate_address(AssociationId=address["AssociationId"])
        ec2.release_address(AllocationId=address["AllocationId"])
    elif missing == "health checks":
        route53.delete_health_check(HealthCheckId=deployment.checks[0].id)
    else:
        changes = [{"Action": "DELETE", "ResourceRecordSet": record} for record in records]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        if missing == "hosted zone":
            route53.delete_hosted_zone(Id=zone)

    with pytest.raises(SrekvError, match="not complete") as caught:
        target.deployment()
    assert caught.value.why == f"missing: {missing}"
    assert str(caught.value.next_step) == "srekv up"


def test_stop_and_start(target: AwsFaultTarget) -> None:
    """A stopped node keeps its address; starting it brings it back."""
    node = _node(target)
    target.stop(node)
    stopped = _node(target)
    assert (stopped.state, stopped.address) == ("stopped", node.address)
    target.start(stopped)
    assert _node(target).state == "running"


def test_start_waits_for_a_stop_to_end(world: Any, target: AwsFaultTarget) -> None:
    """An instance that is still stopping cannot be started: the start comes after "stopped"."""
    node = _node(target)
    target.stop(node)
    states = itertools.chain(["stopping", "stopping"], itertools.repeat("stopped"))

    def describe(_: Any) -> Any:
        shown = {"InstanceId": node.instance_id, "State": {"Name": next(states)}}
        return world.success(Reservations=[{"Instances": [shown]}])

    world.calls.log.clear()
    world.calls.answers["DescribeInstances"] = describe
    target.start(node)
    assert world.calls.log == ["DescribeInstances"] * 3 + ["StartInstances"]


def test_invert(target: AwsFaultTarget) -> None:
    """The flag is set and cleared; `up` would clear it too."""
    target.invert(target.deployment().check("primary"), inverted=True)
    assert target.deployment().check("primary").inverted
    target.invert(target.deployment().check("primary"), inverted=False)
    assert not target.deployment().check("primary").inverted


def test_a_command_that_ends(world: Any, target: AwsFaultTarget) -> None:
    """Right after SendCommand there may be no invocation (S2), then it runs, then it has ended: all is waited out."""
    answers = iter(
        [
            world.refusal("InvocationDoesNotExist"),
            world.success(Status="Pending", ResponseCode=-1),
            world.success(Status="InProgress", ResponseCode=-1),
            world.success(Status="Failed", ResponseCode=3, StandardOutputContent="out", StandardErrorContent="err"),
        ]
    )
    sent = []

    def send(asked: Any) -> Any:
        sent.append(json.loads(asked))
        return world.success(Command={"CommandId": COMMAND})

    world.calls.answers |= {"SendCommand": send, "GetCommandInvocation": lambda _: next(answers)}
    node = _node(target)
    result = target.run(node, "exit 3", timeout_s=2.5)

    assert (result.status, result.code, result.stdout, result.stderr) == ("Failed", 3, "out", "err")
    assert sent[0]["InstanceIds"] == [node.instance_id]
    assert sent[0]["DocumentName"] == "AWS-RunShellScript"
    assert sent[0]["Parameters"] == {"commands": ["exit 3"], "executionTimeout": ["3"]}
    assert sent[0]["TimeoutSeconds"] == 30, "SSM's least"


def test_a_node_that_takes_no_commands(world: Any, target: AwsFaultTarget) -> None:
    """SSM's InvalidInstanceId, with or without a message (S1), is explained."""
    world.calls.answers["SendCommand"] = lambda _: world.refusal("InvalidInstanceId")
    with pytest.raises(SrekvError, match="does not take commands") as caught:
        target.run(_node(target), "true", timeout_s=1)
    assert caught.value.next_step


@pytest.mark.parametrize("operation", ["SendCommand", "GetCommandInvocation"])
def test_a_command_that_is_denied(world: Any, target: AwsFaultTarget, operation: str) -> None:
    """Any other refusal names the operation."""
    world.calls.answers["SendCommand"] = lambda _: world.success(Command={"CommandId": COMMAND})
    world.calls.answers[operation] = lambda _: world.refusal("AccessDeniedException", "no")
    with pytest.raises(SrekvError, match="not permitted") as caught:
        target.run(_node(target), "true", timeout_s=1)
    assert operation in caught.value.why


def test_a_command_whose_end_cannot_be_asked_for(world: Any, target: AwsFaultTarget) -> None:
    """A network that fails while a command runs is told as an error for a person."""

    def fail(_: Any) -> Any:
        raise ConnectionClosedError(endpoint_url="https://ssm")

    world.calls.answers["SendCommand"] = lambda _: world.success(Command={"CommandId": COMMAND})
    world.calls.answers["GetCommandInvocation"] = fail
    with pytest.raises(SrekvError, match="no answer from AWS"):
        target.run(_node(target), "true", timeout_s=1)


def test_waits_for_the_agents(world: Any, target: AwsFaultTarget) -> None:
    """A node that has been seen online counts, the others are waited for."""
    first, second = target.deployment().nodes
    seen = iter(
        [
            [],
            [{"InstanceId": first.instance_id, "PingStatus": "Online"}],
            [{"InstanceId": second.instance_id, "PingStatus": "ConnectionLost"}],
            [{"InstanceId": second.instance_id, "PingStatus": "Online"}],
        ]
    )
    world.calls.answers["DescribeInstanceInformation"] = lambda _: world.success(InstanceInformationList=next(seen))
    target.await_commands((first, second))
    assert next(seen, None) is None


def _reports(world: Any, good: int, bad: int, at: datetime) -> Any:
    texts = ["Success: HTTP Status Code 200, OK"] * good + ["Failure: Connection timed out."] * bad
    return world.success(
        HealthCheckObservations=[
            {"Region": "us-east-1", "IPAddress": f"15.177.0.{n}", "StatusReport": {"Status": text, "CheckedTime": at}}
            for n, text in enumerate(texts)
        ]
    )


def test_observations(world: Any, target: AwsFaultTarget) -> None:
    """Only the first word of a checker's report is meaningful."""
    now = datetime.now(UTC)
    world.calls.answers["GetHealthCheckStatus"] = lambda _: _reports(world, 1, 2, now)
    observations = target.observations(target.deployment().check("primary"))
    assert [one.healthy for one in observations] == [True, False, False]
    assert {one.at for one in observations} == {now}


def test_up_waits_for_observations_newer_than_itself(world: Any, target: AwsFaultTarget) -> None:
    """Old successes and too few new ones prove nothing; more than 18 % of the checkers after the beginning do."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    reports = {check.id: iter([(16, begin), (2, None), (3, None)]) for check in target.deployment().checks}
    asked = itertools.cycle(target.deployment().checks)

    def answer(_: Any) -> Any:
        good, at = next(reports[next(asked).id])
        return _reports(world, good, 16 - good, at or datetime.now(UTC))

    world.calls.answers["GetHealthCheckStatus"] = answer
    opened, _ = world.stack(speed=50.0)
    await_healthy(opened.run, opened.fault_target, target.deployment(), since=datetime.now(UTC).timestamp() - 5)
    assert all(next(left, None) is None for left in reports.values())


def test_a_node_that_never_becomes_healthy(world: Any, target: AwsFaultTarget) -> None:
    """The error names node and check, what the checkers said, and the end of the console output."""
    at = datetime.now(UTC)
    world.calls.answers |= {
        "GetHealthCheckStatus": lambda _: _reports(world, 0, 16, at),
        "GetConsoleOutput": lambda _: world.success(Output="boot\npanic: no service\n"),
    }
    opened, _ = world.stack(speed=100.0)
    deployment = target.deployment()
    checks: tuple[Check, ...] = deployment.checks
    with pytest.raises(SrekvError, match=r"az1 .* never became healthy") as caught:
        await_healthy(opened.run, opened.fault_target, deployment, since=at.timestamp(), timeout_s=0.2)
    assert checks[0].name in caught.value.what
    assert "Failure: Connection timed out." in caught.value.why
    assert "panic: no service" in caught.value.why
    assert "journalctl" in str(caught.value.next_step)


@pytest.fixture
def up_again(world: Any, target: AwsFaultTarget) -> Any:  # noqa: ARG001 - a whole stack
    """A second `up`, which finds everything as it should be, to the name's answer."""
    ec2 = world.by_hand("ec2")
    table = ec2.describe_route_tables()["RouteTables"][0]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=table["VpcId"])
    ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)

    def again(answer: Any, **given: Any) -> None:
        opened, _ = world.stack(speed=100.0, **given)
        opened.up(wait=True, since=datetime.now(UTC).timestamp() - 5, answer=answer)

    return again


def test_an_unchanged_stack_is_asked_for_its_name_meanwhile(world: Any, up_again: Any) -> None:
    """The checks are read while the name is asked for, and one answer is enough."""
    reading, asking, asked = threading.Event(), threading.Event(), list[str]()

    def report(_: Any) -> Any:
        reading.set()
        assert asking.wait(30)
        return _reports(world, 16, 0, datetime.now(UTC))

    def answer(*_: Any) -> None:
        asking.set()
        assert reading.wait(30)
        asked.append("name")

    world.calls.answers["GetHealthCheckStatus"] = report
    up_again(answer)
    assert asked == ["name"]


@pytest.mark.parametrize("fault", ["a failing report", "no answer", "a change"])
def test_a_name_that_may_have_moved_is_asked_for_again(world: Any, up_again: Any, fault: str) -> None:
    """After both checks pass: an answer from before may be older than a switch."""
    asked: list[str] = []
    reports = itertools.chain([(13, 3) if fault == "a failing report" else (16, 0)], itertools.repeat((16, 0)))

    def report(_: Any) -> Any:
        good, bad = next(reports)
        return _reports(world, good, bad, datetime.now(UTC))

    def answer(*_: Any) -> None:
        asked.append("name")
        if fault == "no answer" and len(asked) == 1:
            raise SrekvError("the name does not answer yet")

    world.calls.answers["GetHealthCheckStatus"] = report
    up_again(answer, **({"ttl": 20} if fault == "a change" else {}))
    assert len(asked) == (1 if fault == "a change" else 2)


def test_unhealthy_nodes_end_the_question_for_the_name(world: Any, up_again: Any) -> None:
    """A failure of the one does not wait for the other's time limit."""
    world.calls.answers |= {
        "GetHealthCheckStatus": lambda _: world.refusal("AccessDenied", "no"),
        "SendCommand": lambda _: world.success(Command={"CommandId": COMMAND}),
        "GetCommandInvocation": lambda _: world.success(Status="InProgress"),
    }
    with pytest.raises(SrekvError, match="not permitted"):
        up_again(lambda target, deployment: target.run(deployment.nodes[0], "true", timeout_s=3600))
