"""A limit for what a verdict may cost, counted in comparisons, so that equal histories get equal verdicts."""

from __future__ import annotations

from dataclasses import dataclass

BUDGET = 10_000_000
"""How many comparisons of zones and states a history may cost, beside those that grow with it: some 10 s. One key may
cost half of what is left; then it is undecided."""


class OutOfBudgetError(Exception):
    """What was to be decided takes more comparisons than are left."""


@dataclass(slots=True)
class Budget:
    """Comparisons that may still be made, and the budget that these are a share of."""

    left: int = BUDGET
    whole: Budget | None = None

    def share(self, limit: int) -> Budget:
        """A part of this budget: what is spent of it is spent of the whole."""
        return Budget(min(limit, self.left), self)

    def spend(self, comparisons: int = 1) -> None:
        """Account for them; raises OutOfBudgetError when too few are left."""
        if comparisons > self.left:
            raise OutOfBudgetError
        self.left -= comparisons
        if self.whole is not None:
            self.whole.spend(comparisons)
