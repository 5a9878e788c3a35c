"""How cloud-init makes one configuration of several: the later part says, by its mergers, what becomes of the earlier.

By default a key of a later part replaces the earlier one's. Source: cloudinit.readthedocs.io, "Merging user data
sections"; what that page leaves open is as in cloud-init 22.4, which the tests ask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

Merger = tuple[str, Collection[str]]
"""The type that it merges, and its options."""

DEFAULT: tuple[Merger, ...] = (("dict", ("replace",)), ("list", ()), ("str", ()))

_FORM = re.compile(r"([a-z_]\w*)\((.*?)\)")


def mergers_of(config: dict[str, Any], header: str) -> tuple[Merger, ...]:
    """Those that a part names itself, which are taken out of it, and in its header Merge-Type.

    Raises:
        ValueError, TypeError, KeyError: they are not of the form that cloud-init knows.
    """
    how = config.pop("merge_how", None)
    if how is None:
        how = config.pop("merge_type", None)
    own = _parsed(how) if isinstance(how, str) else [_listed(one) for one in how or ()]
    mergers = (*own, *_parsed(header))
    if unknown := {name for name, _ in mergers} - _BY_TYPE.keys():
        raise ValueError(f"no merger is called {', '.join(sorted(unknown))}")
    return mergers or DEFAULT


def _parsed(text: str) -> list[Merger]:
    """Such as "list(append)+dict(recurse_array)+str()"."""
    found: list[Merger] = []
    for one in filter(None, (one.lower().strip().replace("-", "_") for one in text.split("+"))):
        form = _FORM.fullmatch(one)
        if form is None:
            raise ValueError(f"{one!r} names no merger")
        found.append((form[1].removeprefix("m_"), [option.strip() for option in form[2].split(",")]))
    return found


def _listed(one: Any) -> Merger:
    """Such as {"name": "list", "settings": ["append"]}, or ["list", "append"]."""
    if isinstance(one, dict):
        return one["name"].replace("-", "_").strip().removeprefix("m_"), one["settings"]
    return one[0].removeprefix("m_"), one[1:]


def merge(mergers: Sequence[Merger], old: Any, new: Any) -> Any:
    """What becomes of the old value when the new one comes; what no merger is for stays."""
    kind = type(old).__name__
    options = next((options for name, options in mergers if name == kind), None)
    if options is None:
        return old
    return _BY_TYPE[kind](mergers, old, new, options)


def _dicts(mergers: Sequence[Merger], old: dict[Any, Any], new: Any, options: Collection[str]) -> dict[Any, Any]:
    if not isinstance(new, dict):
        return old
    merged = dict(old)
    for key, value in new.items():
        if key not in old:
            merged[key] = value
        elif value is None and "allow_delete" in options:
            del merged[key]
        elif "replace" in options:
            merged[key] = value
        elif isinstance(value, dict) or _goes_deeper(value, options):
            merged[key] = merge(mergers, old[key], value)
    return merged


def _lists(mergers: Sequence[Merger], old: list[Any], new: Any, options: Collection[str]) -> Any:
    how = next((one for one in ("append", "prepend", "replace", "no_replace") if one in options), "replace")
    if how == "replace" and not isinstance(new, list):
        return new
    if how in {"append", "prepend"}:
        return [*old, *new] if how == "append" else [*new, *old]
    merged = list(old)
    for index, value in enumerate(new[: len(old)]):
        deeper = _goes_deeper(value, options) or (isinstance(value, dict) and "recurse_dict" in options)
        if how == "replace":
            merged[index] = merge(mergers, old[index], value) if deeper else value
    return merged


def _texts(_mergers: Sequence[Merger], old: str, new: Any, options: Collection[str]) -> Any:
    return old + new if "append" in options else new


_BY_TYPE: dict[str, Callable[[Sequence[Merger], Any, Any, Collection[str]], Any]] = {
    "dict": _dicts,
    "list": _lists,
    "str": _texts,
}


def _goes_deeper(value: Any, options: Collection[str]) -> bool:
    if isinstance(value, list):
        return "recurse_array" in options or "recurse_list" in options
    return isinstance(value, str) and "recurse_str" in options
