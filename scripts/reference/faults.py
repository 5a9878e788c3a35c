"""The fault catalogue."""

from __future__ import annotations

from reference.markdown import page, quoted, table
from srekv.drill.faults import BREAKS, CATALOGUE, Entry
from srekv.drill.model import HEADLINE, POLICIES

HEAD = """\
`srekv failover-test --fault NAME` does this to the stack, watches what clients see, and heals it, also after Ctrl-C or
an error. Each fault has a hypothesis, and the drill is judged by it: a fault during which the name must not switch is
violated when it does. `srekv failover-test --list` prints the same."""

KINDS = {
    "no-cache": "asks for the name before each operation",
    "honor-ttl": "asks again when the record's TTL has passed; as a client should",
    "keep-alive": "keeps its connection, asks again only when that broke",
    "cache-forever": "asks once in its life",
    "cache-10s": "asks every ten seconds, whatever the TTL",
    "retry": "as `honor-ttl`, and tries a failed operation again",
}

CLIENTS = f"""\
## The clients

They work on the same keys while the fault is in; `--clients KIND,...` chooses some. The outage of `{HEADLINE}` is the
headline."""

BROKEN = f"""\
## The service made wrong on purpose

`srekv failover-test --break HOW`, with {quoted(BREAKS, " or ")}, makes the service itself lie: it shows old values, or
acknowledges writes that it forgets. The drill must end as violated; one that holds would prove nothing."""


SWITCHES = {True: "switches and comes back", False: "must not switch", None: "may switch"}


def faults() -> str:
    """The page."""
    kinds = table(("kind", "how it finds the service"), ((f"`{kind}`", KINDS[kind]) for kind in POLICIES))
    return page("Faults", HEAD, *map(_section, CATALOGUE), CLIENTS, kinds, BROKEN)


def _section(entry: Entry) -> str:
    rows = (
        ("what is done", entry.title),
        ("what must happen", entry.hypothesis),
        ("held when", entry.rule),
        ("the name", SWITCHES[entry.expectation.switch]),
        ("clients see", "an outage, which is reported" if entry.expectation.outage else "no failed operation"),
        ("done through", ", ".join(entry.needs)),
    )
    return f"## {entry.name}\n\n" + table(("", ""), rows)
