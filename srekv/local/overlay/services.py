"""The services of the local cloud by their signing names, imported on first use or in the background.

A method of a service's class is one operation of AWS: where AWS refuses, it raises ApiError, with the code and text of
the row of aws-recorded that its docstring names. moto's EC2 costs a second to import; everything else is served
meanwhile, and a request for EC2 waits for it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from srekv.local.overlay.errors import Protocol
from srekv.local.overlay.world import World

ITEM_CALLS = (
    *("BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan"),
    *("TransactGetItems", "TransactWriteItems", "UpdateItem"),
)
"""Of DynamoDB; a database of its own sees to their order."""


@dataclass
class Service:
    """How one service is served."""

    place: str  # module and class of moto's response object, or of ours below it
    protocol: Protocol  # the shape of its errors
    unlocked: Collection[str] = ()  # actions that wait for the data plane or a database and lock for themselves
    publishes: bool = False  # whether its changes concern the data plane
    lock: threading.RLock | None = None  # guards its backend instead of the world's
    response: Any = None  # the class at `place` once it is imported: one object for each request


class Services:
    """The services served here, in the order of loading; every other one is moto's own server."""

    def __init__(self, world: World) -> None:
        self._world = world
        ours = "srekv.local.overlay"
        # DynamoDB's own lock: conditional writes must be atomic, and must not wait for a control plane call.
        if world.settings.database:
            dynamodb = Service(f"{ours}.forwarded.ForwardedDynamoDb", "json", ITEM_CALLS, lock=threading.RLock())
        else:
            dynamodb = Service(f"{ours}.dynamodb.DynamoDb", "json", lock=threading.RLock())
        asks_checkers = ("GetHealthCheckStatus", "GetHealthCheckLastFailureReason")
        self._served = {
            "iam": Service(f"{ours}.iam.Iam", "query", publishes=True),
            "dynamodb": dynamodb,
            "route53": Service(f"{ours}.route53.Route53", "rest-xml", asks_checkers, publishes=True),
            "sts": Service("moto.sts.responses.TokenResponse", "query"),
            "monitoring": Service("moto.cloudwatch.responses.CloudWatchResponse", "query"),
            "ec2": Service(f"{ours}.ec2.Ec2", "ec2", ("GetConsoleOutput",), publishes=True),
            "ssm": Service(f"{ours}.ssm.Ssm", "json"),
        }

    def get(self, name: str) -> Service | None:
        """The service of that signing name, imported if need be; None for one that is not served here."""
        service = self._served.get(name)
        if service and not service.response:
            with self._world.importing:
                # What moto's dispatch imports inside its functions, so that no request does; its sessions share models.
                from botocore.loaders import Loader

                from srekv.service_models import FileLoader

                Loader.FILE_LOADER_CLASS = FileLoader
                import_module("moto.core.request")
                import_module("moto.iam.models")
                module, _, class_name = service.place.rpartition(".")
                response = getattr(import_module(module), class_name)
                if name == "ec2":  # the API model and the default Region too, while no lock is held
                    import_module("moto.core.utils").get_service_model("ec2")
                    settings = self._world.settings
                    _ = import_module("moto.ec2.models").ec2_backends[settings.account][settings.region]
                service.response = response
        return service

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
