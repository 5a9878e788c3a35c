"""The engine: runs steps beside each other as far as their needs allow, forwards to create, backwards to remove.

It knows no service. Issue first, wait last: a step's `settle` starts as soon as its own `ensure` is done, while other
steps are still being ensured, so the whole takes as long as its longest chain, not the sum of its waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from srekv.errors import SrekvError
from srekv.provision.engine.answers import FAILURES, explain, explained, is_unknown_operation
from srekv.provision.engine.run import CancelledError, HeldError, Run
from srekv.provision.model import Resource
from srekv.provision.step import Op, Ops, Step

WORKERS = 12
"""Steps side by side."""


class Task(NamedTuple):
    """A piece of work on a step: "ensure", "settle" or "destroy"."""

    step: Step
    verb: str


Order = Mapping[Task, Collection[Task]]
"""Tasks with those that must be done before each."""


def refuse_what_cannot_change(steps: Sequence[Step]) -> None:
    """Ask every step before any of them begins: a request that must fail half-way changes nothing at all.

    Raises:
        ImmutableError: a field that cannot change differs from what was asked.
    """

    def limits(step: Step) -> list[Op]:
        with explained("listing what exists"):
            return list(step.limits())

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="limits") as pool:
        refused = [op.refusal for ops in pool.map(limits, steps) for op in ops if op.refusal]
    if refused:
        raise refused[0]


def refuse_unfit(rounds: Sequence[Sequence[Step]]) -> None:
    """Ask every step whether it would refuse, before any of them begins; round by round, as their needs are.

    Raises:
        SrekvError: the first refusal; nothing was made.
    """

    def fit(step: Step) -> None:
        with explained(step.checking):
            step.fit()

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="fit") as pool:
        for steps in rounds:
            list(pool.map(fit, steps))


def ensure_all(run: Run, steps: Sequence[Step]) -> None:
    """Create or repair everything.

    Raises:
        SrekvError: the first failure; what had been started is allowed to finish its current call.
    """

    def work(task: Task) -> None:
        step, verb = task
        with explained(f"{step.section} ({verb})"):
            run.carry_out(step.section, step.ensure() if verb == "ensure" else step.settle())

    order = {Task(step, "ensure"): [Task(need, "ensure") for need in step.needs] for step in steps}
    order |= {Task(step, "settle"): [Task(step, "ensure")] for step in steps}
    _run_tasks(run, order, work)


def destroy_all(run: Run, steps: Sequence[Step], *, last: Step | None = None) -> None:
    """Remove everything, each step after all steps that need it; what cannot be deleted does not keep the rest.

    It is noted in `run.refused`. Each step's removal tolerates that others were not complete.

    Args:
        run: the stack.
        steps: what goes.
        last: the one of them that stays while something of a step that needs it stays.

    Raises:
        SrekvError: the first failure that is not about one thing only, for example expired credentials.
    """
    stuck: set[Step] = set()
    needed_by = {step: [other for other in steps if step in other.needs] for step in steps}

    def work(task: Task) -> None:
        step = task.step
        stays = step is last and not stuck.isdisjoint(needed_by[step])
        try:
            with explained(f"{step.section} (destroy)"):
                if run.carry_out(step.section, _kept(step) if stays else step.destroy(), removing=True):
                    return
        except SrekvError as error:
            if not run.note_refusal(step.section, error):
                raise
        stuck.add(step)

    destroy = partial(Task, verb="destroy")
    _run_tasks(run, {destroy(step): [destroy(other) for other in needed_by[step]] for step in steps}, work)


def _kept(step: Step) -> Ops:
    """What is there of a step that stays, each with the reason."""
    for op in step.destroy():
        held = HeldError(f"the {op.kind} {op.name} was not deleted", why="it names the Region of what is left")
        yield replace(op, call=None, refusal=held)


def observe_all(run: Run, steps: Sequence[Step]) -> tuple[Resource, ...]:
    """Everything that exists, step by step in order, asked side by side.

    What an endpoint cannot list is left out with a warning: it may well be there.
    """

    def observe(step: Step) -> tuple[Resource, ...]:
        try:
            return step.observe()
        except FAILURES as error:
            failure = explain(error, f"listing {step.section}")
            if not is_unknown_operation(error):
                raise failure from error
            run.watcher.warn(f"not everything is listed: {failure.what}: {failure.why}")
            return ()

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="observe") as pool:
        return tuple(resource for resources in pool.map(observe, steps) for resource in resources)


def _run_tasks(run: Run, order: Order, work: Callable[[Task], None]) -> None:
    """Do every task as soon as those before it are done; on the first failure cancel the rest and raise it."""
    tasks = TopologicalSorter(order)
    try:
        tasks.prepare()
    except CycleError as error:
        sections = sorted({task.step.section for task in error.args[1]})
        raise SrekvError("the steps need each other in a circle", why=", ".join(sections)) from error
    pending = Counter(task.step.section for task in order)
    running: dict[Future[None], Task] = {}
    failure: BaseException | None = None
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="step")
    try:
        while running or (failure is None and tasks.is_active()):
            for task in tasks.get_ready() if failure is None else ():
                run.watcher.started(task.step.section)
                running[pool.submit(work, task)] = task
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                task = running.pop(future)
                if raised := future.exception():
                    # The failure to report is the first one that is a cause and not a consequence.
                    failure = raised if failure is None or isinstance(failure, CancelledError) else failure
                    run.cancelled.set()
                    continue
                tasks.done(task)
                pending[task.step.section] -= 1
                if not pending[task.step.section]:
                    run.watcher.finished(task.step.section)
    except BaseException as error:
        run.cancelled.set()
        # Ctrl-C while Python waits for a lock can come out as a RuntimeError about that lock.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if failure is not None:
        raise failure
