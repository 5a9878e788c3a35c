"""An endpoint may lack an operation: then a command says so, by its name, and never claims what it cannot know.

MiniStack 1.5.33 and LocalEmu 1.3.2 lack a few each, and each has its own words for it. One reading operation at a time
is refused in one of these ways, while every command that reads runs beside a whole stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from srekv.commands.status import look
from srekv.doctor import preflight
from srekv.doctor.model import Diagnosis
from srekv.errors import SrekvError
from srekv.ui.console import Screen
from tests.support.doctor import diagnose_zone

FORMS = (
    ("InvalidAction", "The action DoIt is not valid for this web service.", 400),
    ("UnknownOperationException", "", 400),
    ("InvalidInput", "Unknown Route53 endpoint: POST /2013-04-01/tags/healthcheck", 400),
    ("InternalFailure", "No moto route for service route53 on path /2013-04-01/checkeripranges found.", 501),
    ("NotImplemented", "", 501),
    ("404", "Not Found", 404),
)
"""What AWS, MiniStack, LocalEmu, LocalStack and a proxy say: code, message, HTTP status."""

PARTS = 8
"""So many tests share the operations that are refused."""

READING = ("Describe", "Get", "List")


class Commands:
    """The commands that read, on a whole stack; what each came to, and what it warned of."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.all: dict[str, Callable[[], Any]] = {
            "first up": lambda: self._world.up("fresh", dry=True).done,
            "before up": lambda: [*preflight.findings(self._world.steps("fresh"))],
            "second up": self._second_up,
            "status": self._status,
            "doctor": self._doctor,
            "down": lambda: self._world.down(dry=True)[1].done,
            "proof": lambda: sorted((one.kind, one.id, one.region) for one in self._world.take().leftovers),
        }
        self.warnings: list[str] = []

    def _second_up(self) -> Any:
        done = self._world.up(alarms=True).done
        return done, self._world.calls.mutating

    def _status(self) -> dict[str, Any]:
        stack, log = self._world.stack()
        with Screen(as_json=True, quiet=True).progress() as narration:
            seen = look(stack, narration)
        self.warnings = narration.warnings + log.warnings
        known = {"resources": seen.resources, "drift": seen.drift, "deployment": seen.deployment}
        return {**known, "healthy": seen.healthy, "problem": seen.problem and str(seen.problem)}

    def _doctor(self) -> Diagnosis:
        return diagnose_zone(self._world)


@pytest.fixture(scope="module")
def whole(_world: Any) -> Any:
    """A whole stack; nobody resets it while this module runs, and no command here changes it."""
    _world.reset()
    _world.up(alarms=True)
    return _world


@pytest.fixture(scope="module")
def expected(whole: Any) -> dict[str, Any]:
    """What each command comes to on an endpoint that has everything, and which operations that takes."""
    whole.calls.answers["SendCommand"] = lambda _: whole.refusal("InvalidInstanceId")
    came: dict[str, Any] = {}
    asked: dict[str, set[str]] = {}
    for name, command in Commands(whole).all.items():
        whole.account.forget()
        came[name] = command()
        asked[name] = {one for one in whole.calls.log if one.startswith(READING)}
    return {**came, "operations": asked}


@pytest.fixture
def commands(whole: Any, expected: dict[str, Any]) -> Iterator[Commands]:
    """The commands; whatever was refused to them is refused no more afterwards."""
    assert expected
    whole.calls.clear()
    whole.calls.answers["SendCommand"] = lambda _: whole.refusal("InvalidInstanceId")
    yield Commands(whole)
    whole.calls.clear()


@pytest.mark.parametrize("part", range(PARTS))
def test_an_operation_that_is_lacking(whole: Any, expected: dict[str, Any], commands: Commands, part: int) -> None:
    """Of each reading operation: the same outcome, a narrower one with a warning, or an error; both name it."""
    operations = sorted(set().union(*expected["operations"].values()))
    for number in range(part, len(operations), PARTS):
        operation, form = operations[number], FORMS[number % len(FORMS)]
        whole.calls.answers[operation] = lambda _, form=form: whole.refusal(*form)
        for name in (one for one, asked in expected["operations"].items() if operation in asked):
            whole.account.forget()
            came, refusal = _tried(commands.all[name])
            assert set(whole.calls.mutating) <= {"SendCommand"}, (name, operation)  # how a node is asked for the name
            if refusal is None:
                _compare(name, came, expected[name], operation, commands.warnings)
            else:
                assert operation in str(refusal), name
                assert refusal.next_step, (name, operation)
        del whole.calls.answers[operation]


def _tried(command: Callable[[], Any]) -> tuple[Any, SrekvError | None]:
    try:
        return command(), None
    except SrekvError as error:
        return None, error


def _compare(name: str, came: Any, wanted: Any, operation: str, warnings: list[str]) -> None:
    """Whether it is the same, or narrower and told."""
    if came == wanted:
        return
    if name == "status":
        assert operation in f"{warnings} {came['problem']}"
        assert set(came["resources"]) <= set(wanted["resources"])
        assert came["drift"] in (None, (), wanted["drift"])
    elif name == "before up":
        assert operation in str(came)
    else:
        assert name == "doctor", name
        assert operation in str(came.findings)
        assert came.verdict in {wanted.verdict, "unknown"}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[0])
def test_status_without_the_checkers(whole: Any, commands: Commands, form: tuple[str, str, int]) -> None:
    """Without GetHealthCheckStatus a check's health is unknown, and everything else is shown."""
    whole.calls.answers["GetHealthCheckStatus"] = lambda _: whole.refusal(*form)
    seen = commands.all["status"]()
    assert seen["healthy"] == {"az1": None, "az2": None}
    assert seen["deployment"]
    assert seen["drift"] == ()
    assert sum("GetHealthCheckStatus" in one for one in commands.warnings) == 2


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[0])
def test_a_zone_that_cannot_be_read_is_not_absent(whole: Any, commands: Commands, form: tuple[str, str, int]) -> None:
    """MiniStack's InvalidInput is what AWS says of an id that is no zone's: the doctor tells the two apart."""
    whole.calls.answers["GetHostedZone"] = lambda _: whole.refusal(*form)
    with pytest.raises(SrekvError, match="the endpoint does not have GetHostedZone"):
        commands.all["doctor"]()
