"""Decides a register's history without a search, as far as each value has one writer.

The write of a value and the reads that returned it form a cluster; a successful compare-and-set glues the cluster of
the value that it expected to the cluster of the value that it wrote. Clusters glued together are a block: no order
interleaves two of them. A block precedes another one when one of its operations ended before one of the other's was
invoked, so two times matter, its zone: its earliest completion and its latest invocation. A history is linearizable
exactly when each block is in order by itself and no two blocks precede each other (P. B. Gibbons and E. Korach,
"Testing Shared Memories", SIAM J. Comput. 26(4), 1997). Two are enough: a longer cycle of blocks holds a cycle of two,
by way of the block with the earliest completion.

An answer that shows one of several writes (the absence after a delete, a value written twice, a refused
compare-and-set) belongs to no cluster; `srekv.check.search` decides about those.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, pairwise, zip_longest
from math import inf

from srekv.check.model import Operation

START = Operation(client="", op="delete", key="", invoke=-inf, complete=-inf, outcome="ok")
"""The absence that every key starts with, as an operation."""


class ContradictionError(Exception):
    """No order explains the history.

    Attributes:
        operations: those that contradict each other.
        culprit: the answer to point at.
        proven: whether the operations contradict each other by themselves, or only together with the rest.
    """

    def __init__(self, operations: Iterable[Operation], culprit: Operation, *, proven: bool = True) -> None:
        super().__init__(culprit)
        self.operations = tuple(operations)
        self.culprit = culprit
        self.proven = proven


def end(operation: Operation) -> float:
    """When it took effect at the latest, in the history's seconds."""
    return inf if operation.complete is None or operation.outcome == "unknown" else operation.complete


@dataclass(slots=True, eq=False)
class Cluster:
    """A value that one operation wrote.

    Attributes:
        writer: that operation.
        reads: the reads that returned the value.
        successor: the compare-and-set that expected it and succeeded, if one did.
    """

    writer: Operation
    reads: list[Operation] = field(default_factory=list)
    successor: Operation | None = None


@dataclass(slots=True, eq=False)
class Block:
    """Operations that no order separates.

    Attributes:
        levels: a writer, the reads of its value, the next writer, and so on.
        spans: of each level, the earliest completion and the latest invocation.
        first: the earliest completion.
        last: the latest invocation.
    """

    levels: list[list[Operation]]
    spans: list[tuple[float, float]] = field(default_factory=list)
    first: float = inf
    last: float = -inf

    def up_to(self, operation: Operation) -> list[Operation]:
        """The operation, and what it depends on: every writer of the block before it."""
        found: list[Operation] = []
        for writer, reads in zip_longest(self.levels[::2], self.levels[1::2], fillvalue=()):
            found += writer
            if any(one is operation for one in (*writer, *reads)):
                break
        return [*found, operation]

    def witnesses(self) -> list[Operation]:
        """What its zone follows from."""
        everything = list(chain(*self.levels))
        earliest, latest = min(everything, key=end), max(everything, key=lambda one: one.invoke)
        return self.up_to(earliest) + self.up_to(latest)


@dataclass(slots=True, eq=False)
class Register:
    """The history of one key, arranged.

    Attributes:
        clusters: by value, of the values that one operation wrote.
        blocks: what changed the key for certain; each operation of a cluster is in one of them.
        watchers: reads of a value with several writers, and refused compare-and-sets of a value that was written.
        optional: changes of unknown outcome that no answer shows; they never have to take place.
    """

    clusters: dict[str | None, Cluster]
    blocks: list[Block]
    watchers: list[Operation]
    optional: list[Operation]


_Writers = dict[str | None, Operation | None]


def arrange(history: Iterable[Operation]) -> Register:
    """Arrange the operations on one key; failed ones and reads without an answer are left out.

    Raises:
        ContradictionError: an answer shows a value that no operation wrote, two compare-and-sets replaced one value,
            the operations of a block are out of order, or two blocks precede each other.
    """
    changes, reads, refused = _sorted_out(history)
    writers: _Writers = {None: START}
    for one in changes:
        writers[one.leaves] = None if one.leaves in writers else one
    shown: dict[str | None, Operation] = {}
    try:
        return _arranged(changes, reads, refused, writers, shown)
    except ContradictionError as error:
        raise ContradictionError(_with_witnesses(error.operations, shown), error.culprit) from None


def _with_witnesses(operations: Iterable[Operation], shown: Mapping[str | None, Operation]) -> Iterable[Operation]:
    """The operations in the order of their invocation, and for each of unknown outcome the answer that shows it."""
    found: dict[int, Operation] = {}
    todo = [one for one in operations if one is not START]
    while todo:
        one = todo.pop()
        if id(one) not in found:
            found[id(one)] = one
            if one.outcome == "unknown" and one.leaves in shown:
                todo.append(shown[one.leaves])
    return sorted(found.values(), key=lambda one: one.invoke)


