"""Law 2 in full: `up` and `down` stopped at every mutating call in four ways, in an account as strict as AWS."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from srekv.errors import SrekvError
from tests.support.mutating_calls import DOWN, DOWN_RICH, UP, UP_RICH

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(300)]

FAULTS = ("killed before", "killed after", "answer lost", "throttled 3 times")

RICH = {"alarms": 3, "dashboards": 1, "key pairs": 1, "security group rules": 23}
"""What there is besides with `--alarms --create-key`: one rule more, for SSH."""


@dataclass(frozen=True)
class Cell:
    """One fault at one call; `rich`: only a stack with alarms and a key pair makes that call."""

    command: str
    operation: str
    number: int
    fault: str
    rich: bool


def _cells(command: str, plain: dict[str, int], rich: dict[str, int]) -> list[Any]:
    return [
        pytest.param(Cell(command, operation, number, fault, operation in rich), id=f"{operation}-{number}-{fault}")
        for operation, times in sorted((plain | rich).items())
        for number in range(1, times + 1)
        for fault in FAULTS
    ]


class Striker:
    """Lets something happen to the n-th call of an operation that takes effect, counted from 1."""

    def __init__(self, world: Any, cell: Cell) -> None:
        self._account = world.account
        self._operation = cell.operation
        self._left = cell.number - 1
        self._fault = cell.fault
        self._lock = threading.Lock()
        self.struck = False

    def arm(self) -> None:
        """Plan it as soon as all the calls before have taken effect."""
        if self._left:
            return
        strike: dict[str, Callable[[str], None]] = {
            "killed before": self._account.kill_before,
            "killed after": self._account.kill_after,
            "answer lost": self._account.lose_answer,
            "throttled 3 times": self._account.throttle,
        }
        self.struck = True
        strike[self._fault](self._operation)

    def heard(self, *, model: Any, http_response: Any, **_: Any) -> None:
        """Listens to botocore's after-call."""
        with self._lock:
            if model.name == self._operation and http_response.status_code < 300 and self._left:
                self._left -= 1
                self.arm()


@pytest.fixture
def befall(strict: Any, cell: Cell) -> Callable[[Callable[[], object]], None]:
    """Runs a command with the cell's fault at its call; a throttled one must get through."""

    def run(work: Callable[[], object]) -> None:
        striker = Striker(strict, cell)
        strict.calls.listeners["after-call"] = striker.heard
        striker.arm()
        try:
            if cell.fault.startswith("killed"):
                with pytest.raises(strict.Killed):
                    work()
            elif cell.fault == "answer lost":
                _tolerant(work)
            else:
                work()
        finally:
            strict.calls.listeners.clear()
        assert striker.struck, f"{cell.operation} {cell.number} was never made"
        strict.account.clear()

    return run


def _tolerant(work: Callable[[], object]) -> None:
    """It may get through, or say what happened: botocore asks again only where it thinks that safe."""
    try:
        work()
    except SrekvError as error:
        assert error.why  # noqa: PT017 - it need not fail


@pytest.fixture
def settings(
    strict: Any, cell: Cell, tmp_path: Path, record_property: Callable[[str, object], None]
) -> tuple[dict[str, Any], dict[str, int]]:
    """The options of `up`, and what there is then; the moments of the account's rules differ from cell to cell."""
    name = (cell.command, cell.operation, cell.number, cell.fault)
    record_property("cell", name)
    strict.account.seed = zlib.crc32(repr(name).encode())
    strict.reset()
    if cell.rich:
        return {"alarms": True, "create_key": str(tmp_path / "key.pem")}, strict.WHOLE | RICH
    return {}, strict.WHOLE


@pytest.mark.parametrize("cell", _cells("up", UP, UP_RICH))
def test_up_is_stopped(strict: Any, befall: Callable[..., None], settings: Any) -> None:
    """`up` again: one of everything, and nothing left to do; `down`: nothing."""
    given, whole = settings
    befall(lambda: strict.up(**given))

    strict.up(**given)

    _is_whole(strict, given, whole)
    _is_removed(strict)


@pytest.mark.parametrize("cell", _cells("down", DOWN, DOWN_RICH))
def test_down_is_stopped(strict: Any, befall: Callable[..., None], settings: Any) -> None:
    """`down` again: nothing; or `up` again: one of everything, and nothing left to do; `down`: nothing."""
    given, whole = settings
    strict.up(**given)
    befall(strict.down)
    _is_removed(strict)

    _forget_key(given)
    strict.up(**given)
    befall(strict.down)
    if "key pairs" not in strict.census():
        _forget_key(given)
    strict.up(**given)

    _is_whole(strict, given, whole)
    _is_removed(strict)


def _forget_key(given: dict[str, Any]) -> None:
    """The user puts the private key of a key pair that is gone out of the way, as `up` asks for."""
    if "create_key" in given:
        Path(given["create_key"]).unlink()


def _is_whole(world: Any, given: dict[str, Any], whole: dict[str, int]) -> None:
    """One of everything, tagged, pointing at each other; one more `up` changes nothing."""
    assert world.census() == whole
    listing = world.listing()
    assert _untagged(listing) == []
    addresses = {one["PublicIp"]: one.get("InstanceId") for one in listing["addresses"]}
    assert set(addresses.values()) == {one["InstanceId"] for one in listing["instances"]}
    checks = {one["Id"]: one["HealthCheckConfig"]["IPAddress"] for one in listing["checks"]}
    records = [one for one in listing["records"] if one.get("Failover")]
    pointing = {one["HealthCheckId"]: one["ResourceRecords"][0]["Value"] for one in records}
    assert pointing == checks
    assert set(checks.values()) == set(addresses)
    assert world.up(**given).done == {}
    assert world.calls.mutating == []


def _untagged(listing: dict[str, Any]) -> list[str]:
    """What lacks the stack's tag of that which takes tags by itself; the census counts the other tags."""
    kinds = ("instances", "volumes", "addresses", "key pairs", "roles", "profiles", "security groups")
    return [
        kind
        for kind in kinds
        for one in listing[kind]
        if one.get("GroupName") != "default" and "srekv:stack" not in {tag["Key"] for tag in one.get("Tags", ())}
    ]


def _is_removed(world: Any) -> None:
    assert world.down()[0] == ()
    assert world.census() == world.EMPTY
