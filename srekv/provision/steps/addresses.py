"""Two Elastic IPs: a stop and start must not change the address that the health check watches (aws-facts 10 c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine
from srekv.provision.engine.answers import code_of, ignore_missing
from srekv.provision.engine.run import HeldError
from srekv.provision.inventory.existing import of_node
from srekv.provision.inventory.marks import Described, each
from srekv.provision.naming import NODES
from srekv.provision.step import Op, Ops, change_or_leave, create, delete
from srekv.provision.steps.base import StackStep

HELD = frozenset({"InvalidIPAddress.InUse", "AuthFailure"})  # while a deleted holder still has the address (E23, E24)


@dataclass(eq=False)
class Addresses(StackStep):
    """One Elastic IP for each node; `allocation` and `public` are there after ensure, by node."""

    section = "Network"
    allocation: dict[str, str] = field(default_factory=dict, init=False)
    public: dict[str, str] = field(default_factory=dict, init=False)

    def ensure(self) -> Ops:
        """Keep one address for each node, allocate what is missing, release what is surplus."""
        missing = []
        for node in NODES:
            candidates = sorted(of_node(self.existing.addresses, node), key=_usefulness)
            for surplus in candidates[1:]:
                yield self._release_op(surplus)
            if candidates:
                self._keep(node, candidates[0])
                what = ("address", self.public[node], self.allocation[node])
                yield from change_or_leave(*what, self._retag(*what, candidates[0], self._tags(node)))
                continue
            yield create("address", self.names.instance(node), partial(self._allocate, node))
            self.public.setdefault(node, "(new address)")  # in a dry run it stays that
            missing.append(node)
        if missing and not self.run.dry:
            yield from self._agree(missing)

    def _agree(self, nodes: Sequence[str]) -> Ops:
        """Another `up` may have allocated for the same node: both keep the same one, each releases its own surplus."""
        listed = self.existing.fresh_addresses()
        for node in nodes:
            # It counts also while the list does not show it: or else each run would leave the node to the other.
            mine = {"AllocationId": self.allocation[node], "PublicIp": self.public[node]}
            kept = min([mine, *of_node(listed, node)], key=_usefulness)
            if kept["AllocationId"] != mine["AllocationId"]:
                self._keep(node, kept)
                yield self._release_op(mine)

    def _keep(self, node: str, address: Described) -> None:
        self.allocation[node], self.public[node] = address["AllocationId"], address["PublicIp"]

    def _tags(self, node: str) -> Any:
        return self.names.tags(self.names.instance(node), node=node)

    def destroy(self) -> Ops:
        """Disassociate and release every address of ours: each is billed, used or not (aws-facts 4.2)."""
        for address in [*self.existing.fresh_addresses(), *self.existing.stray_addresses]:
            yield self._release_op(address)

    def _allocate(self, node: str) -> str:
        """Without retries: AllocateAddress takes no token, so a retry could be a second address (aws-facts 4.2).

        A call that was refused as one too many did nothing, and is made again. After a lost answer, and at the quota
        (another run may have filled it), the address is looked for by its tag, and only then asked for again.
        """

        def find() -> Described | None:
            return min(of_node(self.existing.fresh_addresses(), node), key=_usefulness, default=None)

        specification: Any = [{"ResourceType": "elastic-ip", "Tags": self._tags(node)}]
        what, full = f"an address for {node}", frozenset({"AddressLimitExceeded"})
        allocate = partial(self.run.clients.ec2_once.allocate_address, Domain="vpc", TagSpecifications=specification)
        self._keep(node, self.create_without_token(what, allocate, find=find, full=full))
        return self.allocation[node]

    def _release_op(self, address: Described) -> Op:
        allocation, public = address["AllocationId"], address["PublicIp"]

        def release() -> None:
            self._disassociate(address)
            call = partial(self._release, allocation)
            self.remove(f"{public} to be let go", call, listed=lambda: bool(self._shown(allocation)), on=HELD)

        state = "associated" if address.get("AssociationId") else "idle"
        return delete("address", public, allocation, state, release)

    def _release(self, allocation: str) -> None:
        """Release it; if something holds it (again), take it away and let the caller try again."""
        try:
            self.ec2.release_address(AllocationId=allocation)
        except ClientError as error:
            if code_of(error) not in HELD:
                raise
            # What is not listed is gone, although EC2 may refuse to release what is by now another account's.
            shown = self._shown(allocation)
            for one in shown:
                self._disassociate(one)
            if shown:
                raise

    def _disassociate(self, address: Described) -> None:
        """Take it off what it is on; raises HeldError if that is a service's, such as a NAT gateway's."""
        if not address.get("AssociationId"):
            return
        try:
            ignore_missing(self.ec2.disassociate_address, AssociationId=address["AssociationId"])
        except ClientError as error:
            # What DisassociateAddress returns for a service's interface (E24).
            if code_of(error) not in {"AuthFailure", "OperationNotPermitted"}:
                raise
            holder = address.get("NetworkInterfaceId", "")
            filters = [{"Name": "network-interface-id", "Values": [holder]}]
            listed = each(self.ec2, "describe_network_interfaces", "NetworkInterfaces", Filters=filters)
            interface: Described = next((one for one in listed if one["NetworkInterfaceId"] == holder), {})
            if not interface.get("RequesterManaged"):
                raise
            about = interface.get("Description") or "without a description"
            raise HeldError(
                f"the address {address['PublicIp']} was not released",
                why=f"on {holder} ({about}), which a service of AWS's manages",
                next_step=f"delete what {holder} belongs to, or take the address off it there; then "
                + CommandLine("srekv down"),
                holders=(holder,),
            ) from error

    def _shown(self, allocation: str) -> list[Described]:
        return [one for one in self.existing.fresh_addresses() if one["AllocationId"] == allocation]


def _usefulness(address: Described) -> tuple[bool, str]:
    """Sort key: associated addresses first, then a stable order."""
    return (not address.get("AssociationId"), address["AllocationId"])
