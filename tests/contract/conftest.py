"""An ordinary moto server, and an empty account on it for each test, as kind as moto or as strict as AWS."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.support.moto import Gate, application, serve
from tests.support.world import World


@pytest.fixture(scope="session")
def gate() -> Gate:
    """Moto's application, behind a gate."""
    return application()


@pytest.fixture(scope="session")
def moto_server(gate: Gate) -> Iterator[str]:
    """The URL of an ordinary moto server in this process."""
    with serve(gate) as url:
        yield url


@pytest.fixture(scope="session")
def _world(moto_server: str, gate: Gate) -> Iterator[World]:
    world = World(moto_server, gate)
    world.reset()  # a strict world of this process has the same server
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
