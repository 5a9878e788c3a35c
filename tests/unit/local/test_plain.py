"""Names of directories that any script can hold."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from srekv.local.supervisor import plain_name


def test_leaves_a_plain_name_alone() -> None:
    """What a script can hold unquoted needs no other name."""
    with plain_name(Path("/var/lib/srekv-1.0/local")) as name:
        assert name == Path("/var/lib/srekv-1.0/local")


@pytest.mark.parametrize("folder", ["Ada Lovelace", "it's", "$HOME", "a:b", "Zoë", "line\nbreak"])
def test_gives_another_name_while_it_is_needed(tmp_path: Path, folder: str) -> None:
    """What is written under the plain name lies in the directory, and the name goes with the block."""
    home = tmp_path / folder / "local"
    home.mkdir(parents=True)

    with plain_name(home) as name:
        (name / "console.log").write_text("booted")
        assert str(name).isascii()
        assert not set(" '$:\n") & set(str(name))

    assert (home / "console.log").read_text() == "booted"
    assert not name.parent.exists()


def test_the_other_name_stays_ours(tmp_path: Path) -> None:
    """Its directory is closed to others, and locked, so that systemd-tmpfiles does not free the name."""
    home = tmp_path / "Ada Lovelace"
    home.mkdir()
    with plain_name(home) as name:
        assert name.parent.stat().st_mode & 0o777 == 0o700
        descriptor = os.open(name.parent, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
