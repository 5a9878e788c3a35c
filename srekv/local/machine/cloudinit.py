"""User data, understood as cloud-init understands it: a pure parser from bytes to what a machine has to do.

Of a cloud-config it takes write_files, bootcmd, runcmd, how to merge, and `cloud_final_modules: [[scripts-user,
always]]`, with which scripts run at every boot. What would change what runs, and is left out on purpose (STOPS, and the
types of LEFT_OUT), stops the boot: nothing of that user data is used, and the console says so. The rest (packages,
users, ...) is named in the notes: a machine borrows the packages of the tool's own environment.

Rules: cloudinit.readthedocs.io, "User data formats", "Merging user data sections" and "Module reference";
EC2UG/user-data (scripts run once, at first boot); what they leave open is as in cloud-init 22.4, which the tests ask.
Amazon Linux 2023 has 22.2.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
import string
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from srekv.local.machine.parts import ARCHIVE, CONFIG, HOOK, KINDS, SCRIPT, Part, Room, StopError, load_yaml, split

STOPS = ("cloud_init_modules", "cloud_config_modules", "launch-index", "power_state")
"""Keys of a cloud-config that would change what runs, and when."""

LEFT_OUT = {kind: prefix for prefix, kind in KINDS.items() if kind not in (ARCHIVE, CONFIG, HOOK, SCRIPT)}
"""Types of parts whose content is not known before something else runs, and how they start."""

PER_BOOT, PER_INSTANCE, PER_ONCE = (f"{SCRIPT}-per-{often}" for often in ("boot", "instance", "once"))
_IN_NAMES = frozenset(f"_-.(){string.ascii_letters}{string.digits}")

_Merger = tuple[str, Collection[str]]  # the type that it merges, and its options
_Mergers = Mapping[str, Collection[str]]


class File(NamedTuple):
    """One entry of write_files; `permissions` is a mode."""

    path: str
    content: bytes
    permissions: int
    append: bool


class Script(NamedTuple):
    """A script with the name that shows on the console."""

    name: str
    body: str


class Plan(NamedTuple):
    """What user data asks for."""

    files: tuple[File, ...] = ()  # to be written at first boot, in order
    boot: tuple[Script, ...] = ()  # for every boot (boothooks, bootcmd), before the files
    first: tuple[Script, ...] = ()  # for the first boot, after the files
    later: tuple[Script, ...] = ()  # for every boot but the first, at its end
    notes: tuple[str, ...] = ()  # what was left out or not understood, for the console


def parse(user_data: str) -> Plan:
    """The plan in the base64 text that EC2 keeps; what stops a boot gives a plan of a note."""
    try:
        return _Reading().plan(base64.b64decode(user_data, validate=True))
    except binascii.Error as error:
        return Plan(notes=(f"user data cannot be decoded: {error}",))
    except StopError as error:
        return Plan(notes=(f"stopped, nothing of the user data is used: {error}",))


class _Reading:
    """One user data on its way to a plan."""

    def __init__(self) -> None:
        self._room = Room()
        self._config: dict[str, Any] = {}
        self._scripts: dict[str, dict[str, str]] = {SCRIPT: {}, PER_BOOT: {}, PER_INSTANCE: {}, PER_ONCE: {}}
        self._hooks: list[Script] = []
        self._notes: list[str] = []

    def plan(self, raw: bytes) -> Plan:
        for part in split(raw, self._room):
            self._take(part)
        config = self._config
        if found := [key for key in STOPS if key in config]:
            raise StopError(f"{', '.join(found)} of a cloud-config is left out of the local cloud")
        boot = (*self._hooks, *self._commands("bootcmd"))
        for script in self._commands("runcmd"):
            self._scripts[SCRIPT][script.name] = script.body
        folders = [self._scripts[kind].items() for kind in (PER_ONCE, PER_BOOT, PER_INSTANCE, SCRIPT)]
        once, each, instance, user = map(self._runnable, folders)
        files = (*self._files(deferred=False), *self._files(deferred=True))
        known = ("write_files", "bootcmd", "runcmd", "cloud_final_modules")
        if left_out := [str(key) for key in config if key not in known]:
            self._notes.append(f"left out of the cloud-config: {', '.join(left_out)}")
        modules = config.get("cloud_final_modules")
        if modules not in (None, [["scripts-user", "always"]], [["scripts_user", "always"]]):
            raise StopError("cloud_final_modules other than [[scripts-user, always]] is left out of the local cloud")
        later = (*each, *user) if modules else each  # AWS's own recipe names that module alone
        return Plan(files, boot, (*once, *each, *instance, *user), later, tuple(self._notes))

    def _take(self, part: Part) -> None:
        if part.kind in LEFT_OUT:
            raise StopError(f"{LEFT_OUT[part.kind]} ({part.name}) is left out of the local cloud")
        if part.kind == CONFIG:
            self._merge_config(part)
        elif part.kind == HOOK or part.kind in self._scripts:
            self._take_script(part)
        elif part.text:
            start = part.text.split("\n", 1)[0][:24]
            self._notes.append(f"Unhandled user data ({part.kind}), it starts with {start!r}")

    def _take_script(self, part: Part) -> None:
        name, text = part.name, part.text
        try:
            text.encode()
        except ValueError as error:
            self._notes.append(f"{name} cannot be written: {error}")
            return
        if text.partition("\n")[0].endswith("\r"):
            text = text.replace("\r\n", "\n")
        if part.kind == HOOK:
            self._hooks += self._runnable([(name, text.removeprefix("#cloud-boothook").lstrip())])
        else:
            file_name = "".join(one for one in name.replace("/", "_") if one in _IN_NAMES)  # as cloud-init writes it
            self._scripts[part.kind][file_name] = text

    def _merge_config(self, part: Part) -> None:
        """A part that cannot be merged changes nothing, and the others count."""
        loaded = load_yaml(part.text)
        failed = f"Failed at merging in cloud config part from {part.name}: "
        if not isinstance(loaded, dict):
            self._notes.append(f"{failed}empty cloud config, or failed loading yaml")
            return
        try:
            self._config = _merge(_mergers_of(loaded, part.merge_type), self._config, loaded)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            self._notes.append(f"{failed}{error}")

    def _files(self, *, deferred: bool) -> Iterator[File]:
        """Those of one half of write_files: at the first that cannot be written cloud-init ends it."""
        try:
            entries = [one for one in self._config.get("write_files", []) if _is_true(one, "defer") == deferred]
            for entry in entries:
                yield from self._file(entry)
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            self._notes.append(f"write_files ended early: {error}")

    def _file(self, entry: Mapping[str, Any]) -> Iterator[File]:
        path, content = entry.get("path"), entry.get("content", "")
        if not path:
            self._notes.append("write_files: an entry has no path")
            return
        if not isinstance(content, str | bytes):
            raise TypeError(f"the content of {path} is neither text nor bytes")
        if (owner := entry.get("owner")) and not isinstance(owner, str):  # 1000:1000 is a number in YAML
            raise TypeError(f"the owner of {path} is no text, but {owner!r}")
        raw = content.encode() if isinstance(content, str) else content
        steps = (entry.get("encoding") or "").lower().strip().replace("gzip", "gz").replace("base64", "b64")
        if steps not in {"", "text/plain", "b64", "gz", "gz+b64"}:
            self._notes.append(f"write_files: unknown encoding type {steps} of {path}, assuming text/plain")
            steps = ""
        raw = base64.b64decode(content) if steps.endswith("b64") else raw
        raw = self._room.gunzip(raw) if steps.startswith("gz") else raw
        place = posixpath.normpath(posixpath.join("/", path))
        yield File(place, raw, self._mode(entry.get("permissions")), _is_true(entry, "append"))

    def _mode(self, permissions: Any) -> int:
        try:
            if isinstance(permissions, int | float):
                return int(permissions)
            return 0o644 if permissions is None else int(str(permissions), 8)
        except ValueError:
            self._notes.append(f"write_files: undecodable permissions {permissions}, returning default 644")
            return 0o644

    def _commands(self, name: str) -> tuple[Script, ...]:
        """One shell script of all entries: variables and `cd` carry over. One wrong entry, and there is none."""
        items = self._config.get(name, ())
        lines = ["#!/bin/sh"]
        for item in items if isinstance(items, list) else ():
            if isinstance(item, list):
                lines.append(" ".join("'" + str(word).replace("'", "'\\''") + "'" for word in item))
            elif item is not None:
                lines.append(item)
        if not isinstance(items, list | tuple) or not all(isinstance(line, str) for line in lines):
            self._notes.append(f"{name} is no list of strings and lists: none of it runs")
            return ()
        return (Script(name, "\n".join(lines) + "\n"),) if name in self._config else ()

    def _runnable(self, scripts: Iterable[tuple[str, str]]) -> tuple[Script, ...]:
        """Those that the kernel takes, sorted as run-parts does: a blank line before #! is enough that it does not."""
        found = [Script(*one) for one in sorted(scripts)]
        wrong = [one.name for one in found if not one.body.startswith("#!")]
        self._notes += [f"{name}: Exec format error. Missing #! in script?" for name in wrong]
        return tuple(one for one in found if one.name not in wrong)


