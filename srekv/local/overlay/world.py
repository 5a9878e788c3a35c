"""What the handlers of all services share: settings, the way to the data plane, the lock, and moto's backends."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from srekv.local.overlay.memory import Memory

if TYPE_CHECKING:  # importing them costs a second; annotations alone must not
    from moto.dynamodb.models import DynamoDBBackend
    from moto.ec2.models import EC2Backend
    from moto.iam.models import IAMBackend, InstanceProfile
    from moto.route53.models import Route53Backend


class Link(Protocol):
    """The way to the data plane; `srekv.local.link.ThreadLink` fulfils it."""

    def call(self, method: str, /, **params: Any) -> Any:
        """Ask and wait for the answer; raises LinkError."""

    def notify(self, method: str, /, **params: Any) -> None:
        """Tell, expecting no answer."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is fixed for the life of a local cloud.

    Attributes:
        account: the AWS account id that it plays.
        region: the Region prepared in advance; every other one works as well.
        subnet: the first three octets of the /24 it owns, for example "127.53.0".
        speed: AWS-equivalent seconds in a wall-clock second.
        cloud_id: what its ping answers.
        database: URL of the DynamoDB that its tables live in; "" for moto's.
    """

    account: str
    region: str
    subnet: str
    speed: float = 1.0
    cloud_id: str = ""
    database: str = ""


@dataclass(kw_only=True)
class World:
    """One local cloud's control plane.

    The speed in `settings` is told by the data plane, which settles it once the control plane serves.

    `lock` guards moto's backends, which were written for one thread; nobody asks the data plane while holding it.
    `importing` is held to import any part of moto: its modules import each other in circles, which two threads at once
    break.
    """

    settings: Settings
    link: Link
    memory: Memory = field(default_factory=Memory)
    lock: threading.RLock = field(default_factory=threading.RLock)
    importing: threading.RLock = field(default_factory=threading.RLock)

    def ec2(self) -> dict[str, EC2Backend]:
        """The EC2 backends of the Regions used so far."""
        return dict(self._used("moto.ec2.models", "ec2_backends"))

    def dynamodb(self) -> dict[str, DynamoDBBackend]:
        """The DynamoDB backends of the Regions used so far."""
        return dict(self._used("moto.dynamodb.models", "dynamodb_backends"))

    def cloudwatch(self) -> dict[str, Any]:
        """The CloudWatch backends of the Regions used so far."""
        return dict(self._used("moto.cloudwatch.models", "cloudwatch_backends"))

    def route53(self) -> dict[str, Route53Backend]:
        """The one Route 53 backend, or none while nothing has used it."""
        return dict(self._used("moto.route53.models", "route53_backends"))

    def iam(self) -> dict[str, IAMBackend]:
        """The one IAM backend, or none while nothing has used it."""
        return dict(self._used("moto.iam.models", "iam_backends"))

    def profiles(self) -> list[InstanceProfile]:
        """Every instance profile."""
        return [profile for backend in self.iam().values() for profile in list(backend.instance_profiles.values())]

    def _used(self, module: str, name: str) -> Iterator[tuple[str, Any]]:
        """Backends that exist; asking neither imports a service, nor waits for an import, nor creates a Region."""
        accounts = getattr(sys.modules.get(module), name, None)
        if accounts:
            yield from list(dict.items(accounts[self.settings.account]))
