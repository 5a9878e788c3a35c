"""What a recorded run is held to: the options that `check` and `report` share."""

from __future__ import annotations

from dataclasses import dataclass

from srekv.drill.model import Promises
from srekv.ui.options import Number, option


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """What a recorded run is held to, instead of what it was held to when it ran."""

    max_outage: float | None = option(
        "--max-outage", type=Number(0), metavar="S", help="Objective: longest outage, seconds."
    )
    max_lost: int | None = option("--max-lost", type=int, help="Objective: acknowledged writes lost.  [default: 0]")
    min_availability: float | None = option(
        "--min-availability", type=Number(0, 1), metavar="SHARE", help="Objective: minimum availability, 0-1."
    )

    @property
    def promises(self) -> Promises | None:
        """The objectives that were given; None: those that the history carries.

        Raises:
            UsageError: no run can be held to them.
        """
        promises = Promises(
            max_outage_s=self.max_outage, max_lost=self.max_lost, min_availability=self.min_availability
        )
        promises.check()
        return None if promises == Promises() else promises