def _is_true(entry: Mapping[str, Any], name: str) -> bool:
    value = entry[name] if name in entry else False  # noqa: SIM401 - an entry may be a text, which has no .get
    return value if isinstance(value, bool) else str(value).lower().strip() in ("true", "1", "on", "yes")


def _mergers_of(config: dict[str, Any], header: str) -> _Mergers:
    """Those that a part names itself, which are taken out of it, and in its header. Raises ValueError and others."""
    how = config.pop("merge_how", None)
    how = config.pop("merge_type", None) if how is None else how
    own = _parse_mergers(how) if isinstance(how, str) else [_as_merger(one) for one in how or ()]
    mergers = dict(reversed((*own, *_parse_mergers(header))))  # the first of a name counts
    if unknown := mergers.keys() - {"dict", "list", "str"}:
        raise ValueError(f"no merger is called {', '.join(sorted(unknown))}")
    return mergers or {"dict": ("replace",), "list": (), "str": ()}


def _parse_mergers(text: str) -> list[_Merger]:
    """Such as "list(append)+dict(recurse_array)+str()"."""
    found: list[_Merger] = []
    for one in filter(None, (one.lower().strip().replace("-", "_") for one in text.split("+"))):
        form = re.fullmatch(r"([a-z_]\w*)\((.*?)\)", one)
        if form is None:
            raise ValueError(f"{one!r} names no merger")
        found.append((form[1].removeprefix("m_"), [option.strip() for option in form[2].split(",")]))
    return found


