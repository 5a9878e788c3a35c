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
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf
from operator import attrgetter

import msgspec

from srekv.check.model import Operation, end

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


def fits(operation: Operation, state: str | None) -> bool:
    """Whether the operation can take place in that state with the answer it got."""
    if operation.op == "read":
        return operation.value == state
    if operation.op == "cas":
        return (operation.expect == state) != (operation.outcome == "conflict")
    return True


class Cluster(msgspec.Struct, eq=False, gc=False):
    """A change that took place, and the reads that returned its value where no other operation wrote it.

    Attributes:
        writer: the change.
        reads: those reads.
        first: the earliest completion of a read.
        last: the latest invocation of a read.
        successor: the compare-and-set that expected the value and succeeded, if one did.
        home: the place of its block among the key's; this and what follows is known once `lay_out` was called.
        place: its own in the block.
        before: the latest invocation of what stands before its readers in the block.
        begun: the same with its readers.
        ended: the earliest completion of the change, its readers, and what stands after them in the block.
        after: the earliest completion of what stands after its readers.
    """

    writer: Operation
    reads: list[Operation] = []
    first: float = inf
    last: float = -inf
    successor: Operation | None = None
    home: int = -1
    place: int = 0
    before: float = -inf
    begun: float = -inf
    ended: float = inf
    after: float = inf


class Block(msgspec.Struct, eq=False, gc=False):
    """Clusters that no order separates, each with a compare-and-set that replaced the value of the one before.

    Attributes:
        clusters: in their order.
        first: the earliest completion.
        last: the latest invocation.
    """

    clusters: list[Cluster]
    first: float = inf
    last: float = -inf

    def up_to(self, operation: Operation) -> list[Operation]:
        """The operation, and what it depends on: every writer of the block before it."""
        found: list[Operation] = []
        for one in self.clusters:
            found.append(one.writer)
            if any(each is operation for each in (one.writer, *one.reads)):
                break
        return [*found, operation]

    def witnesses(self) -> list[Operation]:
        """What its zone follows from."""
        everything = [each for one in self.clusters for each in (one.writer, *one.reads)]
        return self.up_to(min(everything, key=end)) + self.up_to(max(everything, key=attrgetter("invoke")))


class Register(msgspec.Struct, eq=False, gc=False):
    """The history of one key, arranged.

    Attributes:
        blocks: what changed the key for certain; each operation of a cluster is in one of them.
        heads: the places of blocks that start with a compare-and-set: what it replaced is open.
        watchers: reads of a value with several writers, and refused compare-and-sets of a value that was written.
        optional: changes of unknown outcome that no answer shows; they never have to take place.
    """

    blocks: list[Block]
    heads: list[int]
    watchers: list[Operation]
    optional: list[Operation]


_Value = str | None


def arrange(history: Iterable[Operation]) -> Register:
    """Arrange the operations on one key; failed ones and reads without an answer are left out.

    Raises:
        ContradictionError: an answer shows a value that no operation wrote, two compare-and-sets replaced one value,
            the operations of a block are out of order, or two blocks precede each other.
    """
    reads: list[Operation] = []
    certain: list[Operation] = [START]
    unknown: list[Operation] = []
    refused: list[Operation] = []
    writers: dict[_Value, Operation | None] = {None: START}
    shown: dict[_Value, Operation] = {}
    for one in history:
        op, outcome, value = one.op, one.outcome, one.value
        if op == "read":
            if outcome == "ok":
                reads.append(one)
                shown[value] = one
        elif outcome == "conflict":
            refused.append(one)
        elif outcome != "fail":
            if op == "delete":
                value = None
            writers[value] = None if value in writers else one
            if outcome == "unknown":
                unknown.append(one)
            else:
                certain.append(one)
                if op == "cas":
                    shown[one.expect] = one
    try:
        optional = _took_place(certain, unknown, writers, shown)
        clusters = {
            value: Cluster(writer)
            for value, writer in writers.items()
            if writer is not None and (writer.outcome == "ok" or value in shown)
        }
        watchers = _attach(clusters, reads, certain)
        blocks, heads = _blocks(clusters, certain)
        _order(blocks)
    except ContradictionError as error:
        raise ContradictionError(_with_witnesses(error.operations, shown), error.culprit) from None
    watchers += [one for one in refused if one.expect in writers]
    return Register(blocks, heads, watchers, optional)


def _with_witnesses(operations: Iterable[Operation], shown: dict[_Value, Operation]) -> list[Operation]:
    """The operations in the order of their invocation, and for each of unknown outcome the answer that shows it."""
    found: dict[int, Operation] = {}
    todo = [one for one in operations if one is not START]
    while todo:
        one = todo.pop()
        if id(one) not in found:
            found[id(one)] = one
            if one.outcome == "unknown" and one.leaves in shown:
                todo.append(shown[one.leaves])
    return sorted(found.values(), key=attrgetter("invoke"))


