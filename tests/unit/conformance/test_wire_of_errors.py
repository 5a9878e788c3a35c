"""Refusals on the wire: botocore's own parsers and retries meet them as they meet AWS's."""

from __future__ import annotations

import time
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from srekv.conformance.layer import refuse, reply
from srekv.conformance.model import Call, Raw, Refusal
from tests.support.faults import FaultyAccount, Killed

ANYWHERE = "http://127.0.0.1:9"
"""Nothing listens there: a call that is not answered by the account fails otherwise."""

LOADER = botocore.session.Session().get_component("data_loader")
"""Reads each service's model once for all clients."""

CALLS = {
    "ec2": ("describe_vpcs", {}),
    "iam": ("list_roles", {}),
    "sts": ("get_caller_identity", {}),
    "route53": ("list_hosted_zones", {}),
    "dynamodb": ("list_tables", {}),
    "ssm": ("get_parameter", {"Name": "n"}),
    "cloudwatch": ("list_dashboards", {}),
    "resourcegroupstaggingapi": ("get_resources", {}),
}
THROTTLES = {
    "ec2": (503, "RequestLimitExceeded", "Request limit exceeded."),
    "iam": (400, "Throttling", "Rate exceeded"),
    "sts": (400, "Throttling", "Rate exceeded"),
    "route53": (400, "Throttling", "Rate exceeded"),
    "dynamodb": (400, "ThrottlingException", "Rate exceeded"),
    "ssm": (400, "ThrottlingException", "Rate exceeded"),
    "cloudwatch": (400, "Throttling", "Rate exceeded"),
    "resourcegroupstaggingapi": (400, "ThrottledException", "Rate exceeded"),
}


def _client(account: FaultyAccount, service: str, attempts: int = 4) -> Any:
    core = botocore.session.Session()
    core.register_component("data_loader", LOADER)
    session = boto3.Session("AKIA", "s", region_name="us-east-1", botocore_session=core)
    account.attach(session)
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts})
    return session.client(service, endpoint_url=ANYWHERE, config=config)


def _refused(client: Any, service: str) -> tuple[int, str, str, int]:
    """Status, code and text that the caller sees, and how often botocore sent the call again."""
    method, arguments = CALLS[service]
    with pytest.raises(ClientError) as error:
        getattr(client, method)(**arguments)
    metadata = error.value.response["ResponseMetadata"]
    assert len(metadata["RequestId"]) == 36
    found = error.value.response["Error"]
    return metadata["HTTPStatusCode"], found["Code"], found["Message"], metadata["RetryAttempts"]


def _operation(service: str) -> str:
    return "".join(part.title() for part in CALLS[service][0].split("_"))


@pytest.mark.parametrize("service", CALLS)
def test_every_service_says_it_in_its_own_protocol(service: str) -> None:
    """Code, text and status arrive unchanged, markup included; and once the refusals are used up they end."""
    account = FaultyAccount(rules=())
    account.fail(_operation(service), "Some.Code", 'a <b> & "c"', 418)
    assert _refused(_client(account, service), service) == (418, "Some.Code", 'a <b> & "c"', 0)


@pytest.mark.parametrize("service", CALLS)
def test_every_service_throttles_in_its_own_words(service: str) -> None:
    """The service's own code, which botocore knows: it sends the call again as often as its mode allows, unhurt."""
    account = FaultyAccount(rules=())
    account.throttle(_operation(service), times=9)
    client = _client(account, service, attempts=8)
    begin = time.monotonic()
    assert _refused(client, service) == (*THROTTLES[service], 7)
    assert time.monotonic() - begin < 3
    assert account.operations == [_operation(service)]


def test_a_client_that_must_not_ask_again_does_not() -> None:
    """One attempt means one attempt: the account changes pauses, never botocore's decision."""
    account = FaultyAccount(rules=())
    account.throttle("DescribeVpcs", times=9)
    assert _refused(_client(account, "ec2", attempts=1), "ec2")[3] == 0


def test_modelled_exceptions_have_their_class() -> None:
    """A client can catch the exception that the service models."""
    account = FaultyAccount(rules=())
    account.fail("ListRoles", "ServiceFailure", "x", 400)
    client = _client(account, "iam")
    with pytest.raises(client.exceptions.ServiceFailureException):
        client.list_roles()


def test_an_unknown_protocol_is_told() -> None:
    """A protocol that nobody has taught is an error that names it, not a wrong answer."""
    client = _client(FaultyAccount(rules=()), "account")
    model = client.meta.service_model.operation_model("ListRegions")
    with pytest.raises(ValueError, match="rest-json of account"):
        refuse(ANYWHERE, Call("account", "ListRegions", "us-east-1", {}, model), Refusal("A", "b"))


def test_a_raw_answer_is_what_it_was() -> None:
    """Status, headers and bytes come back as they were kept."""
    answer = reply(ANYWHERE, Raw(201, {"X-Some": "thing"}, b"body"))
    assert (answer.status_code, answer.headers["x-some"], answer.content) == (201, "thing", b"body")


def test_the_n_th_call_is_refused_and_counting_can_start_anew() -> None:
    """`nth` counts the calls of an operation since `forget`; other operations do not count."""
    account = FaultyAccount(rules=())
    client = _client(account, "ec2")
    for operation in ("DescribeVpcs", "DescribeVpcs", "DescribeSubnets"):
        account.fail(operation, "First", times=1)
    account.fail("DescribeVpcs", "Third", nth=3)
    seen = []
    for method in (client.describe_vpcs, client.describe_subnets, client.describe_vpcs, client.describe_vpcs):
        with pytest.raises(ClientError) as error:
            method()
        seen.append(error.value.response["Error"]["Code"])
    assert seen == ["First", "First", "First", "Third"]
    assert account.operations == ["DescribeVpcs", "DescribeSubnets", "DescribeVpcs", "DescribeVpcs"]

    account.forget()
    account.fail("DescribeVpcs", "Again", nth=1)
    with pytest.raises(ClientError, match="Again"):
        client.describe_vpcs()
    assert account.calls == [("DescribeVpcs", {})]


def test_a_dead_process_makes_no_call() -> None:
    """Killed before a call: neither that one nor any other is made, until the faults are cleared."""
    account = FaultyAccount(rules=())
    client = _client(account, "ec2")
    account.kill_before("DescribeVpcs")
    for method in (client.describe_vpcs, client.describe_subnets):
        with pytest.raises(Killed):
            method()
    assert account.operations == []

    account.clear()
    account.fail("DescribeSubnets", "Alive")
    with pytest.raises(ClientError, match="Alive"):
        client.describe_subnets()
