"""A limit for what a verdict may cost, counted in steps, so that equal histories get equal verdicts."""

from __future__ import annotations

from dataclasses import dataclass

BUDGET = 1_000_000
"""How many zones and states a whole history may compare before the answer is unknown: some 10 s."""


class OutOfBudgetError(Exception):
    """What was to be decided takes more steps than are left."""


@dataclass(slots=True)
class Budget:
    """Steps that may still be taken."""

    left: int = BUDGET

    def spend(self, steps: int = 1) -> None:
        """Account for them; raises OutOfBudgetError when none is left."""
        self.left -= steps
        if self.left < 0:
            raise OutOfBudgetError
