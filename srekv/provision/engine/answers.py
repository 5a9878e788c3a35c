"""AWS's answers, read in one place: what means "not there", and what a refusal says to a person."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from srekv.errors import Advice, SrekvError, UsageError
from srekv.provision.engine import denial

FAILURES = (ClientError, BotoCoreError, ResponseParserError)
"""All that an AWS call raises."""

T = TypeVar("T")

ABSENT = frozenset(
    {
        *("NoSuchEntity", "ResourceNotFoundException", "BackupNotFoundException"),  # IAM (aws-facts 4.7), DynamoDB (B3)
        *("NoSuchHostedZone", "NoSuchHealthCheck"),  # Route 53 (R12, R42)
        *("ResourceNotFound", "DashboardNotFoundError"),  # CloudWatch
        # EC2, see E10, E15, E27 and E35
        *("InvalidInstanceID.NotFound", "InvalidAllocationID.NotFound", "InvalidAssociationID.NotFound"),
        *("InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidPermission.NotFound", "InvalidKeyPair.NotFound"),
        *("InvalidVpcID.NotFound", "InvalidSubnetID.NotFound", "InvalidVolume.NotFound"),
    }
)
"""Error codes that say "it is not there"."""

EXPIRED = frozenset({"RequestExpired", "ExpiredToken", "ExpiredTokenException"})
"""All three mean that the session's credentials have expired (C1)."""

INVALID_KEYS = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "OptInRequired"})
"""A bad key, or a Region that is not enabled (C2, C4)."""

SKEWED = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"})

UNKNOWN_OPERATION = frozenset(
    {
        *("InvalidAction", "UnknownOperation", "UnknownOperationException"),
        *("NotImplemented", "NotImplementedError", "NotImplementedException"),
        # an error without an error of AWS's in it: botocore takes the status for its code
        *("400", "404", "405", "501"),
    }
)
"""What an endpoint says of an operation that it does not have: AWS's words, and those of emulators and proxies."""

_UNKNOWN = re.compile(r"unknown \w+ (endpoint|action|operation)", re.IGNORECASE)
"""MiniStack 1.5.33 answers InvalidInput: Unknown Route53 endpoint: GET /2013-04-01/checkeripranges."""

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""IAM said no (R17, E14, S5)."""

THROTTLED = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException"})
"""Too many calls; said before anything is done."""

FOREIGN_NEXT = (
    "check AWS_ENDPOINT_URL, HTTPS_PROXY and NO_PROXY, and whether this network wants a login in a browser first; "
    "if it was AWS, run the command again"
)

LOCAL_NEXT = "check that what serves this address still runs (srekv local status), and AWS_ENDPOINT_URL"
NETWORK_NEXT = "check the network, the Region and AWS_ENDPOINT_URL"

QUOTA_NEXT = {
    "AddressLimitExceeded": "release an Elastic IP you do not need, or raise the quota (5 per Region by default)",
    "VcpuLimitExceeded": "end instances you do not need, choose a smaller --instance-type, or raise the vCPU quota",
    "TooManyHealthChecks": "delete health checks you do not need, or raise the quota (200 by default)",
    "InsufficientInstanceCapacity": "try again later, or choose other zones (--azs) or another --instance-type",
    "RulesPerSecurityGroupLimitExceeded": "give fewer --allow-cidr, or raise the quota (60 rules per group)",
    "PendingVerification": "wait: AWS is still validating this account for this Region",
}


def code_of(error: Exception) -> str:
    """The service's error code, or "" for errors that are not a service's answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def message_of(error: Exception) -> str:
    """The service's message, or the exception's text."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Message") or "") or str(error)
    return str(error)


def clock_error_s(error: ClientError) -> float:
    """How many seconds this machine's clock is ahead of the one that answered, by the answer's Date; 0 if unknown."""
    date = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return 0


def is_absent(error: Exception) -> bool:
    """Whether the answer means that the thing asked for is not there."""
    return code_of(error) in ABSENT


def is_unknown_operation(error: Exception) -> bool:
    """Whether the endpoint does not have the operation: then nothing was done, and nothing is known of the thing."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return (
        code_of(error) in UNKNOWN_OPERATION
        or status == HTTPStatus.NOT_IMPLEMENTED
        or bool(_UNKNOWN.search(message_of(error)))
    )


def or_none(call: Callable[..., T], **arguments: Any) -> T | None:
    """The call's answer, or None when the thing asked for is not there."""
    try:
        return call(**arguments)
    except ClientError as error:
        if is_absent(error):
            return None
        raise


def is_lost(error: Exception) -> bool:
    """Whether the call may have taken effect although its answer did not come, or said only that AWS had a fault."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 and code_of(error) not in THROTTLED | set(QUOTA_NEXT) and not is_unknown_operation(error)
    return isinstance(error, aws.ConnectionError | aws.HTTPClientError | ResponseParserError)


def ignore_missing(call: Callable[..., object], **arguments: Any) -> None:
    """Make a deleting call; a thing that is already gone is fine."""
    try:
        call(**arguments)
    except ClientError as error:
        if not is_absent(error):
            raise


def is_about_one(error: SrekvError) -> bool:
    """Whether a failure is about one thing, so that calls about others may succeed; a missing answer is not."""
    cause, of_every_call = error.__cause__, EXPIRED | SKEWED | INVALID_KEYS
    return cause is None or (isinstance(cause, ClientError) and code_of(cause) not in of_every_call)


def explain(error: Exception, doing: str) -> SrekvError:
    """Any failure of an AWS call as an error for a person; `doing`: for example "creating the table SREKeyValue"."""
    if isinstance(error, SrekvError):
        return error
    if isinstance(error, ClientError):
        code, message = code_of(error), message_of(error)
        what, next_step = _read(error)
        said = denial.sentence(message) if code in DENIED else message
        return SrekvError(f"{what}: {doing}", why=f"{error.operation_name}: {code}: {said}", next_step=next_step)
    if isinstance(error, aws.ProfileNotFound):
        return UsageError(str(error), next_step="aws configure list-profiles")
    if isinstance(error, aws.NoRegionError):
        return UsageError("no AWS Region is known", next_step="--region us-east-1")
    for kinds, what, next_step in _WITHOUT_ANSWER:
        if isinstance(error, kinds):
            why = str(error).partition("\n")[0] if isinstance(error, ResponseParserError) else str(error)
            step = LOCAL_NEXT if next_step == NETWORK_NEXT and "//127." in why else next_step
            return SrekvError(f"{what}: {doing}", why=why, next_step=step)
    raise error


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Raise any failure of the AWS calls inside as `explain` words it."""
    try:
        yield
    except FAILURES as error:
        raise explain(error, doing) from error


