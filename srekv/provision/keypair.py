"""The optional key pair that --create-key makes; its private half is written once, readable by its owner only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import NotOursError, SrekvError, UsageError
from srekv.provision.answers import code_of, found
from srekv.provision.model import Resource
from srekv.provision.naming import STACK_TAG
from srekv.provision.run import Op, Ops, Run, Step, leave


class KeyPair:
    """The key pair of the nodes; `name` is there after ensure, None when no key was asked for."""

    section = "EC2"
    needs: tuple[Step, ...] = ()

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ec2 = run.clients.ec2
        self.name: str | None = None

    def observe(self) -> tuple[Resource, ...]:
        """Key pairs with our tag."""
        return tuple(
            Resource(kind="key pair", id=pair["KeyPairId"], name=pair["KeyName"], state="present")
            for pair in self._ours()
        )

    def ensure(self) -> Ops:
        """Check the named key pair, or create one and write its private key; no key, no call."""
        config = self._run.config
        if config.key_name:
            self._check_named(config.key_name)
            self.name = config.key_name
        elif config.create_key:
            self.name = self._run.names.key_pair
            yield from self._ensure_own(Path(config.create_key))

    def settle(self) -> Ops:
        """Nothing to wait for."""
        return iter(())

    def destroy(self) -> Ops:
        """Delete the key pair that we made; a file on this machine is the user's."""
        for pair in self._ours():
            yield Op(
                kind="key pair",
                name=pair["KeyName"],
                id=pair["KeyPairId"],
                action="delete",
                call=partial(self._delete, pair["KeyName"]),
            )

    def _ours(self) -> list[Mapping[str, Any]]:
        filters: Any = [self._run.names.tag_filter]
        return list(self._ec2.describe_key_pairs(Filters=filters)["KeyPairs"])

    def _check_named(self, name: str) -> None:
        if found(self._ec2.describe_key_pairs, KeyNames=[name]) is None:
            raise UsageError(
                f"there is no key pair {name} in {self._run.config.region}",
                next_step="aws ec2 describe-key-pairs, or --create-key FILE",
            )

    def _ensure_own(self, file: Path) -> Ops:
        existing = self._ours()
        if existing and file.exists() and file.stat().st_size:
            yield leave("key pair", existing[0]["KeyName"], existing[0]["KeyPairId"])
            return
        if existing:
            raise SrekvError(
                f"the key pair {self.name} exists, but {file} does not hold its private key",
                why="AWS gives a private key away only once",
                next_step=f"aws ec2 delete-key-pair --key-name {self.name}, then up again",
            )
        if file.exists():
            raise UsageError(f"{file} exists and is not overwritten", next_step="name another file, or use --key-name")
        yield Op(
            kind="key pair",
            name=self.name or "",
            action="create",
            detail=f"private key in {file}",
            call=lambda: self._create(file),
        )

    def _create(self, file: Path) -> str:
        """Open the file first: a key that cannot be written must not exist."""
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise UsageError(
                f"the private key cannot be written to {file}", why=str(error), next_step="name another file"
            ) from error
        tags: Any = self._run.names.tags(self._run.names.key_pair)
        with os.fdopen(descriptor, "w") as handle:
            try:
                pair = self._ec2.create_key_pair(
                    KeyName=self._run.names.key_pair,
                    KeyType="ed25519",
                    TagSpecifications=[{"ResourceType": "key-pair", "Tags": tags}],
                )
            except BaseException as error:
                file.unlink()
                if isinstance(error, ClientError) and code_of(error) == "InvalidKeyPair.Duplicate":
                    raise self._taken() from error
                raise
            handle.write(pair["KeyMaterial"])
        return pair["KeyPairId"]

    def _taken(self) -> NotOursError:
        return NotOursError(
            f"the key pair {self.name} exists and is not this stack's",
            why=f"it lacks the tag {STACK_TAG}={self._run.config.stack}",
            next_step=f"use it with --key-name {self.name}, or choose another stack name (--stack NAME)",
        )

    def _delete(self, name: str) -> None:
        """By name, unique in its Region: moto accepts a deletion by id and deletes nothing."""
        self._ec2.delete_key_pair(KeyName=name)
