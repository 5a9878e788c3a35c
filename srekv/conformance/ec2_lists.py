"""EC2's lists: a new instance or address may be missing from one that does not ask for it by its id."""

from __future__ import annotations

from typing import Any

from srekv.conformance.model import Call, Conditions, Lenient, Moments, Rule


class Ec2ListsLag(Lenient):
    """Whoever looks by a filter, for example by a tag, may look too early."""

    rule = Rule(
        id="ec2-lists-lag",
        rows=("E15", "E27"),
        source="aws/aws-sdk-go#373 (DescribeAddresses); EC2 API: eventual consistency",
        says="A new instance or address may be missing from the first listings that do not name its id.",
    )

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._unseen = Moments()

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Something is made, or listed."""
        match call.operation:
            case "RunInstances" if not call.replayed:
                self._begin(call, *(one["InstanceId"] for one in answer["Instances"]))
            case "AllocateAddress":
                self._begin(call, answer["AllocationId"])
            case "DescribeInstances" if not call.params.get("InstanceIds"):
                for group in answer["Reservations"]:
                    group["Instances"] = [one for one in group["Instances"] if not self._unseen.look(one["InstanceId"])]
                answer["Reservations"] = [group for group in answer["Reservations"] if group["Instances"]]
            case "DescribeAddresses" if not (call.params.get("AllocationIds") or call.params.get("PublicIps")):
                seen = [one for one in answer["Addresses"] if not self._unseen.look(one.get("AllocationId", ""))]
                answer["Addresses"] = seen

    def _begin(self, call: Call, *ids: str) -> None:
        looks = self._conditions.between(self.rule, f"{call.operation}#{call.number}", 0, 2)
        for one in ids:
            self._unseen.begin(one, looks)
