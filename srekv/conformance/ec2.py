"""The laws of EC2, in the order in which it judges a call."""

from __future__ import annotations

from srekv.conformance.addresses import (
    Addresses,
    AddressQuota,
    AllocationNotSeen,
    ReleaseInUse,
    ReleaseJustFreed,
)
from srekv.conformance.ec2_lists import Ec2ListsLag
from srekv.conformance.groups import GroupDuplicate, GroupInUse, GroupNotSeen, Groups, RuleDuplicate
from srekv.conformance.launches import (
    ClientToken,
    NoCapacity,
    NotOffered,
    ProfileNotSeen,
    ProfileWithoutRole,
    UserDataLimit,
    VcpuQuota,
)
from srekv.conformance.machines import (
    AssociateNotRunning,
    InstanceNotSeen,
    InstanceStates,
    MachineLaw,
    Machines,
    StopNeverRan,
)
from srekv.conformance.model import Call, Conditions, Law, Refusal, Rule


class DryRun(MachineLaw):
    """What would have succeeded says so, as an error."""

    rule = Rule(
        id="dry-run",
        rows=("E13",),
        source="aws/aws-cli#3127; aws/karpenter-provider-aws#8015",
        says="A permitted call with DryRun changes nothing and answers DryRunOperation, HTTP status 412.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Any call of EC2 that asks for it."""
        if call.service != "ec2" or not call.params.get("DryRun"):
            return None
        return Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)


def laws(conditions: Conditions) -> tuple[Law, ...]:
    """A new set, for one account."""
    machines, addresses, groups = Machines(conditions), Addresses(), Groups()
    of_machines = (UserDataLimit, NotOffered, VcpuQuota, ProfileNotSeen, ProfileWithoutRole, DryRun)
    # A launch that has taken effect is answered again before anything else is asked of it; and its new ids are
    # unknown before their states matter.
    return (
        ClientToken(machines),
        InstanceNotSeen(machines),
        AllocationNotSeen(machines, addresses),
        GroupNotSeen(machines, groups),
        *(law(machines) for law in of_machines),
        NoCapacity(machines),
        StopNeverRan(machines),
        AssociateNotRunning(machines),
        InstanceStates(machines),
        AddressQuota(machines, addresses),
        ReleaseInUse(machines, addresses),
        ReleaseJustFreed(machines, addresses),
        GroupDuplicate(machines, groups),
        RuleDuplicate(machines, groups),
        GroupInUse(machines, groups),
        # Last: the others learn from the whole list.
        Ec2ListsLag(conditions),
    )
