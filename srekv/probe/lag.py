"""How long the machine keeps a program waiting: a client's timeout is over while its request waits for a processor.

Once an AWS-equivalent second a small piece of work is due, which needs PIECE rounds of a hash function. What it takes
beyond its own processor time, and what its timer was late, is time in which the machine did something else.
"""

from __future__ import annotations

import hashlib
import threading
import time

from srekv.probe.journal import Clock, Journal, rounded

EVERY_S = 1.0
"""From one piece of work to the next, AWS-equivalent seconds."""

PIECE = 20_000
"""Rounds: some 5 ms, in which the other threads of this process can run."""


def watch(clock: Clock, journal: Journal, stop: threading.Event) -> None:
    """Write how late each piece of work was done, in AWS-equivalent seconds, until told to stop."""
    every = EVERY_S / clock.speed
    while True:
        due = time.monotonic() + every
        if stop.wait(every):
            return
        spent = time.thread_time()
        hashlib.pbkdf2_hmac("sha256", b"srekv", b"lag", PIECE)
        late = time.monotonic() - due - (time.thread_time() - spent)
        journal.line(event="lag", at=rounded(clock.now()), late=rounded(max(0.0, late) * clock.speed))
