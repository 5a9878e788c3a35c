"""How commands end."""

from __future__ import annotations

from reference.markdown import page, table
from srekv.errors import FindingError, SrekvError, UnknownError, UsageError
from srekv.ui.exits import INTERRUPTED, UNHEARD

CODES = (
    (0, "Done. A drill: held."),
    (
        FindingError.exit_code,
        "Done, and the answer is no: violated, worse, absent, something is left, a finding prevents the failover.",
    ),
    (UsageError.exit_code, "Usage error, refused before the first call. The message names the nearest valid value."),
    (SrekvError.exit_code, "Failed: the message has what happened, why, and what to do next."),
    (UnknownError.exit_code, "Done, and the verdict is inconclusive."),
    (INTERRUPTED, "Ctrl-C. What exists is printed; the same command continues from there."),
    (
        UNHEARD,
        (
            "Standard output was closed before the result was written, for example `srekv status --watch | head -1`. A "
            "command that changes a stack continues, warns on standard error, and exits as above."
        ),
    ),
)

HEAD = """\
The same for every command, so that scripts and pipelines can decide by them. `srekv doctor`, `srekv failover-test` and
`srekv compare` are made to be a pipeline's gate."""

TAIL = """\
An error has up to three lines, on standard error: `error:` what happened, `why:` its cause as far as it is known, often
in AWS's words, and `next:` what to do, mostly a command to copy. With `SREKV_DEBUG=1` an
internal error shows where it came from."""


def outcomes() -> str:
    """The page."""
    return page("Exit codes", HEAD, table(("code", "meaning"), ((str(code), text) for code, text in CODES)), TAIL)
