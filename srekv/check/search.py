"""Chooses, where more than one write explains an answer, the one that the answer saw.

With a choice made for each such answer every value has one writer, and the zones decide (see `srekv.check.zones`).
A choice lets an answer join the operations that saw the same write, which widens their zone, or glues a compare-and-set
to the write that it replaced. It is possible while no two blocks precede each other. A wider zone meets only what is
near in time, so answers far apart are decided apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, chain, islice
from math import inf
from operator import attrgetter

import msgspec

from srekv.check.budget import Budget
from srekv.check.model import Operation
from srekv.check.zones import Block, Cluster, ContradictionError, Register, end


class _Source(msgspec.Struct, eq=False, gc=False):
    """A write that an answer may have seen, and the times around those that saw it.

    Attributes:
        block: it is part of.
        place: of its cluster in the block.
        writer: the write.
        before: the latest invocation of what stands before its readers.
        begun: the same with its readers.
        ended: the earliest completion of the write, its readers, and what stands after them.
        after: the earliest completion of what stands after its readers.
    """

    block: Block
    place: int
    writer: Operation
    before: float
    begun: float
    ended: float = inf
    after: float = inf


class _Question(msgspec.Struct, eq=False, gc=False):
    """An answer that several writes may explain; with the block that it begins, if it is a compare-and-set."""

    answer: Operation
    block: Block | None = None


def shows(answer: Operation, writer: Operation) -> bool:
    """Whether the answer fits the state that the write leaves."""
    if answer.op == "read":
        return answer.value == writer.leaves
    return (answer.expect == writer.leaves) != (answer.outcome == "conflict")


def settle(register: Register, budget: Budget) -> None:
    """Find a choice for every open answer on one key.

    Raises:
        ContradictionError: there is none; `operations` are answers that have none together.
        OutOfBudgetError: it could not be decided within the budget.
    """
    questions = [_Question(one) for one in register.watchers]
    heads = ((block.clusters[0].writer, block) for block in register.blocks)
    questions += [_Question(head, block) for head, block in heads if head.op == "cas"]
    if not questions:
        return
    near = _Neighbourhood(register.blocks)
    questions = [one for one in questions if not near.has_room(one)]
    if not questions:
        return
    choices = _Choices(register, near, budget)
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


def _sources(block: Block) -> list[_Source]:
    """The writes in a block."""
    found = []
    begun = -inf
    for place, cluster in enumerate(block.clusters):
        before = max(begun, cluster.writer.invoke)
        begun = max(before, cluster.last)
        found.append(_Source(block, place, cluster.writer, before, begun))
    ended = inf
    for source, cluster in zip(reversed(found), reversed(block.clusters), strict=True):
        source.after = ended
        source.ended = ended = min(ended, cluster.first, end(cluster.writer))
    return found


class _Shelf:
    """Writes in the order of their invocation."""

    def __init__(self, sources: Iterable[_Source]) -> None:
        self._sources = sorted(sources, key=attrgetter("writer.invoke"))
        self._invoked = [source.writer.invoke for source in self._sources]
        self._latest = list(accumulate((source.block.first for source in self._sources), max))

    def between(self, first: float, invoked: float) -> Iterator[_Source]:
        """Those invoked by then, in blocks that did not end before `first`; the latest first."""
        position = bisect_right(self._invoked, invoked) - 1
        while position >= 0 and self._latest[position] >= first:
            source = self._sources[position]
            if source.block.first >= first:
                yield source
            position -= 1


def _longer(one: Block, other: Block) -> Block:
    return other if other.last > one.last else one


class _Neighbourhood:
    """Finds the writes that may explain an answer: no block is certain to lie between them."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._by_block = {block: _sources(block) for block in blocks}
        self._by_value: dict[str | None, list[_Source]] = defaultdict(list)
        for source in chain(*self._by_block.values()):
            self._by_value[source.writer.leaves].append(source)
        self._shelves: dict[str | None, _Shelf] = {}
        self._everything: _Shelf | None = None
        ended = sorted(self._by_block, key=attrgetter("first"))
        self._firsts = [block.first for block in ended]
        self._longest: list[Block] = list(accumulate(ended, _longer))

    def _shelf(self, answer: Operation) -> _Shelf:
        """The writes whose state the answer may have met; few values are asked for."""
        if answer.outcome == "conflict":
            self._everything = self._everything or _Shelf(chain(*self._by_block.values()))
            return self._everything
        value = answer.value if answer.op == "read" else answer.expect
        if value not in self._shelves:
            self._shelves[value] = _Shelf(self._by_value.get(value, ()))
        return self._shelves[value]

    def sources(self, answer: Operation) -> Iterator[_Source]:
        """The writes near an answer whose state it fits."""
        over = bisect_left(self._firsts, answer.invoke)
        left = self._longest[over - 1] if over else None
        least = left.last if left else -inf
        ended = end(answer)
        near = self._shelf(answer).between(least, ended)
        for source in chain(self._by_block[left], near) if left and left.first < least else near:
            if source.writer.invoke <= ended and shows(answer, source.writer):
                yield source

    def has_room(self, question: _Question) -> bool:
        """Whether the answer fits between those that saw a write: its joining them then moves no other operation."""
        answer = question.answer
        return question.block is None and any(
            answer.invoke <= source.begun and source.ended <= end(answer) for source in self.sources(answer)
        )


