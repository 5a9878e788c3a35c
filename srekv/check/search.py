"""Chooses, where more than one write explains an answer, the one that the answer saw.

With a choice made for each such answer every value has one writer, and the zones decide (see `srekv.check.zones`).
A choice lets an answer join the operations that saw the same write, which widens their zone, or glues a compare-and-set
to the write that it replaced. It is possible while no two blocks precede each other. A wider zone meets only what is
near in time, so answers far apart are decided apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from math import inf
from operator import attrgetter
from typing import Any

import msgspec

from srekv.check.budget import Budget
from srekv.check.model import Operation, end
from srekv.check.zones import Block, Cluster, ContradictionError, Register, fits, lay_out

_Zone = tuple[float, float]
"""An earliest completion and a latest invocation."""


class _Question(msgspec.Struct, eq=False, gc=False):
    """An answer that several writes may explain; with the place of the block that it starts, if it is a cas."""

    answer: Operation
    home: int = -1


def settle(register: Register, budget: Budget) -> None:
    """Find a choice for every open answer on one key.

    Raises:
        ContradictionError: there is none; `operations` are answers that have none together.
        OutOfBudgetError: it could not be decided within the budget.
    """
    questions = [_Question(one) for one in register.watchers]
    questions += [_Question(register.blocks[place].clusters[0].writer, place) for place in register.heads]
    if not questions:
        return
    offered = [Block([Cluster(one)], inf, one.invoke) for one in register.optional]
    lay_out([*register.blocks, *offered])
    near = _Neighbourhood(register.blocks)
    questions = [one for one in questions if one.home >= 0 or not near.has_room(one.answer)]
    choices = _Choices(register.blocks, offered, near, budget)
    groups = choices.groups(choices.decide_plain(questions))
    undo = choices.mark()
    failed = [group for group in groups if not choices.decide(group, optional=False)]
    if failed and register.optional:
        choices.back_to(undo)
        rest = [question for group in groups if group not in failed for question in group]
        if choices.decide([question for group in failed for question in group] + rest, optional=True):
            return
    if failed:
        answers = [question.answer for question in failed[0]]
        raise ContradictionError(answers, max(answers, key=end), proven=False)


class _Shelf:
    """Writes in the order of their invocation, with what is asked about each, and about all up to it."""

    def __init__(self, writes: Iterable[Cluster], blocks: Sequence[Block]) -> None:
        self.writes = sorted(writes, key=attrgetter("writer.invoke"))
        self.invoked = [one.writer.invoke for one in self.writes]
        self.firsts = [blocks[one.home].first for one in self.writes]
        self.latest = list(accumulate(self.firsts, max))


def _longer(one: Block, other: Block) -> Block:
    return other if other.last > one.last else one


class _Neighbourhood:
    """Finds the writes that may explain an answer: no block is certain to lie between them."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._writes = [one for block in blocks for one in block.clusters]
        self._by_value: dict[str | None, list[Cluster]] = defaultdict(list)
        for one in self._writes:
            self._by_value[one.writer.leaves].append(one)
        self._shelves: dict[str | None, _Shelf] = {}
        self._everything: _Shelf | None = None
        ended = sorted(blocks, key=attrgetter("first"))
        self._firsts = [block.first for block in ended]
        self._longest: list[Block] = list(accumulate(ended, _longer))

    def _shelf(self, answer: Operation) -> _Shelf:
        """The writes whose state the answer may have met; few values are asked for."""
        if answer.outcome == "conflict":
            self._everything = self._everything or _Shelf(self._writes, self._blocks)
            return self._everything
        value = answer.value if answer.op == "read" else answer.expect
        if value not in self._shelves:
            self._shelves[value] = _Shelf(self._by_value.get(value, ()), self._blocks)
        return self._shelves[value]

    def writes(self, answer: Operation) -> Iterator[Cluster]:
        """The writes near an answer whose state it fits."""
        over = bisect_left(self._firsts, answer.invoke)
        left = self._longest[over - 1] if over else None
        least = left.last if left else -inf
        ended = end(answer)
        for one in left.clusters if left and left.first < least else ():
            if one.writer.invoke <= ended and fits(answer, one.writer.leaves):
                yield one
        shelf = self._shelf(answer)
        position = bisect_right(shelf.invoked, ended) - 1
        while position >= 0 and shelf.latest[position] >= least:
            one = shelf.writes[position]
            if shelf.firsts[position] >= least and fits(answer, one.writer.leaves):
                yield one
            position -= 1

    def has_room(self, answer: Operation) -> bool:
        """Whether the answer fits between those that saw a write: its joining them then moves no other operation."""
        ended, invoke = end(answer), answer.invoke
        return any(invoke <= one.begun and one.ended <= ended for one in self.writes(answer))


