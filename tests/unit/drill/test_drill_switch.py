"""Switching the name by hand, and the lab's acceptance tests."""

from __future__ import annotations

import pytest

from srekv.drill.acceptance import acceptance
from srekv.drill.model import Settings
from srekv.drill.switch import fail_back, fail_over
from srekv.errors import FindingError, TimeoutExceeded
from tests.support.drill import Log, World


def test_over_and_back(world: World, log: Log, settings: Settings) -> None:
    """The name follows the primary's death and its return, and both times are measured."""
    over = fail_over(world, settings, log, clock=world.clock)
    back = fail_back(world, settings, log, clock=world.clock)

    assert (over.address, back.address) == ("127.53.0.129", "127.53.0.128")
    assert 45 <= over.switched_s <= 50
    assert back.ready_s is not None
    assert 12 <= back.ready_s <= 16
    assert 39 <= back.switched_s <= 44


def test_a_name_that_stays(world: World, log: Log, settings: Settings) -> None:
    """A name that does not switch is a finding, with what it answers instead."""
    world.switches = False
    with pytest.raises(FindingError, match="did not switch") as caught:
        fail_over(world, settings, log, clock=world.clock)

    assert "127.53.0.128" in caught.value.why


def test_a_node_that_never_answers(world: World, log: Log, settings: Settings) -> None:
    """A node that boots and stays silent is a time-out that names it."""
    fail_over(world, settings, log, clock=world.clock)
    world.start = lambda _: None
    with pytest.raises(TimeoutExceeded, match="az1 answers /health"):
        fail_back(world, settings, log, clock=world.clock)


def test_acceptance_passes(world: World, settings: Settings) -> None:
    """A healthy deployment passes every test from both nodes and keeps no test key."""
    findings = acceptance(world, settings)

    assert [finding.name.partition(":")[0] for finding in findings] == ["az1"] * 5 + ["az2"] * 5
    assert all(finding.passed for finding in findings), findings
    assert world.keys == {}


def test_acceptance_sees_a_name_that_answers_the_secondary(world: World, settings: Settings) -> None:
    """After a failover the name does not answer AZ-a first, and the findings say what it answers."""
    world.mark("az1", up=False, at=world.clock.now - 100)
    world.data["az1"].clear()
    failed = [finding for finding in acceptance(world, settings) if not finding.passed]

    assert any("resolver answers" in finding.name and "127.53.0.129" in finding.detail for finding in failed)


def test_acceptance_sees_a_wrong_node(world: World, settings: Settings) -> None:
    """An answer from another node than the one that was asked is a failure."""
    world.liar = "az9"
    failed = [finding for finding in acceptance(world, settings) if not finding.passed]

    assert len(failed) == 6
    assert all("answered by az9" in finding.detail for finding in failed)