class _Choices:
    """The choices made so far, and the zones that follow from them.

    Zones are kept in two sorted lists: those that last, which never overlap, by their earliest completion, and the
    others by their latest invocation. Blocks that are glued together have one zone, kept under the first of them.
    """

    def __init__(self, register: Register, near: _Neighbourhood, budget: Budget) -> None:
        self._budget = budget
        self._near = near
        self._joined: dict[Block, dict[int, tuple[float, float]]] = defaultdict(dict)
        self._next: dict[Block, Block] = {}
        self._previous: dict[Block, Block] = {}
        self._trail: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        blocks = register.blocks
        self._zones = {block: (block.first, block.last) for block in blocks}
        self._lasting = sorted((one.first, one.last, id(one)) for one in blocks if one.first < one.last)
        self._brief = sorted((one.last, one.first, id(one)) for one in blocks if one.first >= one.last)
        offered = (Block([Cluster(one)], inf, one.invoke) for one in register.optional)
        self._optional = {source: None for block in offered for source in _sources(block)}
        self._found: dict[_Question, list[_Source]] = {}

    def mark(self) -> int:
        """To be given to `back_to`."""
        return len(self._trail)

    def back_to(self, mark: int) -> None:
        """Take back every choice since the mark."""
        while len(self._trail) > mark:
            undo, given = self._trail.pop()
            undo(self, *given)

    def decide_plain(self, questions: Iterable[_Question]) -> list[_Question]:
        """Make every choice that has no alternative; the questions that are left.

        Raises:
            ContradictionError: a question has no possible choice.
        """
        left = []
        for question in questions:
            possible = list(islice(self._possible(question, optional=True), 2))
            if not possible:
                raise ContradictionError([question.answer], question.answer, proven=False)
            if len(possible) > 1 or possible[0] in self._optional:
                left.append(question)
            else:
                self._choose(question, possible[0])
        return left

    def groups(self, questions: Iterable[_Question]) -> list[list[_Question]]:
        """The questions, parted so that no choice in one part bears upon another part; fewest alternatives first."""
        parts: list[tuple[float, float, set[Block], list[tuple[int, _Question]]]] = []
        for question in questions:
            answer = question.answer
            sources = list(self._possible(question, optional=False))
            times = [answer.invoke, end(answer)]
            for source in sources:
                times += (source.writer.invoke, source.block.first, source.block.last)
            first, last = min(times), max(time for time in times if time < inf)
            reach = {self._first_of(source.block) for source in sources}
            if question.block is not None:
                reach.add(question.block)
            merged = [(len(sources), question)]
            for part in [one for one in parts if (one[0] <= last and first <= one[1]) or one[2] & reach]:
                parts.remove(part)
                first, last, reach, merged = min(first, part[0]), max(last, part[1]), reach | part[2], part[3] + merged
            parts.append((first, last, reach, merged))
        return [[question for _, question in sorted(part[3], key=lambda one: one[0])] for part in parts]

    def decide(self, questions: Iterable[_Question], *, optional: bool) -> bool:
        """Whether the questions have choices that agree. They are made then; otherwise none is."""
        agenda = list(reversed(list(questions)))
        made: list[tuple[_Question, Iterator[_Source], int, int]] = []
        while agenda:
            question = agenda.pop()
            sources = iter(self._candidates(question, optional=optional))
            mark = self.mark()
            while (source := next((one for one in sources if self._choose(question, one)), None)) is None:
                agenda.append(question)
                if not made:
                    return False
                question, sources, mark, size = made.pop()
                self.back_to(mark)
                del agenda[size:]
            made.append((question, sources, mark, len(agenda)))
            if source in self._optional and source.writer.op == "cas" and source.block not in self._previous:
                agenda.append(_Question(source.writer, source.block))
        return True

    def _candidates(self, question: _Question, *, optional: bool) -> Iterator[_Source]:
        """The writes that the answer may show, as far as its surroundings tell."""
        if question not in self._found:
            self._found[question] = list(self._near.sources(question.answer))
        yield from self._found[question]
        for source in self._optional if optional else ():
            if shows(question.answer, source.writer) and source.writer.invoke <= end(question.answer):
                yield source

    def _possible(self, question: _Question, *, optional: bool) -> Iterator[_Source]:
        for source in self._candidates(question, optional=optional):
            mark = self.mark()
            if self._choose(question, source):
                self.back_to(mark)
                yield source

    def _choose(self, question: _Question, source: _Source) -> bool:
        """Make a choice, if it is possible."""
        self._budget.spend()
        mark = self.mark()
        first = question.block
        connected = self._join(source, question.answer) if first is None else self._link(source, first)
        if connected and self._rezone(self._first_of(source.block)):
            return True
        self.back_to(mark)
        return False

    def _join(self, source: _Source, answer: Operation) -> bool:
        """The answer saw the write: it stands among the write's readers."""
        levels, level = self._joined[source.block], source.place
        old = levels.get(level)
        earliest, latest = old or (inf, -inf)
        earliest, latest = min(earliest, end(answer)), max(latest, answer.invoke)
        levels[level] = earliest, latest
        self._trail.append((_Choices._part, (levels, level, old)))
        before = max(source.before, *(last for lower, (_, last) in levels.items() if lower < level), -inf)
        after = min(source.after, *(first for upper, (first, _) in levels.items() if upper > level), inf)
        return before <= earliest and latest <= after

    def _part(self, levels: dict[int, tuple[float, float]], level: int, old: tuple[float, float] | None) -> None:
        if old is None:
            del levels[level]
        else:
            levels[level] = old

    def _link(self, source: _Source, block: Block) -> bool:
        """The block's first compare-and-set replaced the write."""
        before = source.block
        is_last = source.place == len(before.clusters) - 1
        if not is_last or before in self._next or block in self._previous or self._first_of(before) is block:
            return False
        self._next[before], self._previous[block] = block, before
        self._trail.append((_Choices._unlink, (before, block)))
        self._remove(block)
        return True

    def _unlink(self, before: Block, block: Block) -> None:
        del self._next[before], self._previous[block]

    def _first_of(self, block: Block) -> Block:
        while block in self._previous:
            block = self._previous[block]
        return block

    def _rezone(self, first: Block) -> bool:
        """Compute the zone of a block and of those that follow it; whether it is in order and crosses no other one."""
        earliest, latest = inf, -inf
        block: Block | None = first
        while block is not None:
            joined = self._joined[block].values()
            begin = min(block.first, *(one for one, _ in joined), inf)
            if begin < latest:
                return False
            earliest, latest = min(earliest, begin), max(latest, block.last, *(one for _, one in joined))
            block = self._next.get(block)
        if self._zones.get(first) == (earliest, latest):
            return True
        self._remove(first)
        if self._crosses(earliest, latest):
            return False
        self._insert(first, (earliest, latest))
        self._trail.append((_Choices._take_out, (first,)))
        return True

    def _crosses(self, first: float, last: float) -> bool:
        """Whether a zone would precede another one that precedes it."""
        self._budget.spend()
        position = bisect_left(self._lasting, (last, -inf, 0)) - 1
        if position >= 0 and self._lasting[position][1] > first:
            return True
        if first < last:
            for position in range(bisect_right(self._brief, (first, inf, 0)), len(self._brief)):
                invoked, ended, _ = self._brief[position]
                if invoked >= last:
                    break
                if ended < last:
                    return True
        return False

    def _insert(self, block: Block, zone: tuple[float, float]) -> None:
        self._zones[block] = zone
        rows, row = self._row(block, zone)
        insort(rows, row)

    def _remove(self, block: Block) -> None:
        """Take out a block's zone, if it has one."""
        if block in self._zones:
            self._trail.append((_Choices._insert, (block, self._take_out(block))))

    def _take_out(self, block: Block) -> tuple[float, float]:
        zone = self._zones.pop(block)
        rows, row = self._row(block, zone)
        del rows[bisect_left(rows, row)]
        return zone

    def _row(
        self, block: Block, zone: tuple[float, float]
    ) -> tuple[list[tuple[float, float, int]], tuple[float, float, int]]:
        """The list that a zone belongs to, and how it stands there."""
        first, last = zone
        return (self._lasting, (first, last, id(block))) if first < last else (self._brief, (last, first, id(block)))
