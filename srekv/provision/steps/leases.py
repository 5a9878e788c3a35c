"""Gives the nodes that run their lease, moves its end, or removes it.

A new instance has its lease from its user data. One that runs gets it over SSM, then its tag. A node that does not take
the command makes `up` fail: a lease that is not kept must not be reported.

The node's file and its tag must not differ, or no later `up` would notice. So the tag is "pending" from before the node
gets the command until after, and stays so if that is interrupted. When the tag has been set, both are read back: if
another `up` was at work on the same node, the last to read sees it and starts again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from srekv.errors import CommandLine, SrekvError
from srekv.provision import lease
from srekv.provision.engine.run import CancelledError
from srekv.provision.inventory.marks import instance, tags_of
from srekv.provision.model import Instance
from srekv.provision.naming import LEASE_TAG, NODES
from srekv.provision.payload import userdata
from srekv.provision.step import Ops, change
from srekv.provision.steps.base import StackStep
from srekv.provision.steps.nodes import Nodes
from srekv.provision.target import AwsFaultTarget

TERMINATE, STOP = "terminate", "stop"  # what EC2 does with an instance that shuts itself down
ATTRIBUTE: Any = "instanceInitiatedShutdownBehavior"
NO_SCRIPT_CODE = 3


@dataclass(eq=False)
class Leases(StackStep):
    """The lease of every node, as its own tag shows it."""

    section = "EC2"
    nodes: Nodes

    def __post_init__(self) -> None:
        super().__post_init__()
        self._want = lease.as_text(self.config.lease)

    def ensure(self) -> Ops:
        """Bring each node that differs to the lease that is wanted."""
        for node in NODES:
            instance_id = self.nodes.instance_id.get(node, "")
            # None for an instance that this run has launched.
            known = next((one for one in self.existing.instances if one["InstanceId"] == instance_id), None)
            have = tags_of(known).get(LEASE_TAG, "") if known else self.nodes.launched_with.get(instance_id, "")
            what = ("instance", self.names.instance(node), instance_id)
            if have != self._want and instance_id:
                detail = f"lease {have or 'none'} -> {self._want or 'none'}"
                yield change(*what, detail, self._give, node=node, instance_id=instance_id)
            elif self._want and known:
                answer = self.ec2.describe_instance_attribute(InstanceId=instance_id, Attribute=ATTRIBUTE)
                if answer["InstanceInitiatedShutdownBehavior"].get("Value") != TERMINATE:
                    detail = f"at its own shutdown {STOP} -> {TERMINATE}"
                    yield change(*what, detail, self._behave, instance_id=instance_id, value=TERMINATE)

    def _behave(self, instance_id: str, value: str) -> None:
        self.ec2.modify_instance_attribute(InstanceId=instance_id, Attribute=ATTRIBUTE, Value=value)

    def _give(self, node: str, instance_id: str) -> None:
        """Command the node, then tag it; again if another `up` came between."""
        with self._explained(node, instance_id):  # a node that takes no commands keeps the lease it has, and its tag
            AwsFaultTarget(self.run).await_commands([Instance(instance_id=instance_id)])
        for _ in range(3):  # while another `up` gives it another one
            self._tag(instance_id, lease.PENDING)
            # With a lease, what a shutdown means is set before the node knows when to shut down; without, after.
            if self._want:
                self._behave(instance_id, TERMINATE)
            self._command(node, instance_id, _script(self.config.lease))
            if not self._want:
                self._behave(instance_id, STOP)
            self._tag(instance_id, self._want)
            if self._holds(node, instance_id):
                return
        raise self._unkept(node, instance_id, "another srekv up gives it another lease at the same time")

    def _tag(self, instance_id: str, value: str) -> None:
        if value:
            self.ec2.create_tags(Resources=[instance_id], Tags=[{"Key": LEASE_TAG, "Value": value}])
        else:
            self.ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": LEASE_TAG}])

    def _holds(self, node: str, instance_id: str) -> bool:
        told = self._command(node, instance_id, f"cat {userdata.LEASE_FILE} 2>/dev/null || :").strip()
        if told != (str(userdata.epoch(self.config.lease)) if self.config.lease else ""):
            return False
        found = instance(self.ec2, instance_id)
        return found is not None and tags_of(found).get(LEASE_TAG, "") == self._want

    def _command(self, node: str, instance_id: str, script: str) -> str:
        """Run it on the node and return what it printed; raises SrekvError if it was not carried out."""
        with self._explained(node, instance_id):
            where = Instance(instance_id=instance_id)
            # A node that is just being started may still be shown as online from before: its agent takes it later.
            result = AwsFaultTarget(self.run).run(where, script, timeout_s=180)
        if result.code == NO_SCRIPT_CODE:
            self._tag(instance_id, "")
            old = "it booted with the user data of an older version, which knows no lease"
            raise self._unkept(node, instance_id, old)
        if result.status != "Success":
            raise self._unkept(node, instance_id, f"{result.status}: {result.stderr.strip()}")
        return result.stdout

    @contextmanager
    def _explained(self, node: str, instance_id: str) -> Iterator[None]:
        try:
            yield
        except CancelledError:
            raise
        except SrekvError as error:
            raise self._unkept(node, instance_id, f"{error.what}; {error.why}".rstrip("; ")) from error

    def _unkept(self, node: str, instance_id: str, why: str) -> SrekvError:
        what = f"{node} ({instance_id}) did not receive its lease, so it still has the previous one"
        again = "run the same command again; if it stays so, terminate the node ("
        terminate = CommandLine(f"aws ec2 terminate-instances --instance-ids {instance_id}")
        return SrekvError(what, why=why, next_step=again + terminate + ") before: a new one starts with the lease")


def _script(end: datetime | None) -> str:
    """What a node runs to have the lease that is wanted; the unit reads it anew when it starts."""
    file = userdata.LEASE_FILE
    write = f"echo {userdata.epoch(end)} > {file}.new\nmv {file}.new {file}" if end else f"rm -f {file}"
    return (
        f"set -e\n[ -e {userdata.HOME}/lease ] || exit {NO_SCRIPT_CODE}\n{write}\n"
        f"systemctl enable {userdata.LEASE_UNIT}\nsystemctl restart --no-block {userdata.LEASE_UNIT}\n"
    )
