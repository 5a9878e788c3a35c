"""Config refuses what can never work, before any call, and names the nearest value that can."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.config import INTERVALS, Config, clock_speed, fastest
from srekv.errors import UsageError

TEXT = st.text(max_size=30)


def refused(**values: Any) -> UsageError:
    """The refusal of a Config with these values; it must be one, with exit code 2 and a reason."""
    with pytest.raises(UsageError) as caught:
        Config(**values)
    assert caught.value.exit_code == 2
    assert caught.value.why or caught.value.next_step
    return caught.value


def attempt(**values: Any) -> Config | UsageError:
    """A Config with these values, or its refusal."""
    try:
        return Config(**values)
    except UsageError as error:
        return error


@given(st.integers().filter(lambda value: value not in INTERVALS))
def test_interval(value: int) -> None:
    """Route 53 knows 10 and 30 seconds; another value is refused with one of them proposed."""
    error = refused(interval=value)
    assert str(value) in error.what
    assert error.next_step in {"did you mean 10?", "did you mean 30?"}


@pytest.mark.parametrize(
    ("field", "low", "high"), [("threshold", 1, 10), ("ttl", 0, 2_147_483_647), ("port", 1, 65535)]
)
@given(data=st.data())
def test_ranges(field: str, low: int, high: int, data: st.DataObject) -> None:
    """Inside its range a number is accepted; outside it is refused and the nearest end is named."""
    value = data.draw(st.integers())
    if low <= value <= high:
        assert getattr(Config(**{field: value}), field) == value
    else:
        assert refused(**{field: value}).next_step == f"nearest: {low if value < low else high}"


@given(st.floats(allow_nan=True))
def test_speed(value: float) -> None:
    """A clock runs between a tenth and a hundred times as fast; infinities and NaN are no speeds."""
    if 0.1 <= value <= 100:
        assert Config(speed=value).wall(value) == pytest.approx(1)
    else:
        refused(speed=value)


@pytest.mark.parametrize("field", ["stack", "record", "zone", "instance_type", "os", "region"])
@given(value=TEXT)
def test_names(field: str, value: str) -> None:
    """Any text is taken as it is, or refused with a reason; a value that is then proposed is accepted."""
    outcome = attempt(**{field: value})
    if isinstance(outcome, Config):
        assert getattr(outcome, field) == value
        return
    assert outcome.why
    proposed = re.fullmatch(r"did you mean (?:--os )?(.+)\?", str(outcome.next_step))
    assert proposed is None or getattr(Config(**{field: proposed[1]}), field) == proposed[1]


@given(zone=TEXT, record=TEXT)
def test_zone_and_record(zone: str, record: str) -> None:
    """A service's name is made of DNS labels and is at most 253 characters, or there is no Config."""
    outcome = attempt(zone=zone, record=record)
    if isinstance(outcome, UsageError):
        assert outcome.why
    else:
        assert len(outcome.name) <= 253
        assert all(0 < len(label) <= 63 and label.isascii() for label in outcome.name.split("."))


@given(st.lists(TEXT, max_size=4).map(tuple))
def test_cidrs(values: tuple[str, ...]) -> None:
    """Every allowed CIDR is an IPv4 network, or there is no Config."""
    outcome = attempt(allow_cidrs=values)
    if isinstance(outcome, UsageError):
        assert outcome.why
    else:
        assert outcome.allow_cidrs == values
        assert all(":" not in value for value in values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"stack": "My_Stack"}, "did you mean my-stack?"),
        ({"stack": "2nd stack of the whole team"}, "did you mean nd-stack-of-the-whol?"),
        ({"record": "svc_1"}, "did you mean svc-1?"),
        ({"zone": "sre test.local"}, "did you mean sre-test.local?"),
        ({"interval": 25}, "did you mean 30?"),
        ({"os": "AL2023"}, "did you mean --os al2023?"),
        ({"azs": ("us-east-1a",)}, "two different values"),
        ({"azs": ("us-east-1a", "us-east-1a")}, "two different values"),
        ({"azs": ("eu-west-1a", "eu-west-1b")}, "not in us-east-1"),
        ({"azs": ("a", "b")}, "--azs: 'a'"),
        ({"subnets": ("subnet-1",)}, "two different values"),
        ({"subnets": ("subnet-1", "subnet-2", "subnet-3")}, "two different values"),
        ({"key_name": "k", "create_key": "f"}, "exclude each other"),
        ({"allow_cidrs": ("10.0.0.1/8",)}, "host bits"),
        ({"allow_cidrs": ("10.0.0.1/8",)}, "did you mean 10.0.0.0/8?"),
        ({"allow_cidrs": ("here",)}, "for example"),
        ({"region": "US-East-1"}, "did you mean us-east-1?"),
        ({"allow_cidrs": ("::/0",)}, "IPv6"),
        ({"allow_cidrs": tuple(f"198.51.100.{host}/32" for host in range(16))}, "too many"),
        ({"zone": ".".join(["a" * 60] * 5)}, "too long"),
        ({"stack": "Upper"}, "lower-case"),
        ({"stack": "a--b"}, "inner hyphens"),
        ({"os": "ubuntu"}, "one of al2023, al2"),
        ({"instance_type": "micro"}, "t2.micro"),
    ],
)
def test_known_mistakes(values: dict[str, Any], said: str) -> None:
    """Mistakes that people make, and the words that help."""
    assert said in str(refused(**values))


def test_names_of_a_stack() -> None:
    """The default stack has the lab's names, also with an empty --zone; another one carries its own."""
    assert Config().url == Config(zone="").url == "http://svc.sre-test.local"
    assert Config(stack="two").name == "svc.two.sre-test.local"
    assert Config(zone="Example.Internal.", port=8080).url == "http://svc.example.internal:8080"


def test_the_secret_is_not_shown() -> None:
    """A Config in a log or a traceback does not give its secret key away."""
    assert "hush" not in repr(Config(access_key="key", secret_key="hush"))


@pytest.mark.parametrize(
    ("keeps", "speed"), [(30, 10), (10, 10), (9.9, 5), (5, 5), (4.9, 2), (2, 2), (1.9, 1), (1, 1), (0.1, 1)]
)
def test_a_machine_gets_the_fastest_speed_that_it_keeps(keeps: float, speed: float) -> None:
    """10, 5, 2 or 1; the real pace for one that keeps none."""
    assert fastest(keeps) == speed


@pytest.mark.parametrize(("text", "speed"), [("auto", None), ("10", 10), ("0.5", 0.5), ("1e1", 10)])
def test_clock_speeds(text: str, speed: float | None) -> None:
    """A number, or auto."""
    assert clock_speed(text, "--speed") == speed


@pytest.mark.parametrize("text", ["", "fast", "5x", "AUTO"])
def test_what_is_no_clock_speed(text: str) -> None:
    """It is refused with an example."""
    with pytest.raises(UsageError, match="--speed 5"):
        clock_speed(text, "--speed")
