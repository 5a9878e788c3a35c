"""Wherever something is unpacked, a few kB that would become a GiB are an error and no memory."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from srekv.doctor.gather_hosts import LARGEST_USER_DATA, _text
from srekv.drill.vantage import _piece
from srekv.errors import SrekvError
from srekv.local.gunzip import gunzip
from srekv.probe import transfer


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (gzip.compress(b"x" * 101), "more than 100 bytes"),
        (gzip.compress(b"x" * 100) + gzip.compress(b"x"), "more than 100 bytes"),
        (gzip.compress(b"x" * 100)[:-1], "cannot be unpacked"),
        (gzip.compress(b"x" * 100)[:-8] + b"checksum", "cannot be unpacked"),
        (b"\x1f\x8b\x08\0garbage beyond a header", "cannot be unpacked"),
        (b"", ""),
        (gzip.compress(b"x" * 99) + gzip.compress(b"x"), ""),
    ],
    ids=["large", "large by its parts", "cut", "checksum", "garbage", "nothing", "in parts"],
)
def test_gzip(packed: bytes, says: str) -> None:
    """Up to the limit, over all members of the file; what is damaged is an error too."""
    if says:
        with pytest.raises(ValueError, match=says):
            gunzip(packed, 100)
    else:
        assert gunzip(packed, 100) == (b"x" * 100 if packed else b"")


@pytest.mark.parametrize("pack", [zlib.compress, lambda data: data[:10]], ids=["too large", "no zlib"])
def test_a_piece_of_a_history(pack: Callable[[bytes], bytes]) -> None:
    """A node's answer is a piece of at most a MiB, whatever it says of itself."""
    data = b"x" * (1 << 25)
    answer = {"data_b64": base64.b64encode(pack(data)).decode(), "sha256": hashlib.sha256(data).hexdigest()}
    with pytest.raises(SrekvError, match="damaged"):
        _piece(answer)


def test_a_file_on_its_way_to_a_node(tmp_path: Path) -> None:
    """The file that it would replace stays."""
    file = tmp_path / "r.json"
    file.write_bytes(b"old")
    packed = zlib.compress(b"x" * (transfer.LARGEST + 1))
    with pytest.raises(OSError, match="unpacks to more than"):
        transfer.store(str(file), offset=0, data=packed, sha256=hashlib.sha256(packed).hexdigest())
    assert file.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (gzip.compress(b"x" * (LARGEST_USER_DATA + 9)), LARGEST_USER_DATA),
        (b"\x1f\x8b\x08\0garbage beyond a header", 0),
        (gzip.compress(b"x" * 100)[:-9], 0),
        (b"plain", 5),
    ],
    ids=["large", "damaged", "cut", "plain"],
)
def test_other_peoples_user_data(data: bytes, length: int) -> None:
    """The doctor reads it in any account: the beginning of what is large, nothing of what is damaged."""
    assert len(_text(base64.b64encode(data).decode())) == length
