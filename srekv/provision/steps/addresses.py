"""Two Elastic IPs: a stop and start must not change the address that the health check watches (aws-facts 10 c)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine
from srekv.provision.engine.answers import code_of, gone
from srekv.provision.engine.run import HeldError, Op, Ops, Run, Step, leave
from srekv.provision.inventory.existing import Existing, of_node
from srekv.provision.inventory.marks import each
from srekv.provision.model import Resource
from srekv.provision.naming import NODES, lost_tags, tag_map

HELD = frozenset({"InvalidIPAddress.InUse", "AuthFailure"})
"""While a holder that was just deleted still has the address (E23, E24)."""

NOT_OURS = frozenset({"AuthFailure", "OperationNotPermitted"})
"""What DisassociateAddress says of a service's interface (E24)."""

QUOTA = frozenset({"AddressLimitExceeded"})
RELEASE_TIMEOUT_S = 60
"""How long an address that is on nothing may still be refused: its holder was deleted seconds ago (E24)."""

UNKNOWN = "(new address)"
"""In a dry run, the address that is not allocated."""


class Addresses:
    """One Elastic IP for each node; `allocation` and `public` are there after ensure."""

    section = "Network"

    def __init__(self, run: Run, existing: Existing, *, needs: tuple[Step, ...]) -> None:
        self._run = run
        self.needs = needs
        self._ec2 = run.clients.ec2
        self._existing = existing
        self.allocation: dict[str, str] = {}
        self.public: dict[str, str] = {}

    @property
    def public_addresses(self) -> tuple[str, ...]:
        """The addresses in the order of the nodes."""
        return tuple(self.public[node] for node in NODES if node in self.public)

    def observe(self) -> tuple[Resource, ...]:
        """Every address with our tag: each is billed, used or not (aws-facts 4.2)."""
        return tuple(
            Resource(
                kind="address",
                id=one["AllocationId"],
                name=one["PublicIp"],
                state="associated" if one.get("AssociationId") else "idle",
            )
            for one in self._existing.fresh_addresses()
        )

    def ensure(self) -> Ops:
        """Keep one address for each node, allocate what is missing, release what is surplus."""
        missing = []
        for node in NODES:
            candidates = sorted(of_node(self._existing.addresses, node), key=_usefulness)
            for surplus in candidates[1:]:
                yield self._release_op(surplus)
            if not candidates:
                yield Op(
                    kind="address",
                    name=self._run.names.instance(node),
                    action="create",
                    call=partial(self._allocate, node),
                )
                self.public.setdefault(node, UNKNOWN)
                missing.append(node)
                continue
            kept = candidates[0]
            self.allocation[node], self.public[node] = kept["AllocationId"], kept["PublicIp"]
            yield self._keep(node, kept)
        if missing and not self._run.dry:
            yield from self._agree(missing)

    def _agree(self, nodes: Sequence[str]) -> Ops:
        """Another `up` may have allocated for the same node: both keep the same one, each releases its own surplus.

        One's own counts also while the list does not show it: or else each would leave the node to the other.
        """
        listed = self._existing.fresh_addresses()
        for node in nodes:
            mine = {"AllocationId": self.allocation[node], "PublicIp": self.public[node]}
            kept = min([mine, *of_node(listed, node)], key=_usefulness)
            if kept["AllocationId"] == mine["AllocationId"]:
                continue
            self.allocation[node], self.public[node] = kept["AllocationId"], kept["PublicIp"]
            yield self._release_op(mine)

    def _keep(self, node: str, address: Mapping[str, Any]) -> Op:
        """Leave it alone, or give it back the tags that it has lost."""
        tags: Any = self._tags(node)
        lost = lost_tags(tag_map(address.get("Tags")), tags)
        if not lost:
            return leave("address", address["PublicIp"], address["AllocationId"])

        def tag() -> None:
            self._ec2.create_tags(Resources=[address["AllocationId"]], Tags=tags)

        return Op(
            kind="address",
            name=address["PublicIp"],
            id=address["AllocationId"],
            action="change",
            detail=lost,
            call=tag,
        )

    def _tags(self, node: str) -> list[dict[str, str]]:
        return self._run.names.tags(self._run.names.instance(node), node=node)

    def settle(self) -> Ops:
        """Nothing to wait for: the nodes' step associates the addresses."""
        return iter(())

    def destroy(self) -> Ops:
        """Disassociate and release every address of ours."""
        for address in [*self._existing.fresh_addresses(), *self._existing.stray_addresses]:
            yield self._release_op(address)

    def _allocate(self, node: str) -> str:
        """Without retries: AllocateAddress takes no token, so a retry could be a second address (aws-facts 4.2).

        A call that was refused as one too many did nothing, and is made again. After a lost answer, and at the quota
        (another run may have filled it), the address is looked for by its tag, and only then asked for again.
        """
        address = self._run.unsure(
            self.section,
            f"an address for {node}",
            partial(self._ask, node),
            look=partial(self._appeared, node),
            full=QUOTA,
        )
        self.allocation[node], self.public[node] = address["AllocationId"], address["PublicIp"]
        return str(address["AllocationId"])

    def _ask(self, node: str) -> Mapping[str, Any]:
        tags: Any = self._tags(node)
        return self._run.clients.ec2_once.allocate_address(
            Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": tags}]
        )

    def _appeared(self, node: str) -> Mapping[str, Any] | None:
        return min(of_node(self._existing.fresh_addresses(), node), key=_usefulness, default=None)

    def _release_op(self, address: Mapping[str, Any]) -> Op:
        allocation = address["AllocationId"]

        def release() -> None:
            self._disassociate(address)
            self._run.remove(
                self.section,
                f"{address['PublicIp']} to be let go",
                partial(self._release, allocation),
                listed=lambda: bool(self._shown(allocation)),
                on=HELD,
                timeout_s=RELEASE_TIMEOUT_S,
            )

        return Op(kind="address", name=address["PublicIp"], id=allocation, action="delete", call=release)

    def _release(self, allocation: str) -> None:
        """Release it; if something holds it (again), take it away and let the caller try again.

        What is not listed is gone, although EC2 may refuse to release what is by now another account's.
        """
        try:
            self._ec2.release_address(AllocationId=allocation)
        except ClientError as error:
            if code_of(error) not in HELD:
                raise
            shown = self._shown(allocation)
            for one in shown:
                self._disassociate(one)
            if shown:
                raise

    def _disassociate(self, address: Mapping[str, Any]) -> None:
        """Take it off what it is on.

        Raises:
            HeldError: that is a service's interface, such as a NAT gateway's, and only the service lets go.
        """
        if not address.get("AssociationId"):
            return
        try:
            gone(self._ec2.disassociate_address, AssociationId=address["AssociationId"])
        except ClientError as error:
            interface = self._interface(address) if code_of(error) in NOT_OURS else {}
            if not interface.get("RequesterManaged"):
                raise
            holder, about = interface["NetworkInterfaceId"], interface.get("Description") or "without a description"
            raise HeldError(
                f"the address {address['PublicIp']} was not released",
                why=f"on {holder} ({about}), which a service of AWS's manages",
                next_step=f"delete what {holder} belongs to, or take the address off it there; then "
                + CommandLine("srekv down"),
                holders=(holder,),
            ) from error

    def _interface(self, address: Mapping[str, Any]) -> Mapping[str, Any]:
        """The network interface that an address is on; empty if EC2 does not show it."""
        holder = address.get("NetworkInterfaceId", "")
        filters = [{"Name": "network-interface-id", "Values": [holder]}]
        listed = each(self._ec2, "describe_network_interfaces", "NetworkInterfaces", Filters=filters)
        return next((one for one in listed if one["NetworkInterfaceId"] == holder), {})

    def _shown(self, allocation: str) -> list[Mapping[str, Any]]:
        return [one for one in self._existing.fresh_addresses() if one["AllocationId"] == allocation]


def _usefulness(address: Mapping[str, Any]) -> tuple[bool, str]:
    """Sort key: associated addresses first, then a stable order."""
    return (not address.get("AssociationId"), address["AllocationId"])
