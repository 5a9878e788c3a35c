"""The options before a command, and what they mean for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from srekv.config import DEFAULT_REGION, DEFAULT_STACK
from srekv.ui.console import Screen


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """The options before the command.

    Attributes:
        home: the directory of the local cloud's runtime files.
        speed: of a local cloud that is started without --speed, as SREKV_SPEED has it.
        region: as given, or from the environment; None when nobody said.
        verbose: tell of every call to AWS.
    """

    target: str
    stack: str
    region: str | None
    profile: str | None
    home: Path
    screen: Screen
    verbose: bool = False
    speed: str = "auto"

    def command(self, words: str) -> str:
        """Another command on the same stack, as it is to be typed."""
        options = [] if self.is_local else ["--target aws"]
        options += [] if self.stack == DEFAULT_STACK else [f"--stack {self.stack}"]
        is_implied = self.is_local and self.region == DEFAULT_REGION  # elsewhere the environment may say another one
        options += [f"--region {self.region}"] if self.region and not is_implied else []
        options += [f"--profile {shlex.quote(self.profile)}"] if self.profile else []
        return " ".join(["srekv", *options, words])

    @property
    def is_local(self) -> bool:
        """Whether the target is the local cloud."""
        return self.target == "local"
