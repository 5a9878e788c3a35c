"""How srekv's things are listed that carry no tag of EC2's: what the steps and the inventory of an account both ask."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from srekv.provision.engine.answers import code_of, or_none
from srekv.provision.inventory.marks import Described, each, route53_tags
from srekv.provision.naming import NODES, REGION_TAG, STACK_TAG, origin_of, stack_of_title, tag_map


def health_checks(route53: Any) -> Iterator[tuple[str, str, Described]]:
    """The health checks that srekv made, each with its stack and node, by CallerReference: a crash cannot lose it."""
    for check in each(route53, "list_health_checks", "HealthChecks"):
        stack, what = origin_of(check["CallerReference"])
        if what in NODES:
            yield stack, what, check


def hosted_zones(route53: Any) -> Iterator[tuple[str, Described]]:
    """The hosted zones that srekv made, each with its stack, by CallerReference."""
    for zone in each(route53, "list_hosted_zones", "HostedZones"):
        stack, what = origin_of(zone["CallerReference"])
        if what == "zone":
            yield stack, zone


def region_of_zone(route53: Any, zone_id: str) -> str:
    """The Region of a zone's stack: by its tag, else by its VPC, which may not be the only one; "" if it is gone."""
    told = route53_tags(route53, "hostedzone", [zone_id]).get(zone_id, {}).get(REGION_TAG)
    if told:
        return told
    answer: Any = or_none(route53.get_hosted_zone, Id=zone_id) or {}
    return next((str(vpc.get("VPCRegion", "")) for vpc in answer.get("VPCs", ())), "")


def removable_records(route53: Any, zone: Described) -> list[dict[str, Any]]:
    """Every record set of a zone but the zone's own SOA and NS; none if the zone is gone."""
    try:
        records = list(each(route53, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone["Id"]))
    except ClientError as error:
        if code_of(error) == "NoSuchHostedZone":
            return []
        raise
    return [record for record in records if not (record["Name"] == zone["Name"] and record["Type"] in {"SOA", "NS"})]


def strip_prefix(resource_id: str) -> str:
    """An id without "/hostedzone/" or "/change/" in front."""
    return resource_id.rpartition("/")[2]


def label(record: Described) -> str:
    """What distinguishes a record set from the others of its zone."""
    parts = (readable(record["Name"]), record["Type"], record.get("SetIdentifier"))
    return "/".join(str(part) for part in parts if part)


def readable(name: str) -> str:
    r"""A name of a listing as a person writes it: Route 53 lists "*" as \052 (DNS domain name format)."""

    def unescape(code: re.Match[str]) -> str:
        character = chr(int(code[1], 8))  # a dot within a label, and what no terminal should be sent, stay escaped
        return character if "!" <= character <= "~" and character not in ".\\" else code[0]

    return re.sub(r"\\([0-3][0-7]{2})", unescape, name)


def stack_of_alarm(cloudwatch: Any, alarm: Described) -> str:
    """The stack that an alarm's tag names; "" without one."""
    answer = or_none(cloudwatch.list_tags_for_resource, ResourceARN=alarm["AlarmArn"]) or {}
    return tag_map(answer.get("Tags")).get(STACK_TAG, "")


def stack_of_dashboard(body: str) -> str:
    """The stack that the first widget names, as a dashboard takes tags at its creation only (aws-facts 8); "" else."""
    try:
        return stack_of_title(json.loads(body)["widgets"][0]["properties"]["markdown"])
    except (ValueError, LookupError, TypeError):
        return ""
