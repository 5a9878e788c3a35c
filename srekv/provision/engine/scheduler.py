"""The engine: runs steps beside each other as far as their needs allow, forwards to create, backwards to remove.

It knows no service. Issue first, wait last: a step's `settle` starts as soon as its own `ensure` is done, while other
steps are still being ensured, so the whole takes as long as its longest chain, not the sum of its waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from srekv.errors import SrekvError
from srekv.provision.engine.answers import FAILURES, explain, is_unknown_operation
from srekv.provision.engine.run import CancelledError, HeldError, Limited, Op, Ops, Run, Step
from srekv.provision.model import Resource

WORKERS = 12
"""Steps side by side."""

Job = Callable[[], None]

Look = tuple[Callable[[], None], str]
"""What refuses, and what is looked at meanwhile, for a person."""


@dataclass(frozen=True)
class Task:
    """A piece of work and the names of the tasks that must be done before it starts."""

    name: str
    section: str
    after: frozenset[str]
    job: Job


def refuse_what_cannot_change(steps: Sequence[Limited]) -> None:
    """Ask every step before any of them begins: a request that must fail half-way changes nothing at all.

    Raises:
        ImmutableError: a field that cannot change differs from what was asked.
    """
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="limits") as pool:
        refused = [op.refusal for ops in pool.map(_limits, steps) for op in ops if op.refusal]
    if refused:
        raise refused[0]


def refuse_unfit(rounds: Sequence[Sequence[Look]]) -> None:
    """Ask every step whether it would refuse, before any of them begins; round by round, as their needs are.

    Raises:
        SrekvError: the first refusal; nothing was made.
    """
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="fit") as pool:
        for looks in rounds:
            list(pool.map(_fit, looks))


def _fit(look: Look) -> None:
    refuse, doing = look
    try:
        refuse()
    except FAILURES as error:
        raise explain(error, doing) from error


def _limits(step: Limited) -> list[Op]:
    try:
        return list(step.limits())
    except FAILURES as error:
        raise explain(error, "listing what exists") from error


def ensure_all(run: Run, steps: Sequence[Step]) -> None:
    """Create or repair everything.

    Raises:
        SrekvError: the first failure; what had been started is allowed to finish its current call.
    """
    tasks = []
    for step in steps:
        needs = frozenset(f"{_key(steps, need)}:ensure" for need in step.needs)
        ensure, settle = f"{_key(steps, step)}:ensure", f"{_key(steps, step)}:settle"
        tasks.append(Task(ensure, step.section, needs, _job(run, step, "ensure")))
        tasks.append(Task(settle, step.section, frozenset({ensure}), _job(run, step, "settle")))
    _run_tasks(run, tasks)


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
    tasks = []
    for step in steps:
        dependents = [other for other in steps if step in other.needs]
        after = frozenset(_key(steps, other) for other in dependents)
        job = _removal(run, step, stuck, holders=dependents if step is last else ())
        tasks.append(Task(_key(steps, step), step.section, after, job))
    _run_tasks(run, tasks)


def _removal(run: Run, step: Step, stuck: set[Step], *, holders: Collection[Step]) -> Job:
    """Removes a step, unless one of its holders is stuck; notes it there if something of it stays."""

    def job() -> None:
        try:
            operations = step.destroy() if stuck.isdisjoint(holders) else _kept(step)
            if not run.carry_out(step.section, operations, removing=True):
                stuck.add(step)
        except FAILURES as error:
            failure = explain(error, f"{step.section} (destroy)")
            failure.__cause__ = error
        except SrekvError as error:
            failure = error
        else:
            return
        stuck.add(step)
        if not run.note_refusal(step.section, failure):
            raise failure

    return job


def _kept(step: Step) -> Ops:
    """What is there of a step that stays, each with the reason."""
    for one in step.observe():
        held = HeldError(f"the {one.kind} {one.name} was not deleted", why="it names the Region of what is left")
        yield Op(kind=one.kind, name=one.name, id=one.id, action="delete", refusal=held)


def observe_all(run: Run, steps: Sequence[Step]) -> tuple[Resource, ...]:
    """Everything that exists, step by step in order, asked side by side.

    What an endpoint cannot list is left out with a warning: it may well be there.
    """
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="observe") as pool:
        futures = [pool.submit(_observe, run, step) for step in steps]
        return tuple(resource for future in futures for resource in future.result())


def _observe(run: Run, step: Step) -> tuple[Resource, ...]:
    try:
        return step.observe()
    except FAILURES as error:
        explained = explain(error, f"listing {step.section}")
        if not is_unknown_operation(error):
            raise explained from error
        run.watcher.warn(f"not everything is listed: {explained.what}: {explained.why}")
        return ()


def _key(steps: Sequence[Step], step: Step) -> str:
    return str(steps.index(step))


def _job(run: Run, step: Step, verb: str) -> Job:
    operations = {"ensure": step.ensure, "settle": step.settle}[verb]

    def job() -> None:
        try:
            run.carry_out(step.section, operations())
        except FAILURES as error:
            raise explain(error, f"{step.section} ({verb})") from error

    return job


def _run_tasks(run: Run, tasks: Sequence[Task]) -> None:
    """Run every task as soon as those before it are done; on the first failure cancel the rest and raise it."""
    remaining = {task.name: task for task in tasks}
    done: set[str] = set()
    running: dict[Future[None], Task] = {}
    pending = {section: sum(task.section == section for task in tasks) for section in {task.section for task in tasks}}
    failure: BaseException | None = None
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="step")
    try:
        while running or (remaining and failure is None):
            if failure is None:
                _start_ready(run, pool, remaining, done, running)
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                task = running.pop(future)
                error = future.exception()
                failure = _worse(failure, error)
                if error is not None:
                    run.cancelled.set()
                    continue
                done.add(task.name)
                pending[task.section] -= 1
                if not pending[task.section]:
                    run.watcher.finished(task.section)
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


def _start_ready(
    run: Run,
    pool: ThreadPoolExecutor,
    remaining: dict[str, Task],
    done: set[str],
    running: dict[Future[None], Task],
) -> None:
    ready = [task for task in remaining.values() if task.after <= done]
    if not ready and not running:
        raise SrekvError("the steps need each other in a circle", why=", ".join(sorted(remaining)))
    for task in ready:
        del remaining[task.name]
        run.watcher.started(task.section)
        running[pool.submit(task.job)] = task


def _worse(one: BaseException | None, other: BaseException | None) -> BaseException | None:
    """The failure to report: the first one that is a cause and not a consequence."""
    if one is None or (isinstance(one, CancelledError) and other is not None):
        return other
    return one
