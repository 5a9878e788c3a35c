"""What the doctor finds in the account of a contract test."""

from __future__ import annotations

from typing import Any

from srekv.doctor.facts import Facts
from srekv.doctor.gather import gather
from srekv.doctor.model import Diagnosis, Objectives
from srekv.doctor.rules import diagnose


def read_facts(world: Any, **which: Any) -> Facts:
    """The facts about the stack's own zone, or the one that `zone_id` names; the layer's clock is not the wall's."""
    stack, _ = world.stack()
    role = None if "zone_id" in which else stack.role
    return gather(stack.run, role=role, pause=lambda _: None, **which)


def diagnose_zone(world: Any, **which: Any) -> Diagnosis:
    """The findings about that zone."""
    objectives = Objectives(bound=lambda interval, threshold, ttl: threshold * interval + ttl)
    return diagnose(read_facts(world, **which), objectives)
