"""The service's table calls in a loop, without a web server: what the store alone costs. Arguments: threads, seconds.

Prints calls and CPU seconds for reads, then for writes.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from srekv.app.clients import connect
from srekv.app.dynamodb import DynamoStore
from srekv.app.model import Condition


def loop(call: Callable[[], object], threads: int, seconds: float) -> tuple[int, float]:
    """Calls done and CPU seconds used by so many threads in that time."""
    counts = [0] * threads
    end, cpu = time.monotonic() + seconds, time.process_time()

    def work(number: int) -> None:
        while time.monotonic() < end:
            call()
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts), time.process_time() - cpu


def main(threads: int, seconds: float) -> None:
    """Reads, then writes."""
    store = DynamoStore("SREKeyValue", lambda: connect("us-east-1", os.environ["SREKV_STORE"]))
    store.get("foo")
    for call in (lambda: store.get("foo"), lambda: store.put("foo", b"bar", Condition())):
        calls, cpu = loop(call, threads, seconds)
        print(calls, cpu, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
