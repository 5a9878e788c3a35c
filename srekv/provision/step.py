"""What a step is, and the operations that it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from srekv.errors import Advice, CommandLine, ImmutableError, SrekvError
from srekv.provision.engine.answers import ignore_missing
from srekv.provision.model import Action, Resource
from srekv.provision.naming import lost_tags


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operation on one resource: what it is, and the call that does it."""

    kind: str
    name: str
    action: Action
    id: str = ""
    detail: str = ""
    state: str = "present"  # the service's own word, for what is to be deleted
    call: Callable[[], str | None] | None = None  # returns the resource's id; None when the resource is left alone
    refusal: SrekvError | None = None  # of a field that cannot change, or what must stay: raised unless the run is dry


Ops = Iterator[Op]


class Step:
    """The owner of one kind of resource.

    `limits`, `ensure`, `settle` and `destroy` are generators: they read, yield one Op for each thing to do, and are
    resumed when it is done, or, in a dry run, when it has been shown. So a plan and its execution are one and the same
    code.
    """

    section: str  # the lab's
    checking: str = "checking the request"  # what `fit` does, for an error
    needs: tuple[Step, ...] = ()  # the steps that are ensured before this one, and destroyed after it

    def observe(self) -> tuple[Resource, ...]:
        """What exists of this kind and costs or blocks something: what `destroy` would delete."""
        return tuple(Resource(kind=op.kind, id=op.id, name=op.name, state=op.state) for op in self.destroy())

    def regions(self) -> set[str]:
        """The Regions that its resources name as their stack's, where they show in every Region."""
        return set()

    def fit(self) -> None:
        """Refuse now what `ensure` would refuse, before anything is made."""

    def limits(self) -> Ops:
        """Fields that cannot change and differ from what was asked, each as `cannot` makes it."""
        return iter(())

    def ensure(self) -> Ops:
        """Create or repair; starts what takes time and does not wait for it."""
        return iter(())

    def settle(self) -> Ops:
        """Wait for what `ensure` started, and do what can only be done then."""
        return iter(())

    def destroy(self) -> Ops:
        """Remove everything of this kind, tolerant of anything already gone."""
        return iter(())


def create(kind: str, name: str, call: Callable[[], str], detail: str = "") -> Op:
    """The Op that creates something; `call` returns its id."""
    return Op(kind=kind, name=name, action="create", detail=detail, call=call)


def change(kind: str, name: str, id_: str, detail: str, call: Callable[..., object], **arguments: object) -> Op:
    """The Op that makes a call with these arguments; `detail` has the fields concerned, for a person."""

    def apply() -> None:
        call(**arguments)

    return Op(kind=kind, name=name, id=id_, action="change", detail=detail, call=apply)


def delete(kind: str, name: str, id_: str, state: str, call: Callable[..., object], **arguments: object) -> Op:
    """The Op that deletes something by a call with these arguments; what is gone already is fine."""
    call = partial(ignore_missing, call, **arguments)
    return Op(kind=kind, name=name, id=id_, action="delete", state=state, call=call)


def leave(kind: str, name: str, id_: str, detail: str = "") -> Op:
    """The Op for a resource that is as it should be."""
    return Op(kind=kind, name=name, id=id_, action="leave", detail=detail)


def retag(
    what: tuple[str, str, str], have: Mapping[str, str], want: Any, call: Callable[..., object], **arguments: Any
) -> Ops:
    """The Op that gives a resource, by kind, name and id, the tags back that it has lost, if it has lost any."""
    lost = lost_tags(have, want)
    if lost:
        yield change(*what, lost, call, **arguments)


def change_or_leave(kind: str, name: str, id_: str, changes: Iterable[Op], detail: str = "") -> Ops:
    """These changes of a resource, or, when there are none, the Op that leaves it alone."""
    operations = list(changes)
    yield from operations or [leave(kind, name, id_, detail)]


def anew(option: str) -> Advice:
    """What to do about a field that cannot change."""
    return CommandLine("srekv down") + f", then up with the new {option}; or use another --stack"


def cannot(kind: str, name: str, id_: str, *, field: str, have: object, want: object, next_step: Advice) -> Op:
    """The Op for a field that differs and cannot change: a row of a plan, an error of anything else."""
    what = f"{kind} {name}" + (f" ({id_})" if id_ else "")
    refusal = ImmutableError(what, field=field, have=have, want=want, next_step=next_step)
    detail = f"{field} {have} -> {want}"
    return Op(kind=kind, name=name, id=id_, action="cannot change", detail=detail, refusal=refusal)
