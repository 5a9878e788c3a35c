"""How the command line ends: every error becomes a message in three parts and an exit code, never a traceback."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import sys
from collections.abc import Sequence

import click

from srekv.errors import SrekvError, UsageError
from srekv.ui.context import Selection
from srekv.ui.visible import visible

INTERRUPTED = 130
UNHEARD = 141
"""As in a shell: stdout was closed before the result was written. Until then work continues (srekv.ui.console)."""


def run(group: click.Group, arguments: Sequence[str], *, debug: bool) -> int:
    """Run the words after the program's name and return the exit code; `debug` shows a defect's traceback."""
    try:
        group.main(args=list(arguments), prog_name="srekv", standalone_mode=False)
    except SrekvError as error:
        failure = error
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return UsageError.exit_code
    except click.ClickException as error:
        failure = _refusal(error)
    except (KeyboardInterrupt, click.Abort):
        with contextlib.suppress(OSError):  # a terminal that was closed interrupts too
            click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        _drop_what_waits()
        return UNHEARD
    except Exception as error:  # noqa: BLE001 - a user never sees a traceback
        failure = _surprise(error, debug=debug)
    else:
        return 0
    from srekv.ui.console import Screen

    Screen(as_json=False).failed(failure)
    return failure.exit_code


def _drop_what_waits() -> None:
    """What could not be written waits in a buffer; at its end the interpreter would try again, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refusal(error: click.ClickException) -> UsageError:
    """What Click did not understand, with the nearest of what there is."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "srekv"
    advice = f"{command} --help lists what there is"
    if context and isinstance(error, click.exceptions.NoSuchCommand):
        if error.possibilities:
            options = context.find_root().params
            chosen = Selection(**{one.name: options[one.name] for one in dataclasses.fields(Selection)})
            advice = f"did you mean {chosen.command(f'{command} {error.possibilities[0]}')}?"
        return UsageError(f"{command} has no command {error.command_name}", next_step=advice)
    if isinstance(error, click.exceptions.NoSuchOption):
        if error.possibilities:
            advice = f"did you mean {error.possibilities[0]}?"
        before = context.find_root().command.params if context else ()
        for option in before:
            if isinstance(option, click.Option) and error.option_name in option.opts:
                value = "" if option.is_flag else f" {option.human_readable_name.upper()}"
                words = f"{error.option_name}{value}{command.removeprefix('srekv')}"
                advice = f"it stands before the command: srekv {words}"
        return UsageError(f"{command} has no option {error.option_name}", next_step=advice)
    message = error.format_message().removesuffix(".")
    return UsageError(message[:1].lower() + message[1:], next_step=f"{command} --help")


def _surprise(error: Exception, *, debug: bool) -> SrekvError:
    """An unexpected error in three parts."""
    if debug:
        import traceback

        click.echo(visible("".join(traceback.format_exception(error))), err=True)
    what, why = "internal error", f"{type(error).__name__}: {error}"
    next_step = "SREKV_DEBUG=1 srekv ... shows where; please report it"
    if isinstance(error, OSError) and error.filename is not None:
        what, why = f"cannot use {error.filename}", error.strerror or str(error)
        next_step = "see who owns it and whether its disk is full, or choose another place"
    elif isinstance(error, OSError) and error.errno == errno.ENOSPC:  # of a stream: a file would have its name here
        _drop_what_waits()
        what, why, next_step = "the output cannot be written", error.strerror or str(error), "make room where it goes"
    elif any(kind.__module__.startswith("botocore.") for kind in type(error).__mro__):
        what, why = "a call to AWS failed", str(error).partition("\n")[0]
        next_step = "check AWS_ENDPOINT_URL, HTTPS_PROXY and NO_PROXY, then run the command again"
    return SrekvError(what, why=why, next_step=next_step)