def _as_merger(one: Any) -> _Merger:
    """Such as {"name": "list", "settings": ["append"]}, or ["list", "append"]."""
    if isinstance(one, dict):
        return one["name"].replace("-", "_").strip().removeprefix("m_"), one["settings"]
    return one[0].removeprefix("m_"), one[1:]


def _merge(mergers: _Mergers, old: Any, new: Any) -> Any:
    """What becomes of the old value when the new one comes; what no merger is for stays."""
    kind = type(old).__name__
    if kind not in mergers:
        return old
    if kind == "str":
        return old + new if "append" in mergers[kind] else new
    return (_merge_dicts if kind == "dict" else _merge_lists)(mergers, old, new)


def _merge_dicts(mergers: _Mergers, old: dict[Any, Any], new: Any) -> dict[Any, Any]:
    if not isinstance(new, dict):
        return old
    options, merged = mergers["dict"], dict(old)
    for key, value in new.items():
        if key not in old:
            merged[key] = value
        elif value is None and "allow_delete" in options:
            del merged[key]
        elif "replace" in options:
            merged[key] = value
        elif isinstance(value, dict) or _goes_deeper(value, options):
            merged[key] = _merge(mergers, old[key], value)
    return merged


def _merge_lists(mergers: _Mergers, old: list[Any], new: Any) -> Any:
    options = mergers["list"]
    how = next((one for one in ("append", "prepend", "replace", "no_replace") if one in options), "replace")
    if how == "replace" and not isinstance(new, list):
        return new
    if how in {"append", "prepend"}:
        return [*old, *new] if how == "append" else [*new, *old]
    merged = list(old)
    for index, value in enumerate(new[: len(old)] if how == "replace" else ()):
        deeper = _goes_deeper(value, options) or (isinstance(value, dict) and "recurse_dict" in options)
        merged[index] = _merge(mergers, old[index], value) if deeper else value
    return merged


def _goes_deeper(value: Any, options: Collection[str]) -> bool:
    if isinstance(value, list):
        return "recurse_array" in options or "recurse_list" in options
    return isinstance(value, str) and "recurse_str" in options
