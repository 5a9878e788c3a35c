"""The AWS clients of one command: low-level, made once each, safe to share between threads."""

from __future__ import annotations

import dataclasses
import difflib
import threading
from collections.abc import Sequence
from functools import cached_property, partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from botocore.config import Config as BotoConfig

from srekv.config import Config
from srekv.errors import UsageError
from srekv.provision.engine.answers import name_foreign_answer
from srekv.provision.permissions import partition_of
from srekv.service_models import ServiceModels
from srekv.sessions import new_session

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_ssm import SSMClient

GLOBAL_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}
"""By partition: Route 53's metrics and alarms live here only (aws-facts 8; elsewhere its credential scope, botocore's
endpoints). Credentials of one partition are worth nothing in another."""

_PATIENT = BotoConfig(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=16,
    user_agent_extra="srekv",
)

_FIRST = _PATIENT.merge(BotoConfig(retries={"mode": "standard", "total_max_attempts": 3}, read_timeout=8))
"""For a command's first call: an endpoint that hangs is reported after half a minute, not after three."""

_BRISK = _PATIENT.merge(
    BotoConfig(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=3, read_timeout=8)
)
"""For looks that are taken again and again: the next one is better than one that comes late."""

_ONCE = _PATIENT.merge(BotoConfig(retries={"mode": "standard", "total_max_attempts": 1}))
"""For creates that take no token: a retry after a lost answer would make a second one (aws-facts 4.2)."""


def known_regions() -> dict[str, str]:
    """The Regions of all partitions with their descriptions, as this version of botocore knows them."""
    partitions = ServiceModels(None).load_data("partitions")["partitions"]
    regions = {name: one for partition in partitions for name, one in partition["regions"].items()}
    return {name: regions[name].get("description", "") for name in sorted(regions)}


def session_for(config: Config) -> boto3.Session:
    """A session of the caller, in the Region of the target."""
    return new_session(
        region=config.region, profile=config.profile, access_key=config.access_key, secret_key=config.secret_key
    )


def refuse_unknown_region(region: str) -> None:
    """Refuse a Region that does not exist before anything is asked there: its endpoints would not resolve.

    Raises:
        UsageError: botocore's list of partitions does not have it.
    """
    known = list(known_regions())
    if region not in known:
        raise UsageError(
            f"--region {region} is no AWS Region that this version of boto3 knows",
            why="nothing was called",
            next_step=f"did you mean {_nearest(region, known)}? (for a newer Region: pip install --upgrade boto3)",
        )


def _nearest(region: str, known: Sequence[str]) -> str:
    """The most similar Region; of several the one that begins alike: us-esat-1 is us-east-1, not us-west-1."""

    def likeness(other: str) -> tuple[float, int]:
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(region, other, strict=False))
        return difflib.SequenceMatcher(None, region, other).ratio(), len(tuple(alike))

    return max(known, key=likeness)


def _client(service: str, config: BotoConfig | None = None) -> Any:
    """A member of `Clients` that is made when it is first used; `config`: instead of the usual time limits."""
    return cached_property(lambda clients: clients._make(service, config=config))


class Clients:
    """One lazily made client per service.

    A botocore session is not safe between threads, so making a client is serialised; a made client may be shared.

    Args:
        config: the target and the credentials.
        session: makes the clients, instead of a new session; its events are its owner's.
    """

    def __init__(self, config: Config, session: boto3.Session | None = None) -> None:
        self._patience = _PATIENT
        self._lock = threading.RLock()
        self._config = config
        self.session = session or session_for(config)
        self.region = config.region

    def elsewhere(self, region: str) -> Clients:
        """The same account in another Region: by the same session, which has read the services' models."""
        return self._with(dataclasses.replace(self._config, region=region), self._patience)

    def brisk(self) -> Clients:
        """The same by clients that give up soon."""
        return self._with(self._config, _BRISK)

    def _with(self, config: Config, patience: BotoConfig) -> Clients:
        others = Clients(config, self.session)
        others._lock, others._patience = self._lock, patience
        return others

    def _make(self, service: str, *, region: str | None = None, config: BotoConfig | None = None) -> Any:
        try:
            with self._lock:
                client = self.session.client(  # type: ignore[call-overload]
                    service,
                    region_name=region or self.region,
                    endpoint_url=self._config.endpoint,
                    config=config or self._patience,
                )
        except ValueError as error:
            raise UsageError(
                f"there is no client for {service}", why=str(error), next_step="correct AWS_ENDPOINT_URL"
            ) from error
        listener = partial(name_foreign_answer, client.meta.endpoint_url)
        client.meta.events.register("before-parse", listener, unique_id="srekv-foreign-answer")
        return client

    @property
    def global_region(self) -> str:
        """Where Route 53 publishes its metrics, for Regions of this one's partition."""
        return GLOBAL_REGIONS[partition_of(self.region)]

    ec2: EC2Client = _client("ec2")
    ec2_once: EC2Client = _client("ec2", _ONCE)
    """For AllocateAddress."""
    iam: IAMClient = _client("iam")
    iam_first: IAMClient = _client("iam", _FIRST)
    """For the first call of a command."""
    dynamodb: DynamoDBClient = _client("dynamodb")
    dynamodb_once: DynamoDBClient = _client("dynamodb", _ONCE)
    """For CreateBackup."""
    route53: Route53Client = _client("route53")
    ssm: SSMClient = _client("ssm")
    cloudwatch: CloudWatchClient = _client("cloudwatch")
    resolver: Any = _client("route53resolver")
    sts: Any = _client("sts")

    @cached_property
    def cloudwatch_global(self) -> CloudWatchClient:
        """CloudWatch where Route 53 publishes its metrics."""
        return self._make("cloudwatch", region=self.global_region)  # type: ignore[no-any-return]
