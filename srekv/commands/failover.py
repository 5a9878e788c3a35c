"""The command `failover`: the lab's section 4.4."""

from __future__ import annotations

import click

from srekv.commands.session import drill_settings, opened, pass_invocation
from srekv.ui.console import grid
from srekv.ui.context import Invocation
from srekv.ui.help import Command


@click.command("failover", cls=Command)
@click.option("--back", is_flag=True, help="Start the primary again and wait for the failback.")
@pass_invocation
def command(invocation: Invocation, *, back: bool) -> None:
    """Stop the primary and wait for the switch (lab 4.4).

    $ srekv failover
    $ srekv failover --back
    """
    failover(invocation, back=back)


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
                f"interrupted: nothing was healed; {invocation.command('srekv failover --back')} starts the primary"
            )
            raise
    screen = invocation.screen
    screen.show(f"the name answers {switch.address} after {switch.switched_s:.1f} s (AWS-equivalent)")
    screen.show(grid(("next", invocation.command("srekv failover-test" if back else "srekv failover --back"))))
    screen.document(
        {
            "stack": invocation.stack,
            "answer": [switch.address],
            "switched_s": round(switch.switched_s, 3),
            "ready_s": None if switch.ready_s is None else round(switch.ready_s, 3),
            "speed": stack.run.config.speed,
        }
    )
