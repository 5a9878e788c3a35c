"""The tagging API's laws: its list is a hint. It lacks what is new and holds what has gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srekv.conformance.model import Call, Conditions, Law, Lenient, Moments, Rule


def laws(conditions: Conditions) -> tuple[Law, ...]:
    """A new set."""
    return (TaggingLags(conditions), TaggingLastPage())


class TaggingLags(Lenient):
    """For hours, on AWS."""

    rule = Rule(
        id="tagging-lags",
        rows=("T1", "T2"),
        source="boto/boto3#3341; aws/aws-sdk#676; aws/aws-cli#8197",
        says="The tagging API still lists what has gone, and may miss what is new.",
    )

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._unseen = Moments()
        self._listed: dict[str, Mapping[str, Any]] = {}

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Leave the newest out of one listing, by the seed; list the gone to the end of this account's days."""
        if call.operation != "GetResources":
            return
        found = answer["ResourceTagMappingList"]
        for one in found:
            if one["ResourceARN"] not in self._listed:
                looks = self._conditions.between(self.rule, f"{len(self._listed)}", 0, 1)
                self._unseen.begin(one["ResourceARN"], looks)
                self._listed[one["ResourceARN"]] = one
        here = {one["ResourceARN"] for one in found}
        ghosts = [one for arn, one in self._listed.items() if arn not in here and _asked_for(call, one)]
        answer["ResourceTagMappingList"] = [one for one in found if not self._unseen.look(one["ResourceARN"])] + ghosts


class TaggingLastPage(Lenient):
    """How a caller knows that there is no more."""

    rule = Rule(
        id="tagging-last-page",
        rows=("T4",),
        source="localstack resourcegroupstaggingapi/test_rgsa, recorded 2024-03-20",
        says="The last page of the tagging API has an empty token.",
    )

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Add it."""
        if call.operation == "GetResources":
            answer.setdefault("PaginationToken", "")


def _asked_for(call: Call, mapping: Mapping[str, Any]) -> bool:
    """Whether a listing with these filters names this resource: every key, one of its values, one of the types."""
    tags = {tag["Key"]: tag["Value"] for tag in mapping["Tags"]}
    wanted = call.params.get("TagFilters", [])
    types = call.params.get("ResourceTypeFilters", [])
    service, _, kind = mapping["ResourceARN"].partition(":aws:")[2].partition(":")
    of_type = not types or any(service == one.partition(":")[0] and one.partition(":")[2] in kind for one in types)
    fits = all(one["Key"] in tags and tags[one["Key"]] in one.get("Values", [tags[one["Key"]]]) for one in wanted)
    return of_type and fits and mapping["ResourceARN"].split(":")[3] in {"", call.region}
