"""The faults that a drill knows: the rows of faults.toml, and the act that each is."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from typing import Any

from srekv.drill.faults import BOTH, Act, Flap, Invert, Misbehave, StopInstance, StopService, attempt_all
from srekv.drill.model import Expectation, FaultTarget
from srekv.errors import none_of
from srekv.provision.model import Deployment, Role


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One fault.

    Attributes:
        name: what --fault takes.
        title: what is done, for a person.
        hypothesis: what must happen, and why.
        rule: when the drill has held.
        needs: the services it acts through.
        expectation: the same for the verdict.
        act: how it is injected and healed.
        former: the name that it had before, which --fault takes, too.
    """

    name: str
    title: str
    hypothesis: str
    rule: str
    needs: tuple[str, ...]
    expectation: Expectation
    act: Act
    former: str = ""

    def to_json(self) -> dict[str, object]:
        """As an item of `failover-test --list`."""
        members = {name: getattr(self, name) for name in ("name", "title", "hypothesis", "rule", "needs")}
        return {**members, "expect": vars(self.expectation)}


ACTS: dict[str, Act] = {
    "stop": StopInstance(hard=False),
    "power-loss": StopInstance(hard=True),
    "hang": Misbehave(words={"primary": "hang"}, silences=True),
    "unhealthy": Misbehave(words={"primary": "unhealthy"}),
    "gray-failure": Misbehave(words={"primary": "lying"}),
    "both-nodes": StopService(roles=BOTH),
    "flap": Flap(),
    "dynamodb": Misbehave(words=dict.fromkeys(BOTH, "no-table"), roles=BOTH),
    "manual-failover": Invert(),
}


def _entry(name: str, row: dict[str, Any]) -> Entry:
    expectation = Expectation(switch=row.pop("switch", None), outage=row.pop("outage"))
    return Entry(name=name, expectation=expectation, act=ACTS[name], **row | {"needs": tuple(row["needs"])})


_ROWS = tomllib.loads(resources.files("srekv.drill").joinpath("faults.toml").read_text())
CATALOGUE = tuple(_entry(name, row) for name, row in _ROWS.items())

NAMES = tuple(entry.name for entry in CATALOGUE)

BREAKS = ("stale-reads", "lost-writes")
"""Ways to make the service itself wrong, to prove that the verdict catches it."""


def entry(name: str) -> Entry:
    """The fault of that name.

    Raises:
        UsageError: there is none.
    """
    for one in CATALOGUE:
        if name in {one.name, one.former}:
            return one
    raise none_of("--fault", name, NAMES)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault as it is carried out: the acts in their order, the fault's own last."""

    entry: Entry
    acts: tuple[Act, ...]

    @property
    def roles(self) -> tuple[Role, ...]:
        """The nodes that the fault itself is in; a service that is wrong on purpose is wrong everywhere."""
        return self.acts[-1].roles

    @property
    def silences(self) -> bool:
        """Whether those nodes answer nothing at all meanwhile."""
        return any(act.silences for act in self.acts)

    def inject(self, target: FaultTarget, deployment: Deployment) -> None:
        """Every act, in order."""
        for act in self.acts:
            act.inject(target, deployment)

    def heal(self, target: FaultTarget, deployment: Deployment) -> None:
        """Every act backwards; an act that cannot be healed does not keep the others from it.

        Raises:
            SrekvError: the first that could not be healed.
        """
        attempt_all([partial(act.heal, target, deployment) for act in reversed(self.acts)])


def fault(entry: Entry, *, wrong: str = "") -> Fault:
    """The fault of that entry; `wrong` is a word that makes the service itself wrong as long as it lasts."""
    act = entry.act
    if not wrong:
        return Fault(entry=entry, acts=(act,))
    if isinstance(act, Misbehave):
        words = {role: f"{wrong} {act.words.get(role, '')}".rstrip() for role in BOTH}
        return Fault(entry=entry, acts=(replace(act, words=words, roles=BOTH),))
    return Fault(entry=entry, acts=(Misbehave(words=dict.fromkeys(BOTH, wrong), roles=BOTH), act))
