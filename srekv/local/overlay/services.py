"""The services of the local cloud by their signing names, imported on first use or in the background.

A method of a service's class is one operation of AWS: where AWS refuses, it raises ApiError, with the code and text of
the row of aws-recorded that its docstring names. moto's EC2 costs a second to import; everything else is served
meanwhile, and a request for EC2 waits for it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from srekv.local.overlay.errors import Protocol
from srekv.local.overlay.world import World

ITEM_CALLS = (
    *("BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan"),
    *("TransactGetItems", "TransactWriteItems", "UpdateItem"),
)
"""Of DynamoDB; a database of its own sees to their order."""


class Service:
    """How one service is served.

    Args:
        world: the control plane.
        place: module and class of moto's response object, or of ours below it.
        protocol: the shape of its errors.
        unlocked: actions that wait for the data plane or a database and lock for themselves.
        publishes: whether its changes concern the data plane.
        lock: guards its backend; the world's without one of its own.
    """

    def __init__(
        self,
        world: World,
        place: str,
        protocol: Protocol,
        *,
        unlocked: Iterable[str] = (),
        publishes: bool = False,
        lock: threading.RLock | None = None,
    ) -> None:
        self._world = world
        self._place = place
        self._class: Any = None
        self.protocol = protocol
        self.unlocked = frozenset(unlocked)
        self.publishes = publishes
        self.lock = lock or world.lock

    def load(self) -> None:
        """Import it; for EC2, read the API model and the default Region too, while no lock is held."""
        if self._class is None:
            module, _, name = self._place.rpartition(".")
            self._class = getattr(import_module(module), name)
            if self.protocol == "ec2":
                import_module("moto.core.utils").get_service_model("ec2")
                settings = self._world.settings
                _ = import_module("moto.ec2.models").ec2_backends[settings.account][settings.region]

    def make(self) -> Any:
        """A fresh response object of moto's for one request."""
        response = self._class()
        response.world = self._world
        return response


class Services:
    """The services served here, in the order of loading; every other one is moto's own server."""

    def __init__(self, world: World) -> None:
        self._world = world
        ours = "srekv.local.overlay"
        # DynamoDB's own lock: conditional writes must be atomic, and must not wait for a control plane call.
        dynamodb = (
            Service(world, f"{ours}.forwarded.ForwardedDynamoDb", "json", unlocked=ITEM_CALLS, lock=threading.RLock())
            if world.settings.database
            else Service(world, f"{ours}.dynamodb.DynamoDb", "json", lock=threading.RLock())
        )
        asks_checkers = ("GetHealthCheckStatus", "GetHealthCheckLastFailureReason")
        self._served = {
            "iam": Service(world, f"{ours}.iam.Iam", "query", publishes=True),
            "dynamodb": dynamodb,
            "route53": Service(world, f"{ours}.route53.Route53", "rest-xml", unlocked=asks_checkers, publishes=True),
            "sts": Service(world, "moto.sts.responses.TokenResponse", "query"),
            "monitoring": Service(world, "moto.cloudwatch.responses.CloudWatchResponse", "query"),
            "ec2": Service(world, f"{ours}.ec2.Ec2", "ec2", unlocked=("GetConsoleOutput",), publishes=True),
            "ssm": Service(world, f"{ours}.ssm.Ssm", "json"),
        }
        self._loaded: dict[str, Service] = {}

    def get(self, name: str) -> Service | None:
        """The service of that signing name, imported if need be; None for one that is not served here."""
        if name in self._served and name not in self._loaded:
            with self._world.importing:
                _load_core()
                self._served[name].load()
                self._loaded[name] = self._served[name]
        return self._loaded.get(name)

    def warm(self) -> None:
        """Import everything before anybody asks for it, with the garbage collector at rest.

        Loading makes a million objects that live for ever; collecting among them again and again took as long as the
        loading itself (1.8 s instead of 1.0 s, measured). Frozen, they cost later collections nothing either.
        """
        gc.disable()
        for name in self._served:
            self.get(name)
        gc.freeze()
        gc.enable()


def _load_core() -> None:
    """What moto's dispatch imports inside its functions, so that no request does; its sessions share their models."""
    from botocore.loaders import Loader

    from srekv.service_models import FileLoader

    Loader.FILE_LOADER_CLASS = FileLoader
    import_module("moto.core.request")
    import_module("moto.iam.models")
