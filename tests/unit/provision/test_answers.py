"""AWS's answers for a person: each failure says what to do, "not there" is told from "no"."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError, create_parser
from botocore.session import get_session

from srekv.errors import SrekvError, UsageError
from srekv.provision.engine.answers import (
    ABSENT,
    explain,
    ignore_missing,
    is_absent,
    is_lost,
    is_unknown_operation,
    name_foreign_answer,
    or_none,
)


def refusal(code: str, operation: str = "DoIt", message: str = "because") -> aws.ClientError:
    """A service's refusal."""
    return aws.ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}}, operation)  # type: ignore[typeddict-item]


def raising(error: Exception) -> Any:
    """A call that fails so."""

    def call(**_: Any) -> Any:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "what", "next_step"),
    [
        (refusal("ExpiredToken"), "the credentials have expired", "aws sso login"),
        (refusal("RequestExpired"), "the credentials have expired", "aws sso login"),
        (refusal("ExpiredTokenException"), "the credentials have expired", "aws sso login"),
        (refusal("AuthFailure"), "does not accept these credentials", "check the keys"),
        (refusal("UnrecognizedClientException"), "does not accept these credentials", "Region is enabled"),
        (refusal("SignatureDoesNotMatch"), "refused the signature", "clock"),
        (refusal("AccessDenied"), "not permitted", "DoIt"),
        (refusal("UnauthorizedOperation"), "not permitted", "DoIt"),
        (refusal("AddressLimitExceeded"), "failed: doing", "5 per Region"),
        (refusal("TooManyHealthChecks"), "failed: doing", "200 by default"),
        (refusal("AuthFailure", "ReleaseAddress"), "failed: doing", ""),
        (aws.NoCredentialsError(), "no AWS credentials", "aws configure"),
        (aws.ProfileNotFound(profile="x"), "(x) could not be found", "list-profiles"),
        (aws.UnauthorizedSSOTokenError(), "SSO session", "aws sso login"),
        (aws.NoRegionError(), "no AWS Region", "--region"),
        (aws.EndpointConnectionError(endpoint_url="http://x"), "no answer from AWS", "AWS_ENDPOINT_URL"),
        (aws.ReadTimeoutError(endpoint_url="http://x"), "no answer from AWS", "network"),
        (ResponseParserError("Unable to parse\n<html>"), "no proper answer from AWS", "HTTPS_PROXY"),
        (aws.ParamValidationError(report="Name too long"), "failed: doing", ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_failure_is_explained(error: Exception, what: str, next_step: str) -> None:
    """What happened in the first line, the service's own words after it, and where one can help, what to do."""
    explained = explain(error, "doing")
    assert what in explained.what
    assert next_step in str(explained.next_step)
    assert "<html>" not in str(explained)
    if isinstance(error, aws.ClientError):
        assert explained.why.endswith("because")


@pytest.mark.parametrize(
    "code", ["SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired", "AuthFailure"]
)
@pytest.mark.parametrize(("minutes", "said"), [(-7, "clock is 7 minutes behind"), (9, "clock is 9 minutes ahead")])
def test_a_clock_that_is_off(code: str, minutes: int, said: str) -> None:
    """The answer's own date tells a wrong clock from a wrong key: how far it is off, and how to set it."""
    error = refusal(code)
    error.response["ResponseMetadata"]["HTTPHeaders"] = {"date": formatdate(time.time() - 60 * minutes, usegmt=True)}
    explained = explain(error, "doing")
    assert said in explained.what
    assert "timedatectl" in str(explained.next_step)


@pytest.mark.parametrize("date", ["", "yesterday", None])
def test_a_clock_that_nobody_can_tell(date: str | None) -> None:
    """Without a date, or with one that is right, the refusal is about the keys."""
    error = refusal("SignatureDoesNotMatch")
    error.response["ResponseMetadata"]["HTTPHeaders"] = {"date": formatdate(usegmt=True) if date is None else date}
    assert "refused the signature" in explain(error, "doing").what


def test_usage_and_own_errors() -> None:
    """A wrong profile is a usage error; an error that is explained already stays as it is; others are not hidden."""
    assert isinstance(explain(aws.ProfileNotFound(profile="x"), "doing"), UsageError)
    own = SrekvError("own")
    assert explain(own, "doing") is own
    with pytest.raises(ZeroDivisionError):
        explain(ZeroDivisionError(), "doing")


@pytest.mark.parametrize("code", sorted(ABSENT))
def test_not_there(code: str) -> None:
    """Every code that means absence makes `or_none` answer None and `ignore_missing` be content."""
    assert is_absent(refusal(code))
    assert or_none(raising(refusal(code))) is None
    ignore_missing(raising(refusal(code)))


def test_another_no_is_not_absence() -> None:
    """A denial must never be taken for "it is not there"."""
    for call in (or_none, ignore_missing):
        with pytest.raises(aws.ClientError):
            call(raising(refusal("AccessDenied")))


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("InvalidAction", 400, "The action DoIt is not valid for this web service."),
        ("UnknownOperationException", 400, ""),
        ("InvalidInput", 400, "Unknown Route53 endpoint: GET /2013-04-01/checkeripranges"),
        ("InternalFailure", 501, "No moto route for service route53 on path /2013-04-01/checkeripranges found."),
        ("NotImplemented", 501, ""),
        ("404", 404, "Not Found"),
    ],
)
def test_an_operation_that_the_endpoint_lacks(code: str, status: int, message: str) -> None:
    """In whatever words: it is no absence, nothing was done, and the error names the operation."""
    told: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = aws.ClientError(told, "DoIt")
    assert is_unknown_operation(error)
    assert not is_absent(error)
    assert not is_lost(error)
    explained = explain(error, "doing")
    assert explained.what == "the endpoint does not have DoIt: doing"
    assert "AWS_ENDPOINT_URL" in str(explained.next_step)


