"""Elastic IPs: a quota, ids that are unknown for a moment, and addresses that are not let go while they are held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from srekv.conformance.machines import MachineLaw, Machines, named
from srekv.conformance.model import Call, Moments, Refusal, Rule


@dataclass
class Address:
    """What is known of one address: by which association it is held, and which instance holds it, or did last."""

    public: str = ""
    association: str = ""
    instance: str = ""


@dataclass
class Addresses:
    """What has been seen of the addresses, by Region and allocation id."""

    known: dict[str, dict[str, Address]] = field(default_factory=dict)
    _noted: tuple[Call, int] | None = None

    def here(self, call: Call) -> dict[str, Address]:
        """The addresses of the call's Region."""
        return self.known.setdefault(call.region, {})

    def note(self, call: Call, answer: Mapping[str, Any]) -> None:
        """Learn from an answer, once."""
        if call.service != "ec2" or (call, call.attempt) == self._noted:
            return
        self._noted = (call, call.attempt)
        here, params = self.here(call), call.params
        match call.operation:
            case "AllocateAddress":
                here[answer["AllocationId"]] = Address(answer.get("PublicIp", ""))
            case "DescribeAddresses":
                self._listed(call, answer["Addresses"])
            case "AssociateAddress" if "AllocationId" in params:
                held = here.setdefault(params["AllocationId"], Address())
                held.association, held.instance = answer.get("AssociationId", ""), params.get("InstanceId", "")
            case "DisassociateAddress":
                _let_go(here, lambda one: one.association == params.get("AssociationId"))
            case "TerminateInstances":
                _let_go(here, lambda one: one.instance in params["InstanceIds"])
            case "ReleaseAddress":
                here.pop(params.get("AllocationId", ""), None)

    def _listed(self, call: Call, listed: list[Mapping[str, Any]]) -> None:
        found = {
            one["AllocationId"]: Address(one["PublicIp"], one.get("AssociationId", ""), one.get("InstanceId", ""))
            for one in listed
        }
        everything = not any(call.params.get(limit) for limit in ("Filters", "AllocationIds", "PublicIps"))
        self.known[call.region] = found if everything else {**self.here(call), **found}


def _let_go(addresses: Mapping[str, Address], which: Callable[[Address], bool]) -> None:
    for one in addresses.values():
        if one.association and which(one):
            one.association = ""


class AddressLaw(MachineLaw):
    """A law that looks at addresses."""

    def __init__(self, machines: Machines, addresses: Addresses) -> None:
        super().__init__(machines)
        self.addresses = addresses

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Learn from every answer."""
        super().after(call, answer)
        self.addresses.note(call, answer)


class AddressQuota(AddressLaw):
    """Five addresses a Region, unless AWS was asked for more."""

    rule = Rule(
        id="address-quota",
        rows=("E22",),
        source="scylla-cluster-tests#9503; streisand#566; VPC user guide: quotas",
        says="AllocateAddress beyond the quota, five by default, is refused with AddressLimitExceeded.",
    )

    def before(self, call: Call) -> Refusal | None:
        """At allocation."""
        full = len(self.addresses.here(call)) >= self.machines.conditions.address_quota
        if call.operation != "AllocateAddress" or not full:
            return None
        return Refusal("AddressLimitExceeded", "The maximum number of addresses has been reached.")


class AllocationNotSeen(AddressLaw):
    """A new address's id is unknown for one or two looks."""

    rule = Rule(
        id="allocation-not-seen",
        rows=("E27",),
        source="terraform-provider-aws ec2_eip.go: retried after create",
        says="Right after AllocateAddress, calls that name the allocation answer InvalidAllocationID.NotFound.",
    )

    def __init__(self, machines: Machines, addresses: Addresses) -> None:
        super().__init__(machines, addresses)
        self._unseen = Moments()

    def before(self, call: Call) -> Refusal | None:
        """Any call that names it."""
        for allocation in named(call.params, "eipalloc-") if call.service == "ec2" else ():
            if self._unseen.look(allocation):
                return Refusal("InvalidAllocationID.NotFound", f"The allocation ID '{allocation}' does not exist")
        return None

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """An allocation begins the moment."""
        super().after(call, answer)
        if call.operation == "AllocateAddress":
            self._unseen.begin(answer["AllocationId"], self.moment(self.rule, call, 1, 2))

    def reword(self, call: Call, error: dict[str, str]) -> None:
        """As EC2 says that an id does not exist."""
        wanted = next(named(call.params, "eipalloc-"), "") if call.service == "ec2" else ""
        if error.get("Code") == "InvalidAllocationID.NotFound" and wanted:
            error["Message"] = f"The allocation ID '{wanted}' does not exist"


class ReleaseInUse(AddressLaw):
    """An address that something holds stays."""

    rule = Rule(
        id="release-in-use",
        rows=("E23",),
        source="genevieve/leftovers#16",
        says="ReleaseAddress of an associated address is refused with InvalidIPAddress.InUse.",
    )

    def before(self, call: Call) -> Refusal | None:
        """At release."""
        held = self.addresses.here(call).get(call.params.get("AllocationId", ""))
        if call.operation != "ReleaseAddress" or held is None or not held.association:
            return None
        return Refusal("InvalidIPAddress.InUse", f"Address {held.public} is in use.")


class ReleaseJustFreed(AddressLaw):
    """An address whose holder has just ended is not the owner's yet."""

    rule = Rule(
        id="release-just-freed",
        rows=("E24",),
        source="eformat/sno-for-100#9 (there the holder was a NAT gateway)",
        says="ReleaseAddress right after the end of what held the address may be refused with AuthFailure.",
    )

    def __init__(self, machines: Machines, addresses: Addresses) -> None:
        super().__init__(machines, addresses)
        self._held = Moments()

    def before(self, call: Call) -> Refusal | None:
        """At release."""
        if call.operation != "ReleaseAddress" or not self._held.look(call.params.get("AllocationId", "")):
            return None
        return Refusal("AuthFailure", "You do not have permission to access the specified resource.")

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """The end of a holder begins the moment."""
        if call.operation == "TerminateInstances":
            for allocation, one in self.addresses.here(call).items():
                if one.instance in call.params["InstanceIds"]:
                    self._held.begin(allocation, self.moment(self.rule, call, 0, 2))
        super().after(call, answer)
