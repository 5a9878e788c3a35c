"""What the commands that change a stack do: `up`, `test` and `failover`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from srekv.commands.session import Invocation, LocalWishes, opened, session_of, started, target_config, vantage
from srekv.commands.status import lease_row, nodes_json
from srekv.config import SPEEDS, fastest, refuse_unsupported
from srekv.errors import FindingError, SrekvError, UnknownError
from srekv.local import control
from srekv.provision.model import Change, Deployment
from srekv.ui.console import Narration, changes_json, grid, node_table, reach, tally

if TYPE_CHECKING:
    from srekv.check.model import Verdict
    from srekv.drill.model import Settings
    from srekv.provision.stack import Stack, Steps


def up(
    invocation: Invocation,
    given: Mapping[str, Any],
    *,
    wait: bool,
    dry_run: bool,
    local: LocalWishes,
) -> None:
    """Create or repair everything, then show how to reach it.

    Raises:
        UsageError: an operating system past its end of support, before the first call if it is asked for here.
    """
    refuse_unsupported(given.get("os", ""), accepted=given.get("unsupported", False))
    if dry_run:
        _plan(invocation, given, wait=wait, local=local)
        return
    with invocation.screen.progress() as narration:
        stack = _connected(invocation, given, narration, local=local)
        # Only now: a local cloud that starts does so beside these imports.
        from srekv.drill.note import refuse_under_way
        from srekv.provision import lease

        def preflight(steps: Steps) -> None:
            from srekv.doctor.preflight import refuse

            refuse(steps)

        def heal(deployment: Deployment) -> None:
            from srekv.drill.repair import undo_noted

            undo_noted(stack.hands, deployment, narration)

        def work() -> Deployment | None:
            return stack.up(wait=wait, guard=refuse_under_way, preflight=preflight, heal=heal)

        deployment = _noted(invocation, narration, work)
        if wait and deployment is not None:
            _await_answer(stack, deployment, narration)
        changes, elapsed = narration.changes, narration.elapsed_s
    screen, settled, now = invocation.screen, stack.run.config, datetime.now(UTC)
    document: dict[str, Any] = {
        "stack": settled.stack,
        "target": settled.target,
        "region": settled.region,
        "dry_run": False,
        "changes": changes_json(changes),
        "left": [],
        "lease": lease.document(settled.lease, now=now),
        "elapsed_s": round(elapsed, 3),
    }
    screen.show(f"\n{tally(changes, dry=False)} in {elapsed:.1f} s")
    if deployment is not None:
        document |= {"url": deployment.url, "name": deployment.name, "nodes": nodes_json(deployment, {})}
        health: dict[str, bool | None] = {node.name: True if wait else None for node in deployment.nodes}
        screen.show(node_table(deployment.nodes, health), "", reach(deployment, resolver=settled.resolver))
        screen.show(grid(*lease_row(settled, now), ("next", invocation.command("test" if wait else "status"))))
    screen.document(document)


def _plan(invocation: Invocation, given: Mapping[str, Any], *, wait: bool, local: LocalWishes) -> None:
    """Show what `up` would do and what that costs; a local cloud that was started for this alone ends again.

    Raises:
        SrekvError: a part of the plan cannot be carried out.
    """
    from srekv.commands import plan as planning
    from srekv.doctor.preflight import refuse
    from srekv.drill.note import refuse_under_way

    idle = invocation.is_local and control.find(invocation.home) is None
    try:
        with invocation.screen.progress(dry=True) as narration:
            stack = _connected(invocation, given, narration, local=local)
            stack.up(wait=wait, guard=refuse_under_way, preflight=refuse)
            changes, elapsed = narration.changes, narration.elapsed_s
    finally:
        if idle:
            control.release(invocation.home)
    settled = stack.run.config
    planning.show(invocation.screen, changes, settled, local=invocation.is_local, elapsed_s=elapsed)
    invocation.screen.document(
        {
            "stack": settled.stack,
            "target": settled.target,
            "region": settled.region,
            "dry_run": True,
            "changes": changes_json(changes),
            "left": [],
            "price": planning.bill(changes, settled).to_json(),
            "warnings": narration.warnings,
            "elapsed_s": round(elapsed, 3),
        }
    )
    planning.refuse(changes)


def _connected(invocation: Invocation, given: Mapping[str, Any], narration: Narration, *, local: LocalWishes) -> Stack:
    """The stack, on a target that is started if need be."""
    new: list[control.Runtime] = []
    with narration.busy("starting the local cloud" if invocation.is_local else "looking at the options"):
        config = target_config(invocation, started(invocation, given, local, new.append))
    for runtime in new:
        words = describe_pace(runtime.speed, runtime.keeps)
        (narration.note if runtime.speed <= runtime.keeps else narration.warn)(words)
    from srekv.provision.stack import connect

    with narration.busy("reading the stack's settings"):
        stack = connect(config, given, narration, dry=narration.dry, session=session_of(invocation, config))
    refuse_unsupported(stack.run.config.os, accepted=stack.run.config.unsupported)
    return stack


def describe_pace(speed: float, keeps: float) -> str:
    """Whether a machine that keeps so much keeps the speed of its local cloud, and what to do if it does not."""
    if speed <= keeps:
        slow = "" if keeps >= SPEEDS[0] else f"; it is too busy or too slow for {SPEEDS[0]:g}"
        return f"speed {speed:g}: this machine keeps it{slow}"
    if (kept := fastest(keeps)) < speed:
        return (
            f"speed {speed:g}: this machine is too busy or too slow for it, so a drill may be inconclusive; "
            f"it keeps {kept:g} now: srekv local stop, then srekv up --speed {kept:g}"
        )
    return f"speed {speed:g}: this machine is too busy even for that, so a drill may be inconclusive"


def _noted(invocation: Invocation, narration: Narration, work: Callable[[], Deployment | None]) -> Deployment | None:
    """Do it; if it fails or the user interrupts, say what this run has created and how to go on or go back.

    Of a stack that was removed meanwhile the error says what is left.
    """
    from srekv.provision.engine.incarnation import EndedError

    try:
        return work()
    except (KeyboardInterrupt, SrekvError) as error:
        made = [change for change in narration.changes if change.action == "create"]
        if made and not narration.dry and not isinstance(error, EndedError):
            how = "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped half-way"
            narration.warn(
                f"{how}; created so far: {', '.join(_brief_change(one) for one in made)}. "
                f"{invocation.command('up')} goes on, {invocation.command('down')} removes this"
            )
        raise


def _brief_change(change: Change) -> str:
    return f"{change.kind} {change.name}" + (f" ({change.id})" if change.id and change.id != change.name else "")


def _await_answer(stack: Stack, deployment: Deployment, narration: Narration) -> None:
    """Wait until the name answers the primary, asked from inside the VPC."""
    hands = stack.hands
    hands.await_commands(deployment.nodes)
    primary = deployment.node("primary")
    view = vantage(stack, deployment, deployment.node("secondary"))
    with narration.busy(f"waiting until {deployment.name} answers {primary.address}"):
        watched = view.watch((primary.address,), timeout_s=120)
    if not watched.matched:
        seen = watched.transitions[-1].addresses if watched.transitions else ()
        raise SrekvError(
            f"{deployment.name} does not answer {primary.address}",
            why=f"the resolver answers {', '.join(seen) or 'nothing'}",
            next_step="srekv status; a name asked for before it existed is cached as missing for up to five minutes",
        )


def drill_settings(stack: Stack, **choices: Any) -> Settings:
    """The settings of a drill on this stack, under a new name."""
    from srekv.drill.model import Settings

    config = stack.run.config
    return Settings(
        resolver=config.resolver, port=config.port, speed=config.speed, run_id=secrets.token_hex(4), **choices
    )


def test(invocation: Invocation) -> None:
    """The lab's sections 4.1 to 4.3, from both nodes.

    Raises:
        FindingError: a test failed.
    """
    from srekv.drill.acceptance import acceptance
    from srekv.drill.repair import heal_left_behind
    from srekv.report.terminal import acceptance_table

    with opened(invocation) as (stack, narration):
        heal_left_behind(stack.hands, drill_settings(stack), narration)
        with narration.busy("testing from both nodes"):
            findings = acceptance(stack.hands, drill_settings(stack))
    screen = invocation.screen
    screen.show(acceptance_table(findings))
    failed = [finding for finding in findings if not finding.passed]
    screen.document(
        {
            "stack": invocation.stack,
            "passed": not failed,
            "findings": [
                {"name": one.name, "passed": one.passed, "detail": one.detail, "elapsed_s": round(one.elapsed_s, 3)}
                for one in findings
            ],
        }
    )
    if failed:
        raise FindingError(f"{len(failed)} of {len(findings)} tests failed", next_step="srekv status")
    screen.show(grid(("next", invocation.command("failover-test"))))


def failover(invocation: Invocation, *, back: bool) -> None:
    """The lab's section 4.4: the primary fails and the name switches; `back` heals and waits for the failback."""
    from srekv.drill.repair import heal_left_behind
    from srekv.drill.switch import fail_back, fail_over

    with opened(invocation) as (stack, narration):
        heal_left_behind(stack.hands, drill_settings(stack), narration)
        work = fail_back if back else fail_over
        try:
            switch = work(stack.hands, drill_settings(stack), narration)
        except KeyboardInterrupt:
            narration.warn(
                f"interrupted: nothing was healed; {invocation.command('failover --back')} starts the primary"
            )
            raise
    screen = invocation.screen
    screen.show(f"the name answers {switch.address} after {switch.switched_s:.1f} s (AWS-equivalent)")
    screen.show(grid(("next", invocation.command("failover-test" if back else "failover --back"))))
    screen.document(
        {
            "stack": invocation.stack,
            "answer": [switch.address],
            "switched_s": round(switch.switched_s, 3),
            "ready_s": None if switch.ready_s is None else round(switch.ready_s, 3),
            "speed": stack.run.config.speed,
        }
    )


def conclude(verdict: Verdict) -> None:
    """The exit code of a verdict.

    Raises:
        FindingError: it is violated.
        UnknownError: it is inconclusive.
    """
    reason = verdict.decisive
    if reason is None:
        return
    why = f"{reason.checker}: {reason.summary}"
    if verdict.verdict == "violated":
        raise FindingError("the verdict is: violated", why=why, next_step="the proof is above and in the history")
    raise UnknownError(
        "the verdict is: inconclusive", why=why, next_step=reason.fix or "the findings above show what is missing"
    )
