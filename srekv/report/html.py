"""A verdict as one HTML file that carries all it needs: opened offline, it loads nothing."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from srekv.check.model import CALLED, History, Verdict
from srekv.report.page import distribution, timeline
from srekv.ui.visible import visible

EXPLAINED = {
    "lost": "Is every acknowledged write still there?",
    "linear": "Does one order of the operations explain every answer?",
    "steady": "Did the service answer under load before the fault?",
    "timing": "Did the fault do what it must, and no more?",
    "max-outage": "Was the outage within the objective?",
    "min-availability": "Was the availability within the objective?",
    "history": "Could every line be read?",
    "seal": "Is the history the one that was judged?",
}
"""What each checker asks."""


def html(document: dict[str, Any], history: History, verdict: Verdict) -> str:
    """The report of a judged history; every figure on the page comes from `document`, what verdict.json holds."""
    timing = verdict.timing
    drawn = {
        "timeline": timeline(history, timing) if timing else None,
        "distribution": distribution(timing) if timing else None,
    }
    environment = Environment(
        loader=PackageLoader("srekv.report", "static"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "seconds": lambda value: "never" if value is None else f"{value:.1f} s",
        "percent": lambda value: "not measured" if value is None else f"{100 * value:.2f} %",
        "setting": _setting,
        "called": CALLED.get,
    }
    return environment.get_template("report.html.j2").render(
        one=document,
        losses=verdict.losses,
        explained=EXPLAINED,
        style=_asset("report.css"),
        library=_asset("echarts.js"),
        program=_asset("report.js"),
        data=Markup(_embedded(drawn)),  # noqa: S704 - escaped for a script element by _embedded
    )


def _visible(value: object) -> object:
    """A value of the template with its control characters as escapes; our own files are Markup and stay unchanged."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> Markup:
    return Markup((files("srekv.report") / "static" / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _embedded(value: object) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\u2028", "\\u2028")


def _setting(value: object) -> str:
    """A setting for a person: an object as its members."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_setting(member)}" for name, member in value.items())
    if isinstance(value, list):
        return ", ".join(_setting(member) for member in value)
    return {None: "none", True: "yes", False: "no"}[value] if isinstance(value, bool | None) else str(value)
