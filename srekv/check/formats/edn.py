"""Reads EDN, Clojure's notation of data (https://github.com/edn-format/edn), as far as histories need it.

Numbers, strings, names, lists, vectors, sets and maps; a tag is dropped, its value is kept. What histories never hold
is damage: discarded forms, and strings with a line break in them. The readers on PyPI are no alternative:
edn_format 0.8.0 needs 1.4 ms for a line, which is five minutes for 100,000 operations; this one needs 10 us.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from srekv.check.formats.lines import Damage, short

DEEPEST = 32
"""How deep collections may be nested."""

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|;.*|#\{|#_|[\[\](){}"]|\\.\w*|[^\s,\[\](){}";]+')
_CONTROLS = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""The control characters that JSON leaves in a string: DEL, C1 and the bidirectional ones."""

_FLOAT = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?M?")
_WHOLE = re.compile(r"[+-]?\d+N?")
_CLOSES = {"}": "{", ")": "(", "]": "["}
_OPENS = {"{", "(", "[", "#{"}
_MAP = r"[\s\[(]*(?:#[\w./-]+\s*)?\{"
_BEGIN = re.compile(_MAP)
_ONE_LINE = re.compile(_MAP + r"(?=.*:type\b)(?=.*:process\b)")
"""An operation that stands on one line, as Jepsen writes them: whatever was open before it has lost its end."""


class Name(str):
    """A keyword, without its colon, or a symbol."""

    __slots__ = ()


def read(lines: Iterable[tuple[int, str | Damage]]) -> Iterator[tuple[int, object]]:
    """Each form of a file, or of the one list or vector in it, with the number of the line on which it begins.

    A form that cannot be read is a `Damage`; reading continues with the next line that begins a map.
    """
    reader = _Reader()
    number = 0
    for number, line in lines:
        if isinstance(line, Damage):
            reader.reset(skip=True)
            yield number, line
            continue
        if reader.is_open and _ONE_LINE.match(line):
            yield reader.line, Damage("its end is missing")
            reader.reset(skip=False)
        if reader.skip and not _BEGIN.match(line):
            continue
        try:
            yield from reader.take(number, line)
        except ValueError as error:  # also an integer of 5,000 digits
            yield reader.line if reader.is_open else number, Damage(f"not EDN: {error}")
            reader.reset(skip=True)
    if reader.is_open or reader.enclosed:
        yield reader.line if reader.is_open else number, Damage("the end of the file is missing")


def value(text: str) -> object:
    """The one value in a text.

    Raises:
        ValueError: it holds none, or more than one.
    """
    reader = _Reader(encloses=False)
    (found,) = [one for _, one in reader.take(1, text)]
    return found


class _Reader:
    """Reads line by line. The collections that are open stand in a stack, the innermost last.

    With `encloses` a list or vector that holds everything is only a wrapper.
    """

    def __init__(self, *, encloses: bool = True) -> None:
        self.line = 0
        self.skip = False
        self.enclosed = 0
        self._encloses = encloses
        self._stack: list[tuple[str, list[object]]] = []
        self._known: dict[str, object] = {"nil": None, "true": True, "false": False}

    @property
    def is_open(self) -> bool:
        """Whether a form has not ended yet."""
        return bool(self._stack)

    def reset(self, *, skip: bool) -> None:
        """Forget the form that is open; with `skip` a new one begins with a map."""
        self._stack.clear()
        self.skip = skip

    def take(self, number: int, line: str) -> Iterator[tuple[int, object]]:
        """Read a line; each form that ends on it."""
        stack, known = self._stack, self._known
        self.skip = False
        for word in _WORD.findall(line):
            if word in known:
                found = known[word]
            elif word.isdecimal():
                found = int(word)
            elif word in _OPENS:
                self._open(number, word)
                continue
            elif word in _CLOSES:
                if not stack and self.enclosed and word != "}":
                    self.enclosed -= 1
                    continue
                found = self._close(word)
            elif word[0] == ";" or (word[0] == "#" and word[:2] not in {"##", "#_"}):  # a comment, or a tag
                continue
            else:
                found = self._atom(word)
            if stack:
                stack[-1][1].append(found)
            else:
                yield self.line if word in _CLOSES else number, found

    def _open(self, number: int, word: str) -> None:
        if not self._stack:
            self.line = number
            if self._encloses and word in {"[", "("}:
                self.enclosed += 1
                return
        if len(self._stack) >= DEEPEST:
            raise ValueError("nested too deep")
        self._stack.append((word, []))

    def _close(self, word: str) -> object:
        opening, items = self._stack.pop() if self._stack else ("", [])
        if opening == "#{" and word == "}":
            return items
        if opening != _CLOSES[word]:
            raise ValueError(f"{word} closes nothing")
        return _map(items) if opening == "{" else items

    def _atom(self, word: str) -> object:
        if word[0] == '"':
            try:
                text: str = json.loads(word, strict=False)
                text.encode()
            except ValueError:
                raise ValueError(f"{short(word)} is no string") from None
            return text
        if _WHOLE.fullmatch(word):
            return int(word.rstrip("N"))
        if _FLOAT.fullmatch(word):
            return float(word.rstrip("M"))
        if word in {"#_", ":"}:
            raise ValueError(f"{word} is not supported")
        return self._known.setdefault(word, Name(word.removeprefix(":")))


def _map(items: list[object]) -> dict[object, object]:
    if len(items) % 2:
        raise ValueError("a map with a key and no value")
    pairs = iter(items)
    try:
        found = dict(zip(pairs, pairs, strict=True))
    except TypeError:  # a collection as a key
        found = {repr(key): one for key, one in zip(items[::2], items[1::2], strict=True)}
    if 2 * len(found) < len(items):
        raise ValueError("a map with one key twice")
    return found


def written(one: object) -> str:
    """A value of JSON as EDN, on one line and without control characters: a terminal may show it."""
    if isinstance(one, Name):
        return f":{one}"
    if isinstance(one, dict):
        return "{" + ", ".join(f"{written(key)} {written(inner)}" for key, inner in one.items()) + "}"
    if isinstance(one, list):
        return "[" + " ".join(map(written, one)) + "]"
    text = "nil" if one is None else json.dumps(one, ensure_ascii=False)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
