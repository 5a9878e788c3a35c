"""What carries a mark of srekv's, decided by the answer itself: an endpoint may ignore a call's filters.

MiniStack 1.5.33 does with several of EC2's. So a filter only makes an answer shorter; what is changed or deleted is
chosen by the tags, the names and the states in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from srekv.errors import SrekvError
from srekv.provision.naming import STACK_TAG, tag_map

Described = Mapping[str, Any]

NOTHING = "nothing has this"
"""No tag's key and no stack's name: an endpoint that lists something under it ignores the filter."""


def each(client: Any, operation: str, member: str, **arguments: Any) -> Iterator[Any]:
    """The items of a listing, page by page; for operations without pages those of the one answer."""
    if not client.can_paginate(operation):
        yield from getattr(client, operation)(**arguments)[member]
        return
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page[member]


def instances(ec2: Any, **arguments: Any) -> Iterator[Described]:
    """The instances that DescribeInstances lists."""
    for group in each(ec2, "describe_instances", "Reservations", **arguments):
        yield from group["Instances"]


def instance(ec2: Any, instance_id: str) -> Described | None:
    """This instance; None if the answer does not have it.

    Raises:
        ClientError: EC2 refuses, also an id that is not there (E15).
    """
    return next((one for one in instances(ec2, InstanceIds=[instance_id]) if one["InstanceId"] == instance_id), None)


def tags_of(described: Described) -> dict[str, str]:
    """The tags in EC2's description of something; a network interface has them under another name."""
    return tag_map(described.get("Tags") or described.get("TagSet"))


def tagged(
    ec2: Any, operation: str, member: str, *, stack: str | None = None, filters: tuple[Any, ...] = ()
) -> list[Described]:
    """What EC2 lists with the stack's tag in the answer.

    Args:
        ec2: a client.
        operation: the listing, for example "describe_addresses".
        member: where an answer has its items.
        stack: whose; None: any stack's.
        filters: more of them, which make the answer shorter and prove nothing.

    Raises:
        SrekvError: an item was found by the tag and shows none (ansible/ansible#12642): whose is it?
    """
    mark = {"Name": f"tag:{STACK_TAG}", "Values": [stack]} if stack else {"Name": "tag-key", "Values": [STACK_TAG]}
    found = [*_listed(ec2, operation, member, [mark, *filters])]
    bare = [one for one in found if STACK_TAG not in tags_of(one)]
    if bare and not any(_listed(ec2, operation, member, [{**mark, "Values": [NOTHING]}])):
        raise SrekvError(
            f"EC2 shows {_id(bare[0])} without its tags",
            why=f"it was found by its tag {STACK_TAG}, and the answer has none",
            next_step="run the command again in a minute: this passes",
        )
    return [one for one in found if STACK_TAG in tags_of(one) and stack in {None, tags_of(one)[STACK_TAG]}]


def _listed(ec2: Any, operation: str, member: str, filters: list[Any]) -> Iterator[Described]:
    if operation == "describe_instances":
        return instances(ec2, Filters=filters)
    return each(ec2, operation, member, Filters=filters)


def _id(described: Described) -> str:
    """The id of something of EC2: the first member whose name ends so, as EC2 orders them."""
    ids = ("InstanceId", "AllocationId", "VolumeId", "GroupId", "KeyPairId", "NetworkInterfaceId")
    return next((str(described[one]) for one in ids if one in described), "something")
