"""Elastic IPs: a quota, ids that are unknown at first, and addresses that are not released while they are held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from srekv.conformance.model import (
    Answer,
    Call,
    Conditions,
    Refusal,
    ResponseRule,
    ServiceRules,
    hide_new,
    named_ids,
    param,
)


@dataclass
class Address:
    """What is known of one address: by which association it is held, and which instance holds it, or did last."""

    public: str = ""
    association: str = ""
    instance: str = ""


class Addresses(ServiceRules):
    """What has been seen of the addresses, by Region and allocation id."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._known: dict[str, dict[str, Address]] = {}
        self.rules = (
            *hide_new(
                "allocation-not-seen",
                conditions,
                _not_found,
                made_by="AllocateAddress",
                things=lambda _, answer: [answer["AllocationId"]],
                hidden_from="ec2",
                named=lambda call: named_ids(call.params, "eipalloc-"),
            ),
            ResponseRule("allocation-not-seen", "ec2", reword=_name_allocation),
            ResponseRule("address-quota", "AllocateAddress", refuse=self._refuse_beyond_quota),
            ResponseRule("release-in-use", "ReleaseAddress", refuse=self._refuse_release),
            *hide_new(
                "release-just-freed",
                conditions,
                lambda _: Refusal("AuthFailure", "You do not have permission to access the specified resource."),
                made_by="TerminateInstances",
                things=self._last_held,
                polls=(0, 2),
                hidden_from="ReleaseAddress",
                named=param("AllocationId"),
            ),
        )

    def observe(self, call: Call, answer: Answer) -> None:
        """Learn from an answer."""
        here, params = self._known.setdefault(call.region, {}), call.params
        match call.operation:
            case "AllocateAddress":
                here[answer["AllocationId"]] = Address(answer.get("PublicIp", ""))
            case "DescribeAddresses":
                if not any(params.get(limit) for limit in ("Filters", "AllocationIds", "PublicIps")):
                    here.clear()
                for one in answer["Addresses"]:
                    held = Address(one["PublicIp"], one.get("AssociationId", ""), one.get("InstanceId", ""))
                    here[one["AllocationId"]] = held
            case "AssociateAddress" if "AllocationId" in params:
                held = here.setdefault(params["AllocationId"], Address())
                held.association, held.instance = answer.get("AssociationId", ""), params.get("InstanceId", "")
            case "DisassociateAddress":
                _free(one for one in here.values() if one.association == params.get("AssociationId"))
            case "TerminateInstances":
                _free(one for one in here.values() if one.instance in params["InstanceIds"])
            case "ReleaseAddress":
                here.pop(params.get("AllocationId", ""), None)

    def _last_held(self, call: Call, _answer: Answer) -> Iterator[str]:
        """The addresses of the instances that a call terminates."""
        for allocation, one in self._known.get(call.region, {}).items():
            if one.instance in call.params["InstanceIds"]:
                yield allocation

    def _refuse_beyond_quota(self, call: Call) -> Refusal | None:
        if len(self._known.get(call.region, {})) < self._conditions.address_quota:
            return None
        return Refusal("AddressLimitExceeded", "The maximum number of addresses has been reached.")

    def _refuse_release(self, call: Call) -> Refusal | None:
        held = self._known.get(call.region, {}).get(call.params.get("AllocationId", ""))
        if held is None or not held.association:
            return None
        return Refusal("InvalidIPAddress.InUse", f"Address {held.public} is in use.")


def _free(addresses: Iterable[Address]) -> None:
    for one in addresses:
        one.association = ""


def _not_found(allocation: str) -> Refusal:
    return Refusal("InvalidAllocationID.NotFound", f"The allocation ID '{allocation}' does not exist")


def _name_allocation(call: Call, error: dict[str, str]) -> None:
    """EC2's refusal of an id that does not exist."""
    wanted = next(named_ids(call.params, "eipalloc-"), "")
    if error.get("Code") == "InvalidAllocationID.NotFound" and wanted:
        error["Message"] = _not_found(wanted).message
