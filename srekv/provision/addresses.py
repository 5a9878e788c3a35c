"""Two Elastic IPs: a stop and start must not change the address that the health check watches (aws-facts 10 c)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from srekv.provision.answers import gone
from srekv.provision.existing import Existing, of_node
from srekv.provision.model import Resource
from srekv.provision.naming import NODES, tag_map
from srekv.provision.run import Op, Ops, Run, Step, leave

HELD = frozenset({"InvalidIPAddress.InUse", "AuthFailure"})
"""While a holder that was just deleted still has the address (E23, E24)."""

RELEASE_TIMEOUT_S = 120

UNKNOWN = "(new address)"
"""In a dry run, the address that is not allocated."""


class Addresses:
    """One Elastic IP for each node; `allocation` and `public` are there after ensure."""

    section = "Network"
    needs: tuple[Step, ...] = ()

    def __init__(self, run: Run, existing: Existing) -> None:
        self._run = run
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
                continue
            kept = candidates[0]
            self.allocation[node], self.public[node] = kept["AllocationId"], kept["PublicIp"]
            yield self._keep(node, kept)

    def _keep(self, node: str, address: Mapping[str, Any]) -> Op:
        """Leave it alone, or give it back the tags that it has lost."""
        tags: Any = self._tags(node)
        if tag_map(tags).items() <= tag_map(address.get("Tags")).items():
            return leave("address", address["PublicIp"], address["AllocationId"])

        def tag() -> None:
            self._ec2.create_tags(Resources=[address["AllocationId"]], Tags=tags)

        return Op(
            kind="address",
            name=address["PublicIp"],
            id=address["AllocationId"],
            action="change",
            detail="tags",
            call=tag,
        )

    def _tags(self, node: str) -> list[dict[str, str]]:
        return self._run.names.tags(self._run.names.instance(node), node=node)

    def settle(self) -> Ops:
        """Nothing to wait for: the nodes' step associates the addresses."""
        return iter(())

    def destroy(self) -> Ops:
        """Disassociate and release every address of ours."""
        for address in self._existing.fresh_addresses():
            yield self._release_op(address)

    def _allocate(self, node: str) -> str:
        """Without retries: AllocateAddress takes no token, so a retry could be a second address (aws-facts 4.2)."""
        tags: Any = self._tags(node)
        answer = self._run.clients.ec2_once.allocate_address(
            Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": tags}]
        )
        self.allocation[node], self.public[node] = answer["AllocationId"], answer["PublicIp"]
        return answer["AllocationId"]

    def _release_op(self, address: Mapping[str, Any]) -> Op:
        def release() -> None:
            if address.get("AssociationId"):
                gone(self._ec2.disassociate_address, AssociationId=address["AssociationId"])

            def give_up(**arguments: Any) -> None:
                gone(self._ec2.release_address, **arguments)

            self._run.persist(
                self.section,
                f"{address['PublicIp']} to be let go",
                give_up,
                on=HELD,
                timeout_s=RELEASE_TIMEOUT_S,
                AllocationId=address["AllocationId"],
            )

        return Op(kind="address", name=address["PublicIp"], id=address["AllocationId"], action="delete", call=release)


def _usefulness(address: Mapping[str, Any]) -> tuple[bool, str]:
    """Sort key: associated addresses first, then a stable order."""
    return (not address.get("AssociationId"), address["AllocationId"])
