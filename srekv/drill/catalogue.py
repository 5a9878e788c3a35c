"""The faults that a drill knows: what each does, what must happen, how that is judged, and the act that it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

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
        return {
            "name": self.name,
            "title": self.title,
            "hypothesis": self.hypothesis,
            "rule": self.rule,
            "needs": list(self.needs),
            "expect": vars(self.expectation),
        }


SWITCHES = Expectation(switch=True, outage=True)
SWITCHES_UNSEEN = Expectation(switch=True, outage=False)
STAYS = Expectation(switch=False, outage=True)
EITHER = Expectation(switch=None, outage=True)

CATALOGUE = (
    Entry(
        name="stop",
        title="stop the primary's instance",
        hypothesis="The checkers notice after threshold x interval, the name switches to the secondary, "
        "clients follow within the TTL; the started primary takes over again.",
        rule="switched and came back, every client recovered, nothing lost, linearizable",
        needs=("EC2",),
        expectation=SWITCHES,
        act=StopInstance(hard=False),
    ),
    Entry(
        name="power-loss",
        title="cut the primary's power: no OS shutdown",
        hypothesis="As stop, but no connection is closed: its client waits for its own timeout.",
        rule="as stop",
        needs=("EC2",),
        expectation=SWITCHES,
        act=StopInstance(hard=True),
        former="power",
    ),
    Entry(
        name="hang",
        title="the primary's process hangs: its port accepts, nothing answers",
        hypothesis="Connecting still works, so only the checkers' response time-out (2 s) can notice; the name "
        "switches, and comes back when the process wakes up.",
        rule="as stop",
        needs=("SSM",),
        expectation=SWITCHES,
        act=Misbehave(words={"primary": "hang"}, silences=True),
    ),
    Entry(
        name="unhealthy",
        title="the primary's /health answers 500, its data is fine",
        hypothesis="The name switches although clients are served all the time, without noticing.",
        rule="switched and came back, no operation failed, nothing lost, linearizable",
        needs=("SSM",),
        expectation=SWITCHES_UNSEEN,
        act=Misbehave(words={"primary": "unhealthy"}),
    ),
    Entry(
        name="gray-failure",
        title="the primary's /health answers OK, every data request fails",
        hypothesis="A check knows only what it asks: Route 53 must not switch, and the outage lasts as long as "
        "the fault.",
        rule="no switch; the outage is the cost of a shallow health check and is reported; recovered, nothing lost",
        needs=("SSM",),
        expectation=STAYS,
        act=Misbehave(words={"primary": "lying"}),
        former="lying",
    ),
    Entry(
        name="both-nodes",
        title="stop the service on both nodes, not the instances",
        hypothesis="Once both checks are down the PRIMARY is answered, never nothing: an outage until the healing.",
        rule="the outage is reported; a switch may or may not come before the second check fails; recovered, nothing "
        "lost, linearizable",
        needs=("SSM",),
        expectation=EITHER,
        act=StopService(roles=BOTH),
        former="both",
    ),
    Entry(
        name="flap",
        title="stop and start the primary's service faster than the threshold",
        hypothesis="No checker fails threshold times in a row, so the name must not switch.",
        rule="no switch; the short outages are reported; recovered, nothing lost, linearizable",
        needs=("SSM",),
        expectation=STAYS,
        act=Flap(),
    ),
    Entry(
        name="dynamodb",
        title="the table is out of reach of both nodes",
        hypothesis="Both nodes are as bad: /health does not ask the table, so the name must not switch for nothing; "
        "requests get 503, and no acknowledged write is lost.",
        rule="no switch; the outage is reported; recovered, nothing lost, linearizable",
        needs=("SSM",),
        expectation=STAYS,
        act=Misbehave(words=dict.fromkeys(BOTH, "no-table"), roles=BOTH),
    ),
    Entry(
        name="manual-failover",
        title="invert the primary's health check",
        hypothesis="A planned switch: both nodes serve, so clients move without noticing.",
        rule="switched and came back, no operation failed, nothing lost, linearizable",
        needs=("Route 53",),
        expectation=SWITCHES_UNSEEN,
        act=Invert(),
        former="planned",
    ),
)

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
