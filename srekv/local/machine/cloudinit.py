"""User data, understood as cloud-init understands it: a pure parser from bytes to what a machine has to do.

Accepted: `#cloud-config` (write_files, bootcmd, runcmd), `#!` scripts, `#cloud-boothook`, MIME multipart of those, all
of it gzipped or not. Anything else of a cloud-config (packages, users, ...) is named in the notes and left out: a
machine borrows the packages of the tool's own environment. Rules: cloudinit.readthedocs.io, "User data formats", and
EC2UG/user-data (scripts run once, at first boot).
"""

from __future__ import annotations

import base64
import binascii
import shlex
from typing import Any, NamedTuple

from srekv.local.gunzip import gunzip

LIMIT = 16 * 1024 * 1024
"""Most bytes that unpacked user data, or one unpacked file of it, may have.

A loopback machine need not fall for a gzip bomb.
"""

_KNOWN = ("write_files", "bootcmd", "runcmd")


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
    """What user data asks for.

    Attributes:
        files: to be written at first boot, in order.
        boot: scripts for every boot (bootcmd, boothooks), before the files.
        first: scripts for the first boot only, after the files.
        notes: what was left out or not understood, for the console.
    """

    files: tuple[File, ...] = ()
    boot: tuple[Script, ...] = ()
    first: tuple[Script, ...] = ()
    notes: tuple[str, ...] = ()


def parse(user_data: str) -> Plan:
    """The plan in the base64 text that EC2 keeps; malformed user data gives a plan of notes, as it does on EC2."""
    try:
        raw = _unpack(base64.b64decode(user_data, validate=True))
    except (binascii.Error, ValueError) as error:
        return Plan(notes=(f"user data cannot be decoded: {error}",))
    return _merge([_part(raw)] if not _is_mime(raw) else [_part(part) for part in _mime_parts(raw)])


def _unpack(raw: bytes) -> bytes:
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    return gunzip(raw, LIMIT)


def _merge(plans: list[Plan]) -> Plan:
    """One plan of many; the scripts of `#!` parts run before runcmd, as run-parts sorts them."""
    first = [script for plan in plans for script in plan.first]
    return Plan(
        files=tuple(file for plan in plans for file in plan.files),
        boot=tuple(script for plan in plans for script in plan.boot),
        first=tuple(sorted(first, key=lambda script: script.name == "runcmd")),
        notes=tuple(note for plan in plans for note in plan.notes),
    )


def _is_mime(raw: bytes) -> bool:
    head = raw[:200].lstrip().lower()
    return head.startswith((b"content-type:", b"mime-version:"))


def _mime_parts(raw: bytes) -> list[bytes]:
    import email  # most user data is not multipart

    parts = []
    for part in email.message_from_bytes(raw.lstrip()).walk():
        if part.get_content_maintype() == "multipart":
            continue
        payload = part.get_payload(decode=True)
        parts.append(payload if isinstance(payload, bytes) else b"")
    return parts


def _part(raw: bytes) -> Plan:
    if not raw.strip():
        return Plan()
    try:
        text = _unpack(raw).decode()
    except ValueError as error:
        return Plan(notes=(f"a part of the user data cannot be read: {error}",))
    first = text.split("\n", 1)[0].strip()
    if first.startswith("#!"):
        return Plan(first=(Script("user script", text),))
    if first == "#cloud-config":
        return _cloud_config(text)
    if first == "#cloud-boothook":
        return Plan(boot=(Script("boothook", text.split("\n", 1)[-1]),))
    return Plan(notes=(f"unhandled user data, it starts with {first[:40]!r}",))


def _cloud_config(text: str) -> Plan:
    import yaml  # a machine without cloud-config boots without it

    try:
        data = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # impossible dates, thousands of brackets
        return Plan(notes=(f"failed loading yaml of the cloud-config: {error}",))
    if not isinstance(data, dict):
        return Plan(notes=("the cloud-config is not a mapping",))
    files, notes = _files(data.get("write_files"))
    left_out = [str(key) for key in data if key not in _KNOWN]
    if left_out:
        notes.append(f"left out of the cloud-config: {', '.join(left_out)}")
    return Plan(
        files=tuple(files),
        boot=_commands(data.get("bootcmd"), "bootcmd", notes),
        first=_commands(data.get("runcmd"), "runcmd", notes),
        notes=tuple(notes),
    )


def _files(entries: Any) -> tuple[list[File], list[str]]:
    files: list[File] = []
    notes: list[str] = []
    for entry in entries if isinstance(entries, list) else []:
        try:
            files.append(_file(entry))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            notes.append(f"write_files: an entry cannot be used: {error!r}")
    return files, notes


def _file(entry: dict[str, Any]) -> File:
    content = entry.get("content") or ""
    raw = content if isinstance(content, bytes) else str(content).encode()
    permissions = entry.get("permissions", 0o644)
    return File(
        path=str(entry["path"]),
        content=_decode(raw, str(entry.get("encoding") or "text/plain").lower()),
        permissions=permissions if isinstance(permissions, int) else int(str(permissions), 8),
        append=bool(entry.get("append")),
    )


def _decode(raw: bytes, encoding: str) -> bytes:
    steps = encoding.replace("gzip", "gz").replace("base64", "b64")
    if steps not in ("text/plain", "b64", "gz", "gz+b64"):
        raise ValueError(f"unknown encoding {encoding}")
    if steps.endswith("b64"):
        raw = base64.b64decode(raw)
    return gunzip(raw, LIMIT) if steps.startswith("gz") else raw


def _commands(items: Any, name: str, notes: list[str]) -> tuple[Script, ...]:
    """One shell script of all entries, as in cloud-init: variables and `cd` carry over from line to line."""
    if items is None:
        return ()
    if not isinstance(items, list):
        notes.append(f"{name} is not a list")
        return ()
    lines = ["#!/bin/sh"]
    for item in items:
        if isinstance(item, list):
            lines.append(shlex.join(str(word) for word in item))
        elif isinstance(item, str):
            lines.append(item)
        elif item is not None:
            notes.append(f"{name}: {item!r} is neither a string nor a list")
    return (Script(name, "\n".join(lines) + "\n"),)
