"""One tree of errors: each states what happened, why, what to do next, and which exit code that means."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class CommandLine:
    """A command for the user to type, and the text around it; adding text or another command continues it."""

    words: str  # of srekv or of the AWS CLI, without the options that choose the stack: who prints it adds them
    before: str = ""
    after: Advice = ""

    def __add__(self, more: Advice) -> CommandLine:
        return replace(self, after=self.after + more)

    def __radd__(self, text: str) -> CommandLine:
        return replace(self, before=text + self.before)

    def render(self, complete: Callable[[str], str] = str) -> str:
        """The whole text, each command as `complete` returns it."""
        after = self.after if isinstance(self.after, str) else self.after.render(complete)
        return self.before + complete(self.words) + after

    __str__ = render


Advice = str | CommandLine


class SrekvError(Exception):
    """Something that was asked for could not be done.

    Args:
        what: what happened, one sentence.
        why: the cause as far as it is known, for example the service's own words.
        next_step: what the user should do now, preferably a command.
    """

    exit_code = 3

    def __init__(self, what: str, *, why: str = "", next_step: Advice = "") -> None:
        super().__init__(what)
        self.what, self.why, self.next_step = what, why, next_step

    @property
    def message(self) -> Advice:
        """What, why, and what next, a line each."""
        message = f"{self.what}\nwhy: {self.why}" if self.why else self.what
        return message + "\nnext: " + self.next_step if self.next_step else message

    def __str__(self) -> str:
        return str(self.message)


class UsageError(SrekvError):
    """A usage error, refused before the first call."""

    exit_code = 2


class FindingError(SrekvError):
    """The command ran to its end and the answer is no: violated, worse, absent, leftovers."""

    exit_code = 1


class UnknownError(SrekvError):
    """The command ran to its end and is inconclusive."""

    exit_code = 4


class TimeoutExceeded(SrekvError):
    """A wait reached its deadline; `what` names what was waited for and `why` the last thing seen."""


class NotOursError(SrekvError):
    """A resource with the wanted name exists and does not carry this stack's tag."""


class ImmutableError(SrekvError):
    """A declared field differs and AWS cannot change it in place; a resource is "instance srekv-az1 (i-0abc)"."""

    def __init__(self, resource: str, *, field: str, have: object, want: object, next_step: Advice) -> None:
        why = f"it is {have}, you asked for {want}"
        super().__init__(f"{resource}: {field} cannot be changed", why=why, next_step=next_step)
        self.field, self.have, self.want = field, have, want


def none_of(option: str, value: str, known: Sequence[str]) -> UsageError:
    """The error for a word given for an option that is none of the known ones; it names the nearest, if one is near."""
    nearest = difflib.get_close_matches(value, known, n=1, cutoff=0.4)
    return UsageError(
        f"invalid value for {option}: {value}",
        why=f"it must be one of {', '.join(known)}",
        next_step=f"did you mean {option} {nearest[0]}?" if nearest else "",
    )
