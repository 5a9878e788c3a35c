"""gzip with a limit: a few kB can unpack to a GiB."""

from __future__ import annotations

import gzip
import io
import zlib


class TooLargeError(ValueError):
    """What is packed is larger than the limit."""


def gunzip(packed: bytes, limit: int) -> bytes:
    """What is packed. Raises TooLargeError beyond `limit` bytes, ValueError when it is no gzip, or damaged."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            data = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it cannot be unpacked: {error}") from None
    if len(data) > limit:
        raise TooLargeError(f"it unpacks to more than {limit} bytes")
    return data
