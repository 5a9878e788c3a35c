"""What only a stack of ours has: a role for its nodes, and a drill that may have left its fault behind. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from srekv.doctor.facts import Facts, StackFacts
from srekv.doctor.model import Finding, Wishes
from srekv.doctor.policies import allows
from srekv.doctor.sources import AGENT
from srekv.errors import CommandLine
from srekv.provision.permissions import AGENT_ACTIONS, TABLE_ACTIONS


def permitted(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """The nodes may use the table, and take a drill's commands."""
    stack = facts.stack
    if stack is None or stack.policies is None:
        return
    table = [action for action in TABLE_ACTIONS if not allows(stack.policies, action, stack.table_arn)]
    if table:
        cause = "the machine that takes over answers /health and fails every request for data"
        yield _lacking(stack, table, cause, on=stack.table_arn, prevents=True)
    agent = [action for action in AGENT_ACTIONS if not allows(stack.policies, action, "*")]
    if agent:
        yield _lacking(stack, agent, "the SSM agent cannot take commands: no drill can run", on="*", prevents=False)


def _lacking(stack: StackFacts, actions: list[str], cause: str, *, on: str, prevents: bool) -> Finding:
    return Finding(
        id="role-lacks-table" if prevents else "role-lacks-agent",
        severity="prevents" if prevents else "risk",
        subject=stack.role,
        title="the nodes' role lacks permissions",
        cause=cause,
        proof=f"no policy of {stack.role} allows {', '.join(actions)} on {on}",
        fix=CommandLine("srekv up"),
        source=AGENT,
    )


def undisturbed(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """No drill left its fault in the primary."""
    if facts.stack and facts.stack.fault:
        yield Finding(
            id="drill-fault",
            severity="risk",
            subject=facts.stack.name,
            title="a drill runs, or left its fault behind",
            cause="while the PRIMARY is made to fail there is no second machine to fail over to",
            proof=f"the tag srekv:fault of the primary: {facts.stack.fault}",
            fix=CommandLine("srekv up"),
        )
