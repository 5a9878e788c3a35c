"""A deployment that exists only in memory, and what a drill of it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from srekv.drill.context import Order
from srekv.drill.faults import entry, fault
from srekv.drill.model import Settings
from srekv.errors import SrekvError
from tests.support.drill import Log, World


@pytest.fixture
def world() -> World:
    """A healthy deployment."""
    return World()


@pytest.fixture
def order() -> Callable[..., Order]:
    """Orders a drill by its fault's name."""

    def make(name: str = "stop", **more: Any) -> Order:
        wrong = more.pop("wrong", "")
        return Order(fault=fault(entry(name), wrong=wrong), **more)

    return make


@pytest.fixture
def log() -> Log:
    """A narrator that remembers."""
    return Log()


@pytest.fixture
def settings() -> Settings:
    """Settings of a drill in real time."""
    return Settings(resolver=("127.53.0.2", 5300), port=8080, run_id="r1")


@pytest.fixture
def refuse() -> Callable[[str, BaseException], Callable[[str], None]]:
    """Makes an interrupt that raises once, at the first act whose name begins like this."""

    def make(act: str, error: BaseException) -> Callable[[str], None]:
        left = [error]

        def interrupt(name: str) -> None:
            if name.startswith(act) and left:
                raise left.pop()

        return interrupt

    return make


@pytest.fixture
def broken() -> SrekvError:
    """An error of the cloud."""
    return SrekvError("the cloud is gone")
