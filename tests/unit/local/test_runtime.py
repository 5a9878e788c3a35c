"""Which folders a local cloud keeps its keys in, and which it refuses."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from srekv.errors import SrekvError
from srekv.local.runtime import make_private, refuse_shared

OTHER = 65534
"""Another user's id."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Of this process, for as long as the block lasts."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def own(tmp_path: Path, modes: tuple[int, int, int] = (0o700, 0o700, 0o700)) -> Path:
    """a/b/c with these modes."""
    folder = tmp_path
    for name, mode in zip("abc", modes, strict=True):
        folder /= name
        folder.mkdir()
        folder.chmod(mode)
    return folder


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    """The folder and each one above it that was missing."""
    with umask(mask):
        make_private(tmp_path / "a/b/c")
    modes = [stat.S_IMODE((tmp_path / part).stat().st_mode) for part in ("a", "a/b", "a/b/c")]
    assert modes == [0o700] * 3


@pytest.mark.parametrize(
    ("modes", "open_one"),
    [
        ((0o755, 0o755, 0o700), None),
        ((0o755, 0o755, 0o755), None),
        ((0o755, 0o755, 0o777), "a/b/c"),
        ((0o755, 0o755, 0o1777), "a/b/c"),
        ((0o755, 0o777, 0o700), "a/b"),
        ((0o777, 0o700, 0o700), "a"),
        ((0o1777, 0o755, 0o700), None),
        ((0o1777, 0o777, 0o700), "a/b"),
    ],
)
def test_a_folder_that_others_can_write_or_replace_is_refused(
    tmp_path: Path, modes: tuple[int, int, int], open_one: str | None
) -> None:
    """Itself or one above it, unless that is sticky; the error has the command that closes it, and then it is used."""
    folder = own(tmp_path, modes)
    if open_one:
        with pytest.raises(SrekvError) as refused:
            make_private(folder)
        assert refused.value.why == f"every user can write {tmp_path / open_one}"
        assert refused.value.next_step == f"chmod go-w {tmp_path / open_one}"
        (tmp_path / open_one).chmod(0o755)
    make_private(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@as_root
def test_a_group_is_trusted_if_it_is_the_users_own(tmp_path: Path) -> None:
    """The group of the user's name is private, and common with umask 002; another group has other members."""
    folder = own(tmp_path, (0o775, 0o775, 0o700))
    refuse_shared(folder)
    os.chown(tmp_path / "a", -1, OTHER)
    with pytest.raises(SrekvError) as refused:
        refuse_shared(folder)
    assert refused.value.why == f"group {OTHER} can write {tmp_path / 'a'}"


@as_root
@pytest.mark.parametrize("whose", ["a", "a/b/c"])
def test_another_users_folder_is_refused(tmp_path: Path, whose: str) -> None:
    """The owner of a folder can replace what is in it."""
    folder = own(tmp_path)
    os.chown(tmp_path / whose, OTHER, -1)
    with pytest.raises(SrekvError) as refused:
        make_private(folder)
    assert refused.value.why == f"{tmp_path / whose} belongs to user {OTHER}, and srekv runs as user 0"
    assert "SREKV_HOME" in refused.value.next_step


def test_what_a_link_leads_to_counts(tmp_path: Path) -> None:
    """A folder that others can write is refused by a link's name, too."""
    folder = own(tmp_path, (0o755, 0o777, 0o700))
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(SrekvError, match="another user can replace"):
        refuse_shared(tmp_path / "link")


@as_root
def test_another_users_link_is_refused(tmp_path: Path) -> None:
    """Its owner can point it at another folder later."""
    folder = own(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(folder.parent)
    os.chown(link, OTHER, -1, follow_symlinks=False)
    with pytest.raises(SrekvError, match="another user can replace"):
        refuse_shared(link / "c")
