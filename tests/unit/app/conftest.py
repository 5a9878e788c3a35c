"""The application over a store in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from srekv.app.faults import FaultyStore
from srekv.app.metrics import Metrics
from srekv.app.model import Store
from srekv.app.routes import create_app
from tests.support.memory_store import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


@pytest.fixture
def build() -> Callable[..., FlaskClient]:
    """Makes a client of the application, with a file of faults; it is stopping already, so that nothing hangs."""

    def make(store: Store, faults: str = "", metrics: Metrics | None = None) -> FlaskClient:
        stopping = threading.Event()
        stopping.set()
        return create_app(FaultyStore(store, faults), "az1", stopping, metrics or Metrics()).test_client()

    return make


@pytest.fixture
def client(store: MemoryStore, build: Callable[..., FlaskClient]) -> FlaskClient:
    """A client of the application over that store, without faults."""
    return build(store)
