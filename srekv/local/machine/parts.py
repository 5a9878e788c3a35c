"""User data taken apart as cloud-init does: gzip, MIME, archives; what a part is, by its type or by how it starts.

Source: cloudinit.readthedocs.io, "User data formats"; what that page leaves open is as in cloud-init 22.4, which the
tests ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from srekv.local.gunzip import TooLargeError, gunzip

if TYPE_CHECKING:
    from email.message import Message

LIMIT = 16 * 1024 * 1024
"""Bytes that everything in one user data may have, unpacked. A loopback machine need not fall for a gzip bomb."""

LARGEST_YAML = 1024 * 1024  # characters of one document; its tree takes 200 times that of memory

CONFIG, SCRIPT, HOOK = "text/cloud-config", "text/x-shellscript", "text/cloud-boothook"
ARCHIVE = "text/cloud-config-archive"
BARE, PLAIN = "text/x-not-multipart", "text/plain"

KINDS: Mapping[str, str] = {
    "#cloud-config-archive": ARCHIVE,
    "#cloud-config-jsonp": "text/cloud-config-jsonp",
    "## template: jinja": "text/jinja2",
    "#cloud-boothook": HOOK,
    "#include-once": "text/x-include-once-url",
    "#cloud-config": CONFIG,
    "#part-handler": "text/part-handler",
    "#include": "text/x-include-url",
    "#!": SCRIPT,
}
"""How a text starts, in any case and after any blanks -> its type; the first that fits, so longer ones come first."""

_PACKED = re.compile("application/(gzip(-compressed|ped)?|x-compress(ed)?|x-gunzip|x-gzip(-compressed)?)")


class StopError(Exception):
    """Why nothing of the user data is used: cloud-init fails there, or the local cloud leaves it out on purpose."""


class Part(NamedTuple):
    """One part: its type, its text, its file name, and what its header says of merging."""

    kind: str
    text: str
    name: str
    merge_type: str = ""


class Room:
    """How much may still be unpacked."""

    def __init__(self) -> None:
        self._left = LIMIT

    def gunzip(self, packed: bytes) -> bytes:
        """What is packed. Raises ValueError if it is damaged, StopError if it is too large."""
        try:
            data = gunzip(packed, self._left)
        except TooLargeError as error:
            raise StopError(f"a part of it is too large: {error}") from None
        self._left -= len(data)
        return data


def kind_of(text: str) -> str | None:
    """The type of a text, by how it starts."""
    start = text.lstrip()[:40].lower()
    return next((kind for prefix, kind in KINDS.items() if start.startswith(prefix)), None)


def split(raw: bytes, room: Room) -> list[Part]:
    """Every part in order. Raises StopError when cloud-init would use nothing of it."""
    with suppress(ValueError):
        raw = room.gunzip(raw) if raw.startswith(b"\x1f\x8b") else raw
    if b"mime-version:" not in raw[:4096].lower():
        found = [_retyped(BARE, raw.decode(errors="surrogateescape"))]
    else:
        import email  # most user data is not multipart

        try:
            message = email.message_from_string(raw.decode())
        except ValueError as error:
            raise StopError(f"it cannot be decoded: {error}") from None
        found = [_of_message(one, room) for one in message.walk() if one.get_content_maintype() != "multipart"]
    flat = [leaf for part in found for leaf in (_exploded(part.text) if part.kind == ARCHIVE else [part])]
    return [part._replace(name=part.name or f"part-{number:03d}") for number, part in enumerate(flat, start=1)]


def _retyped(kind: str, text: str, name: str = "", merge_type: str = "") -> Part:
    """A part whose type says nothing is known by its text."""
    return Part((kind in {BARE, PLAIN, SCRIPT} and kind_of(text)) or kind, text, name, merge_type)


def _of_message(message: Message, room: Room) -> Part:
    if "Launch-Index" in message:
        raise StopError("the header Launch-Index is left out of the local cloud")
    kind, name = message.get_content_type(), message.get_filename() or ""
    payload = message.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    if not _PACKED.fullmatch(kind):
        headers = dict(message.items())  # cloud-init looks for these very spellings
        merge_type = headers.get("Merge-Type") or headers.get("X-Merge-Type") or ""
        return _retyped(kind, data.decode(errors="surrogateescape"), name, merge_type)
    try:
        text = room.gunzip(data).decode()
    except ValueError as error:
        raise StopError(f"failed decompressing a payload of {kind}: {error}") from None
    # As it comes out of the e-mail message that cloud-init puts it into: beyond ASCII it is damaged there.
    return _retyped(PLAIN, text.encode("raw-unicode-escape").decode(errors="surrogateescape"), name)


def _exploded(text: str) -> Iterator[Part]:
    """The entries of an archive: texts, or mappings with content, and perhaps type, file name and headers."""
    entries = load_yaml(text)
    for one in entries if isinstance(entries, list) else ():
        if not isinstance(one, dict | str):
            continue
        entry: Mapping[str, Any] = {"content": one} if isinstance(one, str) else one
        if "launch-index" in entry:
            raise StopError("launch-index is left out of the local cloud")
        content = entry.get("content", "")
        try:
            text = content.decode() if isinstance(content, bytes) else content
            kind = entry.get("type") or kind_of(text) or ("application/octet-stream" if text is not content else CONFIG)
        except (AttributeError, ValueError) as error:
            raise StopError(f"an entry of the archive cannot be used: {error}") from None
        merge_type = str(entry.get("Merge-Type") or entry.get("X-Merge-Type") or "")
        yield Part(kind, text, str(entry.get("filename", "")), merge_type)


def load_yaml(text: str) -> Any:
    """A document, None for what is none. Raises StopError when it is too large, with what its aliases stand for."""
    if len(text) > LARGEST_YAML:
        raise StopError(f"a document of it has {len(text)} characters, and the local cloud reads {LARGEST_YAML}")
    import yaml  # a machine without cloud-config boots without it

    try:
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):  # impossible dates, thousands of brackets
        return None
    size, values = 0, [loaded]
    while values:
        one = values.pop()
        size += 32 + (len(one) if isinstance(one, str | bytes) else 0)  # an empty value takes memory too
        if size > LIMIT:
            raise StopError(f"its aliases stand for more than {LIMIT} characters")
        values += [*one, *one.values()] if isinstance(one, dict) else one if isinstance(one, list) else ()
    return loaded
