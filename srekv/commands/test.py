"""The command `test`: the lab's sections 4.1 to 4.3, from both nodes."""

from __future__ import annotations

from dataclasses import asdict

from srekv.commands.session import drill_settings, open_stack, pass_invocation
from srekv.errors import CommandLine, FindingError
from srekv.ui.console import grid
from srekv.ui.context import Invocation
from srekv.ui.options import NoOptions, click_command


@click_command("test", NoOptions)
@pass_invocation
def command(invocation: Invocation, _: NoOptions) -> None:
    """Test name, write and read from both nodes (lab 4.1-4.3).

    Exits 1 if a test fails.

    $ srekv test
    """
    from srekv.drill.acceptance import acceptance
    from srekv.drill.repair import heal_left_behind
    from srekv.report.terminal import acceptance_table

    with open_stack(invocation) as (stack, narration):
        heal_left_behind(stack.fault_target, drill_settings(stack), narration)
        with narration.busy("testing from both nodes"):
            findings = acceptance(stack.fault_target, drill_settings(stack))
    screen = invocation.screen
    screen.show(acceptance_table(findings))
    failed = [finding for finding in findings if not finding.passed]
    screen.document(
        {
            "stack": invocation.stack,
            "passed": not failed,
            "findings": [asdict(one) | {"elapsed_s": round(one.elapsed_s, 3)} for one in findings],
        }
    )
    if failed:
        raise FindingError(f"{len(failed)} of {len(findings)} tests failed", next_step=CommandLine("srekv status"))
    screen.show(grid(("next", invocation.command("srekv failover-test"))))
