"""The services of the local cloud by their signing names, imported on first use or in the background.

moto's EC2 costs a second to import; everything else is served meanwhile, and a request for EC2 waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from importlib import import_module

from srekv.local.overlay.service import Service
from srekv.local.overlay.world import World


def _dynamodb(world: World) -> Service:
    if world.settings.database:
        return _forwarded(world)
    from srekv.local.overlay.dynamodb import DynamoDb

    # Its own lock: conditional writes must be atomic, and must not wait for a control plane call.
    return Service(protocol="json", make=lambda: DynamoDb(world), lock=threading.RLock())


def _forwarded(world: World) -> Service:
    from srekv.local.database import Database
    from srekv.local.overlay.forwarded import ITEM_CALLS, ForwardedDynamoDb

    database = Database(world.settings.database)
    return Service(
        protocol="json",
        make=lambda: ForwardedDynamoDb(world, database),
        lock=threading.RLock(),
        unlocked=ITEM_CALLS,
    )


def _ec2(world: World) -> Service:
    from srekv.local.overlay.ec2 import Ec2
    from srekv.local.overlay.network import load

    load(world)
    return Service(
        protocol="ec2",
        make=lambda: Ec2(world),
        lock=world.lock,
        unlocked=frozenset({"GetConsoleOutput"}),
        publishes=True,
    )


def _iam(world: World) -> Service:
    from srekv.local.overlay.iam import Iam

    return Service(protocol="query", make=Iam, lock=world.lock, publishes=True)


def _monitoring(world: World) -> Service:
    from moto.cloudwatch.responses import CloudWatchResponse

    return Service(protocol="query", make=CloudWatchResponse, lock=world.lock)


def _route53(world: World) -> Service:
    from srekv.local.overlay.route53 import ASKS_DATA_PLANE, Route53

    return Service(
        protocol="rest-xml", make=lambda: Route53(world), lock=world.lock, unlocked=ASKS_DATA_PLANE, publishes=True
    )


def _ssm(world: World) -> Service:
    from srekv.local.overlay.ssm import Ssm

    return Service(protocol="json", make=lambda: Ssm(world), lock=world.lock)


def _sts(world: World) -> Service:
    from moto.sts.responses import TokenResponse

    return Service(protocol="query", make=TokenResponse, lock=world.lock)


LOADERS: Mapping[str, Callable[[World], Service]] = {
    "iam": _iam,
    "dynamodb": _dynamodb,
    "route53": _route53,
    "sts": _sts,
    "monitoring": _monitoring,
    "ec2": _ec2,
    "ssm": _ssm,
}
"""The services served here, in the order of loading; every other one is moto's own server."""


def _load_core() -> None:
    """What moto's dispatch imports inside its functions, so that no request does; its sessions share their models."""
    from botocore.loaders import Loader

    from srekv.service_models import FileLoader

    Loader.FILE_LOADER_CLASS = FileLoader
    import_module("moto.core.request")
    import_module("moto.iam.models")


class Services:
    """The services loaded so far."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._loaded: dict[str, Service] = {}

    def get(self, name: str) -> Service | None:
        """The service of that signing name, imported if need be; None for one that is not served here."""
        if name not in LOADERS:
            return None
        if name not in self._loaded:
            with self._world.importing:
                if name not in self._loaded:
                    _load_core()
                    self._loaded[name] = LOADERS[name](self._world)
        return self._loaded[name]

    def warm(self) -> None:
        """Import everything before anybody asks for it."""
        for name in LOADERS:
            self.get(name)
