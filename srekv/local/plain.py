"""A name for a directory that scripts and units can hold unquoted.

User data is rewritten for a machine whose root is a directory of the user's home, and a home may be called
"/home/Ada Lovelace": inside somebody else's shell script no quoting is right everywhere, so the machine gets a name
without such characters.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PLAIN = re.compile(r"[\w./+@,=-]+", re.ASCII)


@contextmanager
def plain_name(directory: Path) -> Iterator[Path]:
    """The directory's own name if it is plain; else, for as long as the block lasts, a link to it.

    The link lies in /tmp, which never has a space, in a directory of its own that no other user can enter. That one is
    locked: systemd-tmpfiles removes what is old there, and so frees its name, but nothing locked (tmpfiles.d(5)).
    """
    if _PLAIN.fullmatch(str(directory)):
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="srekv-", dir="/tmp") as place:
        link = Path(place, "home")
        link.symlink_to(directory)
        descriptor = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield link
        finally:
            os.close(descriptor)