def _took_place(
    certain: list[Operation],
    unknown: Iterable[Operation],
    writers: dict[_Value, Operation | None],
    shown: dict[_Value, Operation],
) -> list[Operation]:
    """Add to `certain` what alone explains a value that an answer shows; the changes of unknown outcome that are left.

    `shown` has such an answer for each value, and receives those that follow.
    """
    if not shown.keys() <= writers.keys():
        witness = next(one for value, one in shown.items() if value not in writers)
        raise ContradictionError([witness], witness)
    agenda = [one for one in unknown if one.leaves in shown and writers[one.leaves] is one]
    taken = set()
    while agenda:
        one = agenda.pop()
        certain.append(one)
        taken.add(id(one))
        if one.op == "cas" and one.expect not in shown:
            shown[one.expect] = one
            if one.expect not in writers:
                raise ContradictionError([one], one)
            writer = writers[one.expect]
            if writer is not None and writer.outcome == "unknown":
                agenda.append(writer)
    return [one for one in unknown if id(one) not in taken]


def _attach(
    clusters: dict[_Value, Cluster], reads: Iterable[Operation], certain: Iterable[Operation]
) -> list[Operation]:
    """Give reads and compare-and-sets to the cluster of the value they saw; the reads that have none."""
    homeless = []
    for one in reads:
        cluster = clusters.get(one.value)
        if cluster is None:
            homeless.append(one)
            continue
        cluster.reads.append(one)
        invoke, complete = one.invoke, one.complete
        if complete is not None and complete < cluster.first:
            cluster.first = complete
        if invoke > cluster.last:  # noqa: PLR1730 - a call of max takes longer, once for each read
            cluster.last = invoke
    for one in certain:
        if one.op == "cas" and (cluster := clusters.get(one.expect)) is not None:
            if cluster.successor is not None:
                raise ContradictionError([*_origins(cluster.successor, clusters), one], one)
            cluster.successor = one
    return homeless


def _origins(operation: Operation, clusters: dict[_Value, Cluster]) -> list[Operation]:
    """The operation and, one after the other, the writers of what it expected."""
    found: dict[int, Operation] = {}
    while id(operation) not in found:
        found[id(operation)] = operation
        cluster = clusters.get(operation.expect) if operation.op == "cas" else None
        if cluster is not None:
            operation = cluster.writer
    return list(found.values())


def _blocks(clusters: dict[_Value, Cluster], certain: Sequence[Operation]) -> tuple[list[Block], list[int]]:
    """Glue each value's cluster to the next one, beginning with what followed no other value."""
    blocks: list[Block] = []
    heads: list[int] = []
    placed = 0
    for head in certain:
        if head.op == "cas":
            if head.expect in clusters:
                continue
            heads.append(len(blocks))
        chain = []
        writer: Operation | None = head
        while writer is not None:
            cluster = clusters.get(None if writer.op == "delete" else writer.value) or Cluster(writer)
            chain.append(cluster)
            writer = cluster.successor
        placed += len(chain)
        blocks.append(_measured(chain))
    if placed < len(certain):  # each expected what came of itself
        seen = {id(cluster.writer) for block in blocks for cluster in block.clusters}
        one = next(one for one in certain if id(one) not in seen)
        raise ContradictionError(_origins(one, clusters), one)
    return blocks, heads


def _measured(clusters: list[Cluster]) -> Block:
    """The block of these clusters, with its zone.

    Raises:
        ContradictionError: an operation ended before one that must come before it was invoked.
    """
    first, last = inf, -inf
    for place, cluster in enumerate(clusters):
        writer = cluster.writer
        ended = end(writer)
        if ended < last:
            raise _out_of_order(clusters, place, writer)
        last = max(last, writer.invoke)
        if cluster.first < last:
            raise _out_of_order(clusters, place, min(cluster.reads, key=end))
        last = max(last, cluster.last)
        first = min(first, ended, cluster.first)
    return Block(clusters, first, last)


def lay_out(blocks: Iterable[Block]) -> None:
    """Find each cluster's place, and the times around it."""
    for home, block in enumerate(blocks):
        last, first = -inf, inf
        for place, cluster in enumerate(block.clusters):
            cluster.home, cluster.place = home, place
            cluster.before = max(last, cluster.writer.invoke)
            cluster.begun = last = max(cluster.before, cluster.last)
        for cluster in reversed(block.clusters):
            cluster.after = first
            cluster.ended = first = min(first, end(cluster.writer), cluster.first)


def _out_of_order(clusters: list[Cluster], place: int, one: Operation) -> ContradictionError:
    before = [each for cluster in clusters[:place] for each in (cluster.writer, *cluster.reads)]
    before += [clusters[place].writer] * (one is not clusters[place].writer)
    return ContradictionError([*Block(clusters).up_to(one), max(before, key=attrgetter("invoke"))], one)


def _order(blocks: Iterable[Block]) -> None:
    """Raise ContradictionError if one block precedes another one that precedes it."""
    lasting = sorted((one for one in blocks if one.first < one.last), key=attrgetter("first"))
    for earlier, later in pairwise(lasting):
        if later.first < earlier.last:
            raise _both_ways(earlier, later)
    firsts = [one.first for one in lasting]
    for one in blocks:
        if one.last <= one.first:
            position = bisect_left(firsts, one.last) - 1
            if position >= 0 and one.first < lasting[position].last:
                raise _both_ways(lasting[position], one)


def _both_ways(one: Block, other: Block) -> ContradictionError:
    found = [*one.witnesses(), *other.witnesses()]
    answered = [operation for operation in found if operation.complete is not None and operation.op == "read"]
    return ContradictionError(found, max(answered or found, key=end))