class _Choices:
    """The choices made so far, and the zones that follow from them. A block is known by its place.

    Zones are kept in two sorted lists: those that last, which never overlap, by their earliest completion, and the
    others by their latest invocation. Blocks that are glued together have one zone, kept under the first of them.
    """

    def __init__(self, blocks: list[Block], offered: list[Block], near: _Neighbourhood, budget: Budget) -> None:
        self._budget = budget
        self._near = near
        self._blocks = [*blocks, *offered]
        self._optional = {block.clusters[0]: None for block in offered}
        self._joined: dict[int, dict[Cluster, _Zone]] = defaultdict(dict)
        self._next: dict[int, int] = {}
        self._previous: dict[int, int] = {}
        self._trail: list[tuple[dict[Any, Any], object, object]] = []
        self._zones = {place: (block.first, block.last) for place, block in enumerate(blocks)}
        rows = [(*zone, place) for place, zone in self._zones.items()]
        self._lasting = sorted(row for row in rows if row[0] < row[1])
        self._brief = sorted((last, first, place) for first, last, place in rows if first >= last)
        self._found: dict[_Question, list[Cluster]] = {}

    def mark(self) -> int:
        """To be given to `back_to`."""
        return len(self._trail)

    def back_to(self, mark: int) -> None:
        """Take back every choice since the mark."""
        while len(self._trail) > mark:
            self._put(*self._trail.pop())

    def decide_plain(self, questions: Iterable[_Question]) -> list[_Question]:
        """Make every choice that has no alternative; the questions that are left.

        Raises:
            ContradictionError: a question has no possible choice.
        """
        left = []
        for question in questions:
            found = list(self._candidates(question, optional=True))
            if len(found) > 1:
                found = list(islice((one for one in found if self._is_possible(question, one)), 2))
            if len(found) > 1 or (found and found[0] in self._optional):
                left.append(question)
            elif not found or not self._choose(question, found[0]):
                raise ContradictionError([question.answer], question.answer, proven=False)
        return left

    def groups(self, questions: Iterable[_Question]) -> list[list[_Question]]:
        """The questions, parted so that no choice in one part bears upon another part; fewest alternatives first."""
        parts: list[tuple[float, float, set[int], list[tuple[int, _Question]]]] = []
        for question in questions:
            answer = question.answer
            candidates = self._candidates(question, optional=False)
            writes = [one for one in candidates if self._is_possible(question, one)]
            times = [answer.invoke, end(answer)]
            for one in writes:
                times += (one.writer.invoke, self._blocks[one.home].first, self._blocks[one.home].last)
            first, last = min(times), max(time for time in times if time < inf)
            reach = {self._first_of(one.home) for one in writes}
            if question.home >= 0:
                reach.add(question.home)
            merged = [(len(writes), question)]
            for part in [one for one in parts if (one[0] <= last and first <= one[1]) or one[2] & reach]:
                parts.remove(part)
                first, last, reach, merged = min(first, part[0]), max(last, part[1]), reach | part[2], part[3] + merged
            parts.append((first, last, reach, merged))
        return [[question for _, question in sorted(part[3], key=lambda one: one[0])] for part in parts]

    def decide(self, questions: Iterable[_Question], *, optional: bool) -> bool:
        """Whether the questions have choices that agree. They are made then; otherwise none is."""
        agenda = list(reversed(list(questions)))
        made: list[tuple[_Question, Iterator[Cluster], int, int]] = []
        while agenda:
            question = agenda.pop()
            writes = iter(self._candidates(question, optional=optional))
            mark = self.mark()
            while (write := next((one for one in writes if self._choose(question, one)), None)) is None:
                agenda.append(question)
                if not made:
                    return False
                question, writes, mark, size = made.pop()
                self.back_to(mark)
                del agenda[size:]
            made.append((question, writes, mark, len(agenda)))
            if write in self._optional and write.writer.op == "cas" and write.home not in self._previous:
                agenda.append(_Question(write.writer, write.home))
        return True

    def _candidates(self, question: _Question, *, optional: bool) -> Iterator[Cluster]:
        """The writes that the answer may show, as far as its surroundings tell."""
        if question not in self._found:
            self._found[question] = list(self._near.writes(question.answer))
        yield from self._found[question]
        for one in self._optional if optional else ():
            if fits(question.answer, one.writer.leaves) and one.writer.invoke <= end(question.answer):
                yield one

    def _is_possible(self, question: _Question, write: Cluster) -> bool:
        mark = self.mark()
        possible = self._choose(question, write)
        self.back_to(mark)
        return possible

    def _choose(self, question: _Question, write: Cluster) -> bool:
        self._budget.spend()
        mark = self.mark()
        joins = question.home < 0
        connected = self._join(write, question.answer) if joins else self._link(write, question.home)
        if connected and self._rezone(self._first_of(write.home), question.home):
            return True
        self.back_to(mark)
        return False

    def _join(self, write: Cluster, answer: Operation) -> bool:
        """The answer saw the write: it stands among the write's readers."""
        joined = self._joined[write.home]
        old = joined.get(write)
        first, last = end(answer), answer.invoke
        if old is not None:
            first, last = min(first, old[0]), max(last, old[1])
        self._set(joined, write, (first, last))
        before, after = write.before, write.after
        for one, (earliest, latest) in joined.items() if len(joined) > 1 else ():
            if one.place < write.place:
                before = max(before, latest)
            elif one.place > write.place:
                after = min(after, earliest)
        return before <= first and last <= after

    def _link(self, write: Cluster, home: int) -> bool:
        """The first compare-and-set of the block at `home` replaced the write."""
        before = write.home
        is_last = write.place == len(self._blocks[before].clusters) - 1
        if not is_last or before in self._next or home in self._previous or self._first_of(before) == home:
            return False
        self._set(self._next, before, home)
        self._set(self._previous, home, before)
        return True

    def _first_of(self, home: int) -> int:
        while home in self._previous:
            home = self._previous[home]
        return home

    def _rezone(self, first: int, linked: int) -> bool:
        """Compute the zone of a block and of those that follow it; whether it is in order and crosses no other one.

        `linked` is a block that has just become one of those, -1 if none has.
        """
        earliest, latest = inf, -inf
        home: int | None = first
        while home is not None:
            begin, last = self._blocks[home].first, self._blocks[home].last
            for one, other in self._joined[home].values() if home in self._joined else ():
                begin, last = min(begin, one), max(last, other)
            if begin < latest:
                return False
            earliest, latest = min(earliest, begin), max(latest, last)
            home = self._next.get(home)
        zone = (earliest, latest)
        if self._zones.get(first) != zone:
            if self._crosses(earliest, latest, (first, linked)):
                return False
            self._set(self._zones, first, zone)
        if linked in self._zones:
            self._set(self._zones, linked, None)
        return True

    def _crosses(self, first: float, last: float, own: tuple[int, int]) -> bool:
        """Whether a zone would precede another one that precedes it, those of its own blocks left out."""
        self._budget.spend()
        position = bisect_left(self._lasting, (last, -inf, 0)) - 1
        while position >= 0 and self._lasting[position][2] in own:
            position -= 1
        if position >= 0 and self._lasting[position][1] > first:
            return True
        if first < last:
            for position in range(bisect_right(self._brief, (first, inf, 0)), len(self._brief)):
                invoked, ended, home = self._brief[position]
                if invoked >= last:
                    break
                if ended < last and home not in own:
                    return True
        return False

    def _set(self, mapping: dict[Any, Any], key: object, value: object) -> None:
        """Change an entry, or remove it (None), and note how it was."""
        self._trail.append((mapping, key, mapping.get(key)))
        self._put(mapping, key, value)

    def _put(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        old = mapping.pop(key, None)
        if value is not None:
            mapping[key] = value
        if mapping is self._zones:
            if old is not None:
                rows, row = self._row(key, old)
                del rows[bisect_left(rows, row)]
            if value is not None:
                rows, row = self._row(key, value)
                insort(rows, row)

    def _row(self, home: int, zone: _Zone) -> tuple[list[tuple[float, float, int]], tuple[float, float, int]]:
        """The list that a zone belongs to, and how it stands there."""
        first, last = zone
        return (self._lasting, (first, last, home)) if first < last else (self._brief, (last, first, home))
