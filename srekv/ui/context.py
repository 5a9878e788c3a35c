"""The options before a command, and what they mean for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from srekv.config import DEFAULT_REGION, DEFAULT_STACK
from srekv.errors import Advice

if TYPE_CHECKING:
    from srekv.ui.console import Screen


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The options before the command that choose the stack."""

    target: str
    stack: str
    region: str | None  # as given, or from the environment; None if neither names one
    profile: str | None

    def command(self, words: str) -> str:
        """A command of srekv or of the AWS CLI as it is to be typed: about this stack, this Region, this profile."""
        program, _, rest = words.partition(" ")
        options = []
        if program == "srekv":
            options += [] if self.is_local else ["--target", self.target]
            options += [] if self.stack == DEFAULT_STACK else ["--stack", self.stack]
        is_implied = program == "srekv" and self.is_local and self.region == DEFAULT_REGION  # AWS_REGION may differ
        options += ["--region", self.region] if self.region and not is_implied else []
        options += ["--profile", self.profile] if self.profile else []
        return f"{shlex.join([program, *options])} {rest}"

    def render(self, advice: Advice) -> str:
        """Advice with each of its commands as it is to be typed."""
        return advice if isinstance(advice, str) else advice.render(self.command)

    @property
    def is_local(self) -> bool:
        """Whether the target is the local cloud."""
        return self.target == "local"


@dataclass(frozen=True, kw_only=True)
class Invocation(Selection):
    """The options before the command."""

    home: Path  # the directory of the local cloud's runtime files
    screen: Screen
    verbose: bool = False  # report every call to AWS
    speed: str = "auto"  # of a local cloud that is started without --speed, as SREKV_SPEED has it