@pytest.mark.parametrize("code", ["InvalidInput", "InternalFailure", "ServiceUnavailable", "NoSuchHostedZone"])
def test_other_refusals_are_of_an_operation_that_is_there(code: str) -> None:
    """A fault, a wrong argument and an absence are no missing operation."""
    assert not is_unknown_operation(refusal(code))


OF_EACH_PROTOCOL = pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("ec2", "DescribeInstances"),
        ("iam", "GetRole"),
        ("route53", "GetCheckerIpRanges"),
        ("dynamodb", "DescribeTable"),
        ("cloudwatch", "ListDashboards"),
    ],
)


def _named(service: str, operation: str, status: int, body: bytes) -> tuple[Any, dict[str, Any]]:
    """Botocore's model of a service, and an answer of it as `name_foreign_answer` leaves it."""
    model: Any = get_session().get_service_model(service)
    response = {"status_code": status, "body": body, "headers": {}}
    name_foreign_answer("http://x", operation_model=model.operation_model(operation), response_dict=response)
    return model, response


@pytest.mark.parametrize("status", [400, 404, 501, 503])
@pytest.mark.parametrize("body", [b"<!DOCTYPE html><html><h1>Not &amp; here<br></html>", b"not here", b""])
@OF_EACH_PROTOCOL
def test_a_page_in_place_of_an_error(service: str, operation: str, body: bytes, status: int) -> None:
    """What a proxy or a web server says is an error with its status for a code, so that the operation is named."""
    model, response = _named(service, operation, status, body)
    parsed = create_parser(model.resolved_protocol).parse(response, None)
    assert parsed["Error"]["Code"] == str(status)
    assert parsed["Error"]["Message"].startswith("http://x answered: ")
    assert "<" not in parsed["Error"]["Message"]


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><br>", b'<?xml version="1.0"?>\n<html><p>Log in</p></html>', b"It works", b""]
)
@OF_EACH_PROTOCOL
def test_a_page_in_place_of_an_answer(service: str, operation: str, body: bytes) -> None:
    """One that botocore would read as an answer without members is an error that names operation and endpoint."""
    with pytest.raises(ResponseParserError, match=f"^{operation}: 200: http://x answered: "):
        _named(service, operation, 200, body)


@pytest.mark.parametrize("status", [200, 404])
def test_an_error_of_aws_stays_as_it_is(status: int) -> None:
    """Only what is not AWS's is put into words."""
    body = b"<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>"
    assert _named("iam", "GetRole", status, body)[1]["body"] == body


@pytest.mark.parametrize(
    ("code", "status", "lost"),
    [
        ("InternalError", 500, True),
        ("RequestLimitExceeded", 503, False),
        ("InsufficientInstanceCapacity", 500, False),
        ("InvalidParameterValue", 400, False),
    ],
)
def test_lost_or_refused(code: str, status: int, *, lost: bool) -> None:
    """A fault of AWS's own may have had an effect; a refusal had none, whatever its HTTP status; a lost answer may."""
    error = refusal(code)
    error.response["ResponseMetadata"]["HTTPStatusCode"] = status
    assert is_lost(error) == lost
    assert is_lost(aws.ConnectionClosedError(endpoint_url="https://ec2"))
