"""What carries a mark of srekv's, decided by the answer itself: an endpoint may ignore a call's filters.

MiniStack 1.5.33 does with several of EC2's. So a filter only makes an answer shorter; what is changed or deleted is
chosen by the tags, the names and the states in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import SrekvError
from srekv.provision.engine.answers import is_unknown_operation, or_none
from srekv.provision.naming import STACK_TAG, tag_map

Described = Mapping[str, Any]


def each(client: Any, operation: str, member: str, **arguments: Any) -> Iterator[Any]:
    """The items of a listing, of every page; the instances, where these come in reservations."""
    if client.can_paginate(operation):
        pages = client.get_paginator(operation).paginate(**arguments)
    else:
        pages = [getattr(client, operation)(**arguments)]
    for page in pages:
        for item in page[member]:
            yield from item["Instances"] if member == "Reservations" else (item,)


def instances(ec2: Any, **arguments: Any) -> Iterator[Described]:
    """The instances that DescribeInstances lists."""
    return each(ec2, "describe_instances", "Reservations", **arguments)


def instance(ec2: Any, instance_id: str) -> Described | None:
    """This instance, None if the answer does not have it; ClientError for an id that is not there (E15)."""
    return next((one for one in instances(ec2, InstanceIds=[instance_id]) if one["InstanceId"] == instance_id), None)


def tags_of(described: Described) -> dict[str, str]:
    """The tags in EC2's description of something; a network interface has them under another name."""
    return tag_map(described.get("Tags") or described.get("TagSet"))


def tagged(
    ec2: Any, operation: str, member: str, *, stack: str | None = None, filters: tuple[Any, ...] = ()
) -> list[Described]:
    """What EC2 lists with the tag of this stack, or of any, in the answer; more `filters` only make that shorter.

    Raises:
        SrekvError: an item was found by the tag and shows none (ansible/ansible#12642): whose is it?
    """
    mark = {"Name": f"tag:{STACK_TAG}", "Values": [stack]} if stack else {"Name": "tag-key", "Values": [STACK_TAG]}
    listed = [*each(ec2, operation, member, Filters=[mark, *filters])]
    bare = next((one for one in listed if STACK_TAG not in tags_of(one)), None)
    # An endpoint that lists something under this, which is no tag's key and no stack's name, ignores the filter.
    if bare and not any(each(ec2, operation, member, Filters=[{**mark, "Values": ["nothing has this"]}])):
        # The first member whose name ends so, as EC2 orders them.
        ids = ("InstanceId", "AllocationId", "VolumeId", "GroupId", "KeyPairId", "NetworkInterfaceId")
        raise SrekvError(
            f"EC2 shows {next((bare[one] for one in ids if one in bare), 'something')} without its tags",
            why=f"it was found by its tag {STACK_TAG}, and the answer has none",
            next_step="run the command again in a minute: this passes",
        )
    return [one for one in listed if STACK_TAG in tags_of(one) and stack in {None, tags_of(one)[STACK_TAG]}]


def route53_tags(route53: Any, kind: str, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tags of those of these zones or checks that are there.

    One is asked for by ListTagsForResource, several by ListTagsForResources; an endpoint that lacks the one is asked by
    the other (MiniStack 1.5.33 has no ListTagsForResources). `kind`: "hostedzone" or "healthcheck"; `ids`: without
    "/hostedzone/", which botocore does not strip for these calls (aws-facts 1.2, R45).
    """

    def single() -> list[Any]:
        answers = [or_none(route53.list_tags_for_resource, ResourceType=kind, ResourceId=one) for one in ids]
        return [answer["ResourceTagSet"] for answer in answers if answer]

    def several() -> list[Any]:
        chunks = [list(ids[begin : begin + 10]) for begin in range(0, len(ids), 10)]  # so many at once (R46)
        answers = [or_none(route53.list_tags_for_resources, ResourceType=kind, ResourceIds=some) for some in chunks]
        return [one for answer in answers if answer for one in answer["ResourceTagSets"]]

    first, second = (single, several) if len(ids) == 1 else (several, single)
    try:
        sets = first()
    except ClientError as error:
        if not is_unknown_operation(error):
            raise
        sets = second()
    return {one["ResourceId"]: tag_map(one.get("Tags")) for one in sets}