def _arranged(
    changes: list[Operation],
    reads: list[Operation],
    refused: list[Operation],
    writers: _Writers,
    shown: dict[str | None, Operation],
) -> Register:
    certain = _certain(changes, reads, writers, shown)
    clusters = {one.leaves: Cluster(one) for one in (START, *certain) if writers[one.leaves] is one}
    watchers = _attach(clusters, reads, certain)
    blocks = _blocks(clusters, certain)
    for block in blocks:
        _measure(block)
    _order(blocks)
    taken = {id(one) for one in certain}
    return Register(
        clusters=clusters,
        blocks=blocks,
        watchers=[*watchers, *(one for one in refused if one.expect in writers)],
        optional=[one for one in changes if id(one) not in taken],
    )


def _sorted_out(history: Iterable[Operation]) -> tuple[list[Operation], list[Operation], list[Operation]]:
    """Changes that may have taken place, answered reads, and refused compare-and-sets."""
    changes, reads, refused = [], [], []
    for one in history:
        if one.outcome == "fail" or (one.op == "read" and one.outcome != "ok"):
            continue
        if one.op == "read":
            reads.append(one)
        elif one.outcome == "conflict":
            refused.append(one)
        else:
            changes.append(one)
    return changes, reads, refused


def _certain(
    changes: Iterable[Operation], reads: Iterable[Operation], writers: _Writers, shown: dict[str | None, Operation]
) -> list[Operation]:
    """The changes that took place: acknowledged, or the only ones that explain a value that an answer shows.

    `shown` receives such an answer for each value.
    """
    certain = [one for one in changes if one.outcome == "ok"]
    answers = [*((one.value, one) for one in reads), *((one.expect, one) for one in certain if one.op == "cas")]
    while answers:
        value, witness = answers.pop()
        if value in shown:
            continue
        shown[value] = witness
        if value not in writers:
            raise ContradictionError([witness], witness)
        writer = writers[value]
        if writer is not None and writer.outcome == "unknown":
            certain.append(writer)
            if writer.op == "cas":
                answers.append((writer.expect, writer))
    return certain


def _attach(
    clusters: dict[str | None, Cluster], reads: Iterable[Operation], certain: Iterable[Operation]
) -> list[Operation]:
    """Give reads and compare-and-sets to the cluster of the value they saw; the reads that have none."""
    homeless = []
    for one in reads:
        cluster = clusters.get(one.value)
        if cluster is None:
            homeless.append(one)
        else:
            cluster.reads.append(one)
    for one in certain:
        if one.op == "cas" and (cluster := clusters.get(one.expect)) is not None:
            if cluster.successor is not None:
                raise ContradictionError([*_origins(cluster.successor, clusters), one], one)
            cluster.successor = one
    return homeless


def _origins(operation: Operation, clusters: dict[str | None, Cluster]) -> list[Operation]:
    """The operation and, one after the other, the writers of what it expected."""
    found: dict[int, Operation] = {}
    while id(operation) not in found:
        found[id(operation)] = operation
        cluster = clusters.get(operation.expect) if operation.op == "cas" else None
        if cluster is not None:
            operation = cluster.writer
    return list(found.values())


def _blocks(clusters: dict[str | None, Cluster], certain: Iterable[Operation]) -> list[Block]:
    """Glue each value's cluster to the next one, beginning with what followed no other value."""
    blocks = []
    unplaced = {id(one): one for one in certain}
    for head in (START, *certain):
        if (head is START and None not in clusters) or (head.op == "cas" and head.expect in clusters):
            continue
        levels: list[list[Operation]] = []
        writer: Operation | None = head
        while writer is not None:
            unplaced.pop(id(writer), None)
            cluster = clusters.get(writer.leaves)
            levels.append([writer])
            if cluster is not None:
                levels.append(cluster.reads)
            writer = cluster.successor if cluster is not None else None
        blocks.append(Block(levels))
    for one in unplaced.values():  # each expected what came of itself
        raise ContradictionError(_origins(one, clusters), one)
    return blocks


def _measure(block: Block) -> None:
    """Find the zone of the block.

    Raises:
        ContradictionError: an operation ended before one that must come before it was invoked.
    """
    latest = block.levels[0][0]
    for level in block.levels:
        before, previous = block.last, latest
        first, last = inf, -inf
        for one in level:
            ended = end(one)
            if ended < before:
                raise ContradictionError([*block.up_to(one), previous], one)
            first = min(first, ended)
            if one.invoke > last:
                last = one.invoke
                if last > block.last:
                    block.last, latest = last, one
        block.spans.append((first, last))
        block.first = min(block.first, first)


def _order(blocks: Iterable[Block]) -> None:
    """Raise ContradictionError if one block precedes another one that precedes it."""
    lasting = sorted((one for one in blocks if one.first < one.last), key=lambda one: one.first)
    for earlier, later in pairwise(lasting):
        if later.first < earlier.last:
            raise _both_ways(earlier, later)
    firsts = [one.first for one in lasting]
    for one in blocks:
        position = bisect_left(firsts, one.last) - 1
        if one.last <= one.first and position >= 0 and one.first < lasting[position].last:
            raise _both_ways(lasting[position], one)


def _both_ways(one: Block, other: Block) -> ContradictionError:
    found = [*one.witnesses(), *other.witnesses()]
    answered = [operation for operation in found if operation.complete is not None and operation.op == "read"]
    return ContradictionError(found, max(answered or found, key=end))
