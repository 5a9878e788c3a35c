"""One checker's mind, and the verdict of all of them."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.route53 import Opinion, flips_at, suffices, verdict

THRESHOLDS = st.integers(1, 10)
RESULTS = st.lists(st.booleans(), max_size=60)


def opinion_after(results: list[bool], threshold: int) -> Opinion:
    """The opinion of a new checker after these results."""
    opinion = Opinion()
    for passed in results:
        opinion = opinion.after(passed, threshold=threshold)
    return opinion


@given(RESULTS, THRESHOLDS)
def test_the_opinion_is_the_last_run_that_was_long_enough(results: list[bool], threshold: int) -> None:
    """Whatever the results, the opinion is that of the latest run of at least threshold equal ones."""
    long_runs = [passed for passed, run in groupby(results) if len(list(run)) >= threshold]
    assert opinion_after(results, threshold).healthy is (long_runs[-1] if long_runs else None)


@pytest.mark.parametrize(
    ("passing", "failing", "unknown", "healthy"),
    [
        (16, 0, 0, True),
        (0, 16, 0, False),
        (3, 13, 0, True),  # 18.75 %
        (2, 14, 0, False),  # 12.5 %
        (9, 41, 0, False),  # 18 % exactly is not more than 18 %
        (10, 40, 0, True),
        (0, 0, 16, True),  # new
        (0, 13, 3, True),  # three may still say so
        (0, 14, 2, False),
        (1, 13, 2, True),
        (1, 14, 1, False),
        (0, 0, 0, True),
    ],
)
def test_healthy_while_more_than_18_percent_say_so(passing: int, failing: int, unknown: int, healthy: bool) -> None:
    """The verdict counts those that say so, and those that have not said anything yet."""
    opinions = [*([True] * passing), *([False] * failing), *([None] * unknown)]
    assert verdict(opinions) is healthy


OPINIONS = st.lists(st.sampled_from([True, False, None]), max_size=20)


@given(OPINIONS)
def test_inverted_is_the_opposite_and_disabled_always_healthy(opinions: list[bool | None]) -> None:
    """An inverted check says the contrary of the plain one, also while new; a disabled one is healthy."""
    assert verdict(opinions, inverted=True) is not verdict(opinions)
    assert verdict(opinions, disabled=True)
    assert verdict(opinions, disabled=True, inverted=True)


@given(OPINIONS, st.randoms())
def test_the_order_of_the_checkers_does_not_matter(opinions: list[bool | None], dice: object) -> None:
    """A verdict is a count."""
    shuffled = sorted(opinions, key=lambda _: dice.random())  # type: ignore[attr-defined]
    assert verdict(shuffled) is verdict(opinions)


@given(OPINIONS.filter(bool), st.data())
def test_one_more_healthy_checker_never_makes_a_check_unhealthy(
    opinions: list[bool | None], data: st.DataObject
) -> None:
    """The verdict is monotone."""
    index = data.draw(st.integers(0, len(opinions) - 1))
    better = [*opinions[:index], True, *opinions[index + 1 :]]
    assert verdict(better) >= verdict(opinions)


def test_fourteen_of_sixteen_must_fail() -> None:
    """Three healthy checkers are more than 18 %, two are not."""
    assert flips_at() == 14


@given(st.integers(1, 200))
def test_a_check_flips_where_its_share_no_longer_suffices(checkers: int) -> None:
    """One failing checker less leaves it healthy."""
    failing = flips_at(checkers)
    assert not suffices(checkers - failing, checkers)
    assert suffices(checkers - failing + 1, checkers)
