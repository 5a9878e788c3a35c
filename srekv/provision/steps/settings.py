"""The settings a stack was made with, kept as tags on its role: there is no state file, the cloud is the state.

The role is the first thing `up` makes and the last thing `down` removes, so whatever exists of a stack, its settings do
too. A setting given on the command line wins over the stored one, the stored one over the default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from srekv.config import Config
from srekv.errors import CommandLine, SrekvError, UsageError
from srekv.provision import lease
from srekv.provision.engine.answers import or_none
from srekv.provision.engine.clients import Clients
from srekv.provision.naming import REGION_TAG, Names, tag_map
from srekv.provision.step import Ops, change
from srekv.provision.steps.base import StackStep

STORED: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("port", "interval", "threshold", "ttl"), int),
    **dict.fromkeys(("zone", "record", "instance_type", "os", "key_name"), str),
    **dict.fromkeys(("deletion_protection", "alarms", "unsupported"), lambda text: text == "true"),
    "allow_cidrs": lambda text: tuple(text.split()),
    "lease": lease.from_text,
}
"""The settings that a stack keeps, each with how its tag is read."""


def settings_of(role: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings in the tags of a role as IAM's GetRole shows it; empty without a role."""
    tags = tag_map(role.get("Tags")) if role else {}
    values: dict[str, Any] = {}
    for name, read in STORED.items():
        text = tags.get(_key(name))
        if text is None:
            continue
        try:
            values[name] = read(text)
        except ValueError:
            raise SrekvError(
                f"the stack's role has the tag {_key(name)}={text}, which is no number",
                why="srekv keeps a stack's settings in its role's tags, and this one was changed",
                next_step="remove the tag: " + CommandLine("aws iam untag-role"),
            ) from None
    return values


def as_tags(config: Config) -> dict[str, str]:
    """A Config's settings as tags (IAM allows 256 characters a value, letters, digits and _.:/=+-@ and spaces)."""
    texts = {REGION_TAG: config.region}
    for name in STORED:
        value = _value(config, name)
        if isinstance(value, tuple):
            texts[_key(name)] = " ".join(value)
        elif isinstance(value, datetime):
            texts[_key(name)] = lease.as_text(value)
        elif value is not None:
            texts[_key(name)] = str(value).lower() if isinstance(value, bool) else str(value)
    return texts


def _value(config: Config, name: str) -> Any:
    if name == "zone":
        return config.zone_name
    if name == "key_name" and config.create_key:
        return Names(config.stack).key_pair
    if name == "unsupported":
        return (config.unsupported and config.os == "al2") or None
    return getattr(config, name)


def _key(name: str) -> str:
    return "srekv:" + name.replace("_", "-")


def resolve(config: Config, given: Mapping[str, Any], clients: Clients) -> tuple[Config, Mapping[str, Any] | None]:
    """The Config that counts, `given` over what the stack was made with over `config`; and the role, None without one.

    Refuses a stack of another Region.
    """
    names = Names(config.stack)
    answer = or_none(clients.iam_first.get_role, RoleName=names.role)
    role = answer["Role"] if answer else None
    ours = role if role and names.owns(role) else None
    refuse_elsewhere(config, {home} if (home := region_of(ours)) else ())
    kept = settings_of(ours)
    if given.get("create_key"):
        kept.pop("key_name", None)
    settled = dataclasses.replace(config, **{**kept, **given})
    if settled.lease_s is not None:
        end = lease.end_of(settled.wall(settled.lease_s), now=datetime.now(UTC))
        settled = dataclasses.replace(settled, lease=end)
    return settled, role


def region_of(role: Mapping[str, Any] | None) -> str:
    """The Region that a role says its stack is in; "" if it does not tell."""
    return tag_map(role.get("Tags")).get(REGION_TAG, "") if role else ""


def refuse_elsewhere(config: Config, told: Collection[str]) -> None:
    """Refuse a command in another Region than all of those that things of the stack name as theirs (`told`)."""
    # Half of a stack is the same in every Region: `down` in a wrong one would take that half and prove nothing.
    if told and config.region not in told:
        home = min(told)
        raise UsageError(
            f"the stack {config.stack} is in {home}, not in {config.region}",
            why="roles, zones and health checks are the same in every Region, so one name is one stack",
            next_step=f"give --region {home}, or another --stack",
        )


@dataclass(eq=False)
class Settings(StackStep):
    """Stores changed settings of a role that exists, when everything else is done.

    Earlier would be wrong: a setting that another step refuses (a field that cannot change, a key that is not there)
    would stay, and every later `up` would ask for it again. A new role is born with its settings.
    """

    section = "IAM"
    role: Mapping[str, Any] | None

    def ensure(self) -> Ops:
        """Tag the role where a setting differs from the stored one."""
        if self.role is None:
            return
        what, have = ("role", self.names.role, self.role["Arn"]), tag_map(self.role.get("Tags"))
        wrong = {key: value for key, value in as_tags(self.config).items() if have.get(key) != value}
        if wrong:
            detail = ", ".join(f"{key} {have.get(key, 'missing')} -> {value}" for key, value in wrong.items())
            pairs = [{"Key": key, "Value": value} for key, value in wrong.items()]
            yield change(*what, detail, self.iam.tag_role, RoleName=self.names.role, Tags=pairs)
        # Of these, absence means something.
        taken_back = [name for name in ("lease", "unsupported") if _value(self.config, name) is None]
        gone = [_key(name) for name in taken_back if _key(name) in have]
        if gone:
            detail = ", ".join(f"{key} {have[key]} removed" for key in gone)
            yield change(*what, detail, self.iam.untag_role, RoleName=self.names.role, TagKeys=gone)
