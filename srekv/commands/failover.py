"""The command `failover`: the lab's section 4.4."""

from __future__ import annotations

from dataclasses import dataclass

from srekv.commands.session import drill_settings, open_stack, pass_invocation
from srekv.errors import CommandLine
from srekv.ui.console import grid
from srekv.ui.context import Invocation
from srekv.ui.options import click_command, option


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `failover`."""

    back: bool = option("--back", is_flag=True, help="Start the primary again and wait for the failback.")


@click_command("failover", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Stop the primary and wait for the switch (lab 4.4).

    $ srekv failover
    $ srekv failover --back
    """
    from srekv.drill.repair import heal_left_behind
    from srekv.drill.switch import fail_back, fail_over

    with open_stack(invocation) as (stack, narration):
        heal_left_behind(stack.fault_target, drill_settings(stack), narration)
        work = fail_back if options.back else fail_over
        try:
            switch = work(stack.fault_target, drill_settings(stack), narration)
        except KeyboardInterrupt:
            heal = CommandLine("srekv failover --back")
            narration.warn("interrupted: nothing was healed; " + heal + " starts the primary")
            raise
    screen = invocation.screen
    screen.show(f"the name answers {switch.address} after {switch.switched_s:.1f} s (AWS-equivalent)")
    screen.show(grid(("next", invocation.command("srekv failover-test" if options.back else "srekv failover --back"))))
    screen.document(
        {
            "stack": invocation.stack,
            "answer": [switch.address],
            "switched_s": round(switch.switched_s, 3),
            "ready_s": None if switch.ready_s is None else round(switch.ready_s, 3),
            "speed": stack.run.config.speed,
        }
    )
