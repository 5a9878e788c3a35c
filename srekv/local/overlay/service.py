"""How a service plugs into the local cloud.

A method of a service is one operation of AWS: where AWS refuses, it raises ApiError, with the code and text of the row
of aws-recorded that its docstring names.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from srekv.local.overlay.errors import Protocol

if TYPE_CHECKING:  # importing moto costs half a second; annotations alone must not
    from moto.core.responses import BaseResponse


@dataclass(frozen=True, kw_only=True)
class Service:
    """How one service is served.

    Attributes:
        protocol: the shape of its errors.
        make: a fresh response object of moto's for one request.
        lock: guards its backend.
        unlocked: actions that wait for the data plane and lock for themselves.
        publishes: whether its changes concern the data plane.
    """

    protocol: Protocol
    make: Callable[[], BaseResponse]
    lock: threading.RLock
    unlocked: frozenset[str] = frozenset()
    publishes: bool = False