_KEYS_NEXT = "aws configure, aws sso login, or --profile NAME"
_WITHOUT_ANSWER: tuple[tuple[tuple[type[Exception], ...], str, str], ...] = (
    ((aws.NoCredentialsError, aws.PartialCredentialsError), "no AWS credentials", _KEYS_NEXT),
    ((aws.SSOError, aws.TokenRetrievalError), "the SSO session is not valid", "aws sso login"),
    ((aws.ConnectionError, aws.HTTPClientError), "no answer from AWS", NETWORK_NEXT),
    ((ResponseParserError,), "no proper answer from AWS", FOREIGN_NEXT),
    ((BotoCoreError,), "failed", ""),
)
"""What botocore raises when no service has answered, what happened, and what to do; the first that fits."""


def _read(error: ClientError) -> tuple[str, Advice]:
    """What happened, and what to do."""
    code, operation, off = code_of(error), error.operation_name, clock_error_s(error)
    # AWS takes signatures that are up to five minutes old; each of these codes has other causes too (C1-C3).
    if code in SKEWED | EXPIRED | {"AuthFailure"} and abs(off) > 240:
        way = "behind" if off < 0 else "ahead of"
        return (
            f"this machine's clock is {abs(off) / 60:.0f} minutes {way} AWS's",
            "set the clock (timedatectl set-ntp true), then run the command again",
        )
    if code in EXPIRED:
        return "the credentials have expired", "aws sso login, or renew the keys"
    if code in SKEWED:
        return "AWS refused the signature", "check the secret key and this machine's clock"
    # Where a service of AWS's, such as a NAT gateway, has an address, these two calls return AuthFailure too (E24).
    keys_refused = code == "AuthFailure" and operation not in {"DisassociateAddress", "ReleaseAddress"}
    if code in INVALID_KEYS or keys_refused:
        next_step = "check the keys, and that the Region is enabled for the account"
        return "AWS does not accept these credentials here", next_step
    if code in DENIED:
        return "not permitted", denial.advice(operation, message_of(error))
    if is_unknown_operation(error):
        next_step = "use AWS itself, or an emulator that has it: AWS_ENDPOINT_URL names it"
        return f"the endpoint does not have {operation}", next_step
    if code.isdecimal():  # there was no error of AWS's in it: botocore takes the status for its code
        return "no proper answer from AWS", FOREIGN_NEXT
    return "failed", QUOTA_NEXT.get(code, "")


_PAGE = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!doctype\s+html|<html)\b", re.IGNORECASE)
"""How a web page begins; one that is XML would be read as an answer without members."""


def name_foreign_answer(endpoint: str, *, operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Listens to botocore's before-parse: what is not AWS's, such as a proxy's page, is reported as that.

    Of a page botocore makes an exception that names neither operation nor endpoint, or an answer without members. An
    error page becomes an error of AWS's form, with its status for a code.

    Raises:
        ResponseParserError: the page has the status of a success.
    """
    status, body = response_dict["status_code"], response_dict["body"]
    if not isinstance(body, bytes) or not _is_foreign(operation_model, status, body):
        return
    text = " ".join(re.sub(r"<[^>]*>", " ", body.decode("utf-8", "replace")).split())[:200]
    said = f"{endpoint} answered: {text or 'nothing'}"
    if status < HTTPStatus.MULTIPLE_CHOICES:
        raise ResponseParserError(f"{operation_model.name}: {status}: {said}")
    protocol = operation_model.service_model.resolved_protocol
    if "cbor" in protocol:  # a map of one text with a length of two bytes
        response_dict["body"] = b"\xa1\x67message\x79" + len(said.encode()).to_bytes(2) + said.encode()
    elif "json" in protocol:
        response_dict["body"] = json.dumps({"message": said}).encode()
    else:
        error = f"<Code>{status}</Code><Message>{html.escape(said)}</Message>"
        response_dict["body"] = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()


def _is_foreign(operation_model: Any, status: int, body: bytes) -> bool:
    """Whether an answer has not the form that its service's answers have."""
    protocol, shape = operation_model.service_model.resolved_protocol, operation_model.output_shape
    if not body.strip():
        return status >= HTTPStatus.MULTIPLE_CHOICES or bool(shape and shape.members)
    if "cbor" in protocol:
        return body[0] >> 5 != 5  # the major type of a map (RFC 8949 section 3.1)
    if "json" in protocol:
        return not body.lstrip().startswith(b"{")
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        return b"<Code>" not in body
    return not body.lstrip().startswith(b"<") or bool(_PAGE.match(body))
