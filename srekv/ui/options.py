"""Makes commands whose options are the fields of a frozen dataclass, and the types of the options' values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import click

from srekv.config import clock_speed, duration
from srekv.errors import none_of
from srekv.ui.help import keep_examples

O = TypeVar("O")  # noqa: E741 - the options


def argument(**settings: Any) -> Any:
    """A field of a command's options that a Click argument of its name fills."""
    return field(metadata={"parameter": lambda name: click.Argument([name], **settings)})


def option(*names: str, **settings: Any) -> Any:
    """A field of a command's options that a Click option of these names fills. Its default is the field's, shown."""
    several = settings.get("multiple") or settings.get("callback") is as_parts
    default = settings.get("default", () if several else False if settings.get("is_flag") else None)
    shown = settings.get("default") not in {None, ""} and default is not True

    def parameter(name: str) -> click.Option:
        return click.Option([name, *names], show_default=shown, **settings)

    return field(default=default, metadata={"parameter": parameter})


@dataclass(frozen=True)
class NoOptions:
    """The options of a command that has none."""


def click_command(name: str, kind: type[O]) -> Callable[[Callable[[click.Context, O], None]], click.Command]:
    """Make a command of a function, whose docstring is its help, and of a dataclass of `option`s and `argument`s."""
    asked: type[Any] = kind

    def decorate(work: Callable[[click.Context, O], None]) -> click.Command:
        @click.pass_context
        def call(context: click.Context, /, **values: Any) -> None:
            work(context, kind(**values))

        parameters = [one.metadata["parameter"](one.name) for one in fields(asked)]
        return click.Command(name, help=keep_examples(work.__doc__), params=parameters, callback=call)

    return decorate


class OneOf(click.Choice[str]):
    """One of several words; another one is refused with the nearest of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word as it is spelled among the choices; UsageError if it is none of them."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            option = param.opts[0] if param else "the value"
            raise none_of(option, value, tuple(self.choices)) from None


class Number(click.FloatRange):
    """A finite number in a range: no figure can be held to NaN, and every figure holds against infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; BadParameter if it is none."""
        found: float = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number", param, ctx)
        return found


def as_parts(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """The parts of a value with commas."""
    return tuple(part.strip() for part in value.split(",")) if value else ()


def as_seconds(_context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A duration such as 90m, 2h or 3d in seconds."""
    return None if value is None else duration(value, parameter.opts[0])


def as_speed(_context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A clock speed; None for auto."""
    return None if value is None else clock_speed(value, parameter.opts[0])


def drop_unset(values: dict[str, Any]) -> dict[str, Any]:
    """The values that were really given: the others keep what the stack was made with."""
    return {name: value for name, value in values.items() if value is not None and value != ()}
