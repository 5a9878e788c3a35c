"""The tagging API: its list is a hint. It lacks what is new and holds what has gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srekv.conformance.model import Answer, Call, Conditions, EventuallyVisible, ResponseRule, ServiceRules


class Tagging(ServiceRules):
    """Everything that was ever listed: on AWS for hours, here for good."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._unseen = EventuallyVisible()
        self._listed: dict[str, Mapping[str, Any]] = {}
        self.rules = (
            ResponseRule("tagging-lags", "GetResources", change=self._lag),
            ResponseRule("tagging-last-page", "GetResources", change=_add_token),
        )

    def _lag(self, call: Call, answer: Answer) -> None:
        """Leave the newest out of one listing, by the seed; list what has gone."""
        found = answer["ResourceTagMappingList"]
        for one in found:
            if one["ResourceARN"] not in self._listed:
                polls = self._conditions.between("tagging-lags", f"{len(self._listed)}", 0, 1)
                self._unseen.start(one["ResourceARN"], polls)
                self._listed[one["ResourceARN"]] = one
        here = {one["ResourceARN"] for one in found}
        ghosts = [one for arn, one in self._listed.items() if arn not in here and _is_wanted(call, one)]
        answer["ResourceTagMappingList"] = [one for one in found if not self._unseen.poll(one["ResourceARN"])] + ghosts


def _add_token(_call: Call, answer: Answer) -> None:
    answer.setdefault("PaginationToken", "")


def _is_wanted(call: Call, mapping: Mapping[str, Any]) -> bool:
    """Whether a listing with these filters names this resource: every key, one of its values, one of the types."""
    tags = {tag["Key"]: tag["Value"] for tag in mapping["Tags"]}
    wanted = call.params.get("TagFilters", [])
    types = call.params.get("ResourceTypeFilters", [])
    service, _, kind = mapping["ResourceARN"].partition(":aws:")[2].partition(":")
    of_type = not types or any(service == one.partition(":")[0] and one.partition(":")[2] in kind for one in types)
    fits = all(one["Key"] in tags and tags[one["Key"]] in one.get("Values", [tags[one["Key"]]]) for one in wanted)
    return of_type and fits and mapping["ResourceARN"].split(":")[3] in {"", call.region}
