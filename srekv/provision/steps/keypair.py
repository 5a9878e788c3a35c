"""The optional key pair that --create-key makes; its private half is written once, readable by its owner only."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TextIO

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, NotOursError, SrekvError, UsageError
from srekv.provision.engine.answers import code_of, or_none
from srekv.provision.inventory.marks import Described, each, tags_of
from srekv.provision.naming import STACK_TAG
from srekv.provision.step import Op, Ops, create, delete, leave
from srekv.provision.steps.base import StackStep

KIND = "key pair"


@dataclass(eq=False)
class KeyPair(StackStep):
    """The key pair of the nodes; `name` is there after ensure, None when no key was asked for."""

    section = "EC2"
    checking = "checking the key pair"
    name: str | None = field(default=None, init=False)

    def fit(self) -> None:
        """Refuse now what `ensure` would refuse, before anything is made; `ensure` does not ask again."""
        tuple(self.ensure())  # what it would do is not done

    def ensure(self) -> Ops:
        """Check the named key pair, or create one and write its private key; no key, no call."""
        config = self.config
        if config.key_name:
            if config.key_name not in self._known:
                what = f"there is no key pair {config.key_name} in {config.region}"
                raise UsageError(what, next_step=CommandLine("aws ec2 describe-key-pairs") + ", or --create-key FILE")
            self.name = config.key_name
        elif config.create_key:
            self.name = self.names.key_pair
            yield from self._ensure_own(Path(config.create_key))

    def destroy(self) -> Ops:
        """Delete the key pair that we made; a file on this machine is the user's."""
        for pair in self._ours():
            yield self._delete_op(pair)

    def _ours(self) -> list[Described]:
        return [one for one in self._named() if self._is_ours(one)]

    def _is_ours(self, pair: Described) -> bool:
        return tags_of(pair).get(STACK_TAG) == self.names.stack

    def _named(self) -> list[Described]:
        """The key pair of our name, also another's."""
        name = self.names.key_pair
        listed = each(self.ec2, "describe_key_pairs", "KeyPairs", Filters=[{"Name": "key-name", "Values": [name]}])
        return [one for one in listed if one["KeyName"] == name]

    _at_first = cached_property(_named)

    @cached_property
    def _known(self) -> set[str]:
        """The name of the key pair that was asked for, if it is there."""
        answer = or_none(self.ec2.describe_key_pairs, KeyNames=[self.config.key_name or ""])
        return {one["KeyName"] for one in answer["KeyPairs"]} if answer else set()

    def _ensure_own(self, file: Path) -> Ops:
        existing, written = self._at_first, _holds_something(file)
        if not all(map(self._is_ours, existing)):
            raise self._foreign()
        if existing and written:
            yield leave(KIND, existing[0]["KeyName"], existing[0]["KeyPairId"])
            return
        if written:
            raise UsageError(f"{file} exists and is not overwritten", next_step="name another file, or use --key-name")
        _refuse_unwritable(file)
        for pair in existing:
            self._refuse_used(pair, file)
            yield self._delete_op(pair)
        yield create(KIND, self.names.key_pair, partial(self._create, file), f"private key in {file}")

    def _refuse_used(self, pair: Described, file: Path) -> None:
        """A key pair whose private key never arrived is made anew, unless an instance was launched with it."""
        used = [one["InstanceId"] for one in self.existing.instances if one.get("KeyName") == pair["KeyName"]]
        if used:
            raise SrekvError(
                f"the key pair {pair['KeyName']} exists, but {file} does not hold its private key",
                why=f"AWS gives a private key away only once, and {', '.join(used)} was launched with it",
                next_step="name the file that holds it, or leave --create-key out; for another pair: "
                + CommandLine(f"aws ec2 delete-key-pair --key-name {pair['KeyName']}")
                + ", terminate the instances, and up again",
            )

    def _create(self, file: Path) -> str:
        """Open the file first: a key that cannot be written must not exist."""
        tags: Any = [{"ResourceType": "key-pair", "Tags": self.names.tags(self.names.key_pair)}]

        def create_key_pair() -> Described:
            call = self.run.clients.ec2_once.create_key_pair
            return call(KeyName=self.names.key_pair, KeyType="ed25519", TagSpecifications=tags)

        def discard_lost() -> None:
            # After a lost answer the name is taken, and the private key is lost: the key pair is useless.
            for pair in self._ours():
                self.ec2.delete_key_pair(KeyName=pair["KeyName"])

        with _open_exclusively(file) as handle:
            try:
                pair = self.create_without_token(f"the key pair {self.name}", create_key_pair, find=discard_lost)
            except BaseException as error:
                file.unlink()
                if not isinstance(error, ClientError) or code_of(error) != "InvalidKeyPair.Duplicate":
                    raise
                if not self._ours():
                    raise self._foreign() from error
                raise SrekvError(
                    f"another srekv up has just made the key pair {self.name}",
                    why="AWS gives a private key away only once: to that one",
                    next_step="wait until it has ended, then up again without --create-key",
                ) from error
            handle.write(pair["KeyMaterial"])
        return str(pair["KeyPairId"])

    def _foreign(self) -> NotOursError:
        return NotOursError(
            f"the key pair {self.name} exists and is not this stack's",
            why=f"it lacks the tag {STACK_TAG}={self.names.stack}",
            next_step=f"use it with --key-name {self.name}, or choose another stack name (--stack NAME)",
        )

    def _delete_op(self, pair: Described) -> Op:
        name = pair["KeyName"]  # unique in its Region; moto accepts a deletion by id and deletes nothing
        return delete(KIND, name, pair["KeyPairId"], "present", self.ec2.delete_key_pair, KeyName=name)


def _holds_something(file: Path) -> bool:
    """Whether it may hold a key; an empty file is what an `up` leaves that was killed before it had one."""
    return file.exists() and file.stat().st_size > 0


@contextmanager
def _open_exclusively(file: Path) -> Iterator[TextIO]:
    """The file for writing, readable by its owner only; no other process has it open like this."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unwritable(file, error) from error
    with os.fdopen(descriptor, "w") as handle:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(descriptor, 0o600)
        except OSError as error:
            raise _unwritable(file, error) from error
        if _holds_something(file):
            raise _unwritable(file, "another srekv up has just written it")
        yield handle


def _refuse_unwritable(file: Path) -> None:
    """As far as it can be told without touching the file."""
    place = file if file.exists() else file.parent
    if file.is_dir():
        raise _unwritable(file, os.strerror(errno.EISDIR))
    if not os.access(place, os.W_OK):
        raise _unwritable(file, os.strerror(errno.EACCES if place.exists() else errno.ENOENT))


def _unwritable(file: Path, why: object) -> UsageError:
    return UsageError(f"the private key cannot be written to {file}", why=str(why), next_step="name another file")
