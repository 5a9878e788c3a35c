"""Route 53 with AWS's rules: references used once, batches checked, health as the real checkers report it.

Record sets and health check configurations are kept as the API writes them.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.route53.responses import Route53 as MotoRoute53

from srekv.local.names import escaped, problem
from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.checks import config_problem, normalise
from srekv.local.overlay.records import BatchError, Change, apply_batch
from srekv.local.overlay.records import normalise as normalise_record
from srekv.local.overlay.world import CHECKER_RANGE, CheckReference, World
from srekv.local.snapshot import StoredRecordSet, record_sets

PRIVATE_NAME_SERVERS = (
    *("ns-1536.awsdns-00.co.uk.", "ns-0.awsdns-00.com.", "ns-1024.awsdns-00.org.", "ns-512.awsdns-00.net."),
)
PRIVATE_SOA = "ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
"""What a private zone is born with (aws-recorded R10)."""

_CHANGEABLE = (
    *("IPAddress", "Port", "ResourcePath", "FullyQualifiedDomainName", "SearchString", "RequestInterval"),
    *("FailureThreshold", "HealthThreshold", "Inverted", "Disabled", "EnableSNI", "ChildHealthChecks", "Regions"),
)
"""The members of a HealthCheckConfig that UpdateHealthCheck takes."""


@dataclass(kw_only=True)
class HealthCheck:
    """A health check as moto's answers read it, with its configuration as the API writes it, normalised."""

    id: str
    caller_reference: str
    health_check_config: dict[str, Any]
    health_check_version: int = 1
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)  # checker -> the last failure that it reported


class Route53(MotoRoute53):
    """Zones, records and health checks."""

    world: World

    def create_hosted_zone(self) -> ActionResult:
        """Rows R1, R4, R6, R8 to R10: a caller reference is used once, a VPC sees one zone of a name."""
        reference = self._get_param("CallerReference")
        if reference in self.world.memory.zone_references:
            text = "A hosted zone has already been created with the specified caller reference."
            raise ApiError("HostedZoneAlreadyExists", text)
        name = self.params["Name"] = escaped(self._get_param("Name"))
        if strange := problem(name):
            raise ApiError("InvalidDomainName", strange)
        vpc_id, vpc_region = self._get_param("VPC.VPCId"), self._get_param("VPC.VPCRegion")
        if vpc_id:
            self._check_vpc(name, vpc_id, vpc_region)
            self.params.setdefault("HostedZoneConfig", {})["PrivateZone"] = True
        result: Any = super().create_hosted_zone().result
        self.world.memory.zone_references.add(reference)
        zone = result["HostedZone"]
        if zone.private_zone:
            servers, soa = [{"Value": server} for server in PRIVATE_NAME_SERVERS], [{"Value": PRIVATE_SOA}]
            zone.rrsets = [
                StoredRecordSet({"Name": zone.name, "Type": "NS", "TTL": 172800, "ResourceRecords": servers}),
                StoredRecordSet({"Name": zone.name, "Type": "SOA", "TTL": 900, "ResourceRecords": soa}),
            ]
        return ActionResult({**result, "ChangeInfo": _change_info()})

    def _check_vpc(self, name: str, vpc_id: str, vpc_region: str) -> None:
        with self.world.importing:
            from srekv.local.overlay.ec2 import prepared

        if vpc_id not in prepared(self.world, vpc_region).vpcs:
            raise ApiError("InvalidVPCId", "The VPC ID is invalid.")
        for zone in self.backend.zones.values():
            if zone.name == name and any(vpc.get("vpc_id") == vpc_id for vpc in zone.vpcs):
                text = f"The VPC {vpc_id} in region {vpc_region} has already been associated with the hosted zone"
                raise ApiError("ConflictingDomainExists", f"{text} {zone.resource_id} with the same domain name.")

    def delete_hosted_zone(self) -> ActionResult:
        """Row R14: only the zone's own SOA and NS may be left."""
        zone = self.backend.get_hosted_zone(self._get_param("Id"))
        if any(record.type not in ("SOA", "NS") or record.name != zone.name for record in zone.rrsets):
            text = "The specified hosted zone contains non-required resource record sets and so cannot be deleted."
            raise ApiError("HostedZoneNotEmpty", text)
        self.backend.zones.pop(zone.resource_id)
        self.backend.resource_tags.pop(zone.resource_id, None)
        return ActionResult({"ChangeInfo": _change_info()})

    def list_hosted_zones_by_name(self) -> ActionResult:
        """All zones from a name on, ordered by reversed labels: a place to begin, not a filter (aws-facts 2.3)."""
        start, limit = self._get_param("DNSName"), int(self._get_param("MaxItems") or 100)
        zones = sorted(self.backend.zones.values(), key=lambda zone: (_reversed_labels(zone.name), zone.resource_id))
        if start:
            zones = [zone for zone in zones if _reversed_labels(zone.name) >= _reversed_labels(start)]
        is_truncated = len(zones) > limit
        page = {"HostedZones": zones[:limit], "DNSName": start, "MaxItems": str(limit), "IsTruncated": is_truncated}
        if is_truncated:
            page |= {"NextDNSName": zones[limit].name, "NextHostedZoneId": zones[limit].resource_id}
        return ActionResult(page)

    def get_change(self) -> ActionResult:
        """The data plane has every change before its call returns, so whoever asks finds it in sync."""
        identifier = str(self._get_param("Id")).removeprefix("/change/")
        return ActionResult({"ChangeInfo": {**_change_info(), "Id": f"/change/{identifier}", "Status": "INSYNC"}})

    def change_resource_record_sets(self) -> ActionResult:
        """A whole batch or nothing; the rules are in `records`."""
        zone: Any = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
        sent = self._get_param("ChangeBatch.Changes")
        changes = [Change(action=one["Action"], record=normalise_record(one["ResourceRecordSet"])) for one in sent]
        try:
            exists = self.backend.health_checks.__contains__
            current = record_sets(zone.rrsets)
            after = apply_batch(current, changes, zone=zone.name, zone_id=zone.resource_id, has_check=exists)
        except BatchError as error:
            raise ApiError(error.code, str(error)) from None
        zone.rrsets = [StoredRecordSet(record) for record in after]
        return ActionResult({"ChangeInfo": _change_info()})

    def list_resource_record_sets(self) -> ActionResult:
        """As moto, from the name on that is stored."""
        if start := self._get_param("StartRecordName"):
            self.params["StartRecordName"] = escaped(start)
        page: Any = super().list_resource_record_sets().result
        return ActionResult({**page, "ResourceRecordSets": record_sets(page["ResourceRecordSets"])})

    def create_health_check(self) -> ActionResult:
        """Rows R34 to R38, R41: the same reference and configuration give the existing check, else none."""
        reference = self._get_param("CallerReference")
        config = normalise(self._get_param("HealthCheckConfig"))
        known = self.world.memory.check_references.get(reference)
        checks: dict[str, Any] = self.backend.health_checks
        if known is None:
            self._check_config(config)
            check = HealthCheck(id=str(uuid.uuid4()), caller_reference=reference, health_check_config=config)
            checks[check.id] = check
            known = self.world.memory.check_references[reference] = CheckReference(config=config, check=check.id)
        elif known.config != config or known.check not in checks:
            text = "A different health check has already been created with the specified caller reference."
            raise ApiError("HealthCheckAlreadyExists", text)
        location = f"https://route53.amazonaws.com/2013-04-01/healthcheck/{known.check}"
        return ActionResult({"HealthCheck": checks[known.check], "Location": location})

    def _check_config(self, config: dict[str, Any]) -> None:
        if text := config_problem(config, own_network=f"{self.world.settings.subnet}.0/24"):
            raise ApiError("InvalidInput", text)

    def update_health_check(self) -> ActionResult:
        """Change what can change, all or nothing; a stale HealthCheckVersion is refused (aws-facts 1.2)."""
        check = self._check()
        version = self._get_param("HealthCheckVersion")
        if version is not None and int(version) != check.health_check_version:
            text = "The HealthCheckVersion in the request does not match the current version."
            raise ApiError("HealthCheckVersionMismatch", text)
        changes = {name: self.params[name] for name in _CHANGEABLE if self.params.get(name) is not None}
        resets = dict.fromkeys(self._get_param("ResetElements") or ())
        config = normalise({**check.health_check_config, **resets, **changes})
        self._check_config(config)
        check.health_check_config = config
        check.health_check_version += 1
        return ActionResult({"HealthCheck": check})

    def list_health_checks(self) -> ActionResult:
        """All of them in one page, with the members that the API requires."""
        checks = self.backend.list_health_checks()
        return ActionResult({"HealthChecks": checks, "Marker": "", "IsTruncated": False, "MaxItems": "100"})

    def get_health_check_count(self) -> ActionResult:
        """How many health checks there are."""
        return ActionResult({"HealthCheckCount": len(self.backend.health_checks)})

    def delete_health_check(self) -> ActionResult:
        """Rows R42, R44: succeeds though records still name it; a second time it is not there."""
        check = self._check()
        self.backend.delete_health_check(check.id)
        self.backend.resource_tags.pop(check.id, None)
        return EmptyResult()

    def get_health_check_status(self) -> ActionResult:
        """Every checker's last report, from the checkers that really run."""
        return _observations(self._observe()[0])

    def get_health_check_last_failure_reason(self) -> ActionResult:
        """Every checker's last failure that was seen, none for a checker that never failed."""
        return _observations(self._observe()[1])

    def _observe(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What each checker reports now, and the last failure of each; the lock is not held while they are asked."""
        with self.world.lock:
            check = self._check()
        reports: list[dict[str, Any]] = self.world.link.call("observations", check_id=check.id) or []
        with self.world.lock:
            check.failures.update({one["checker"]: one for one in reports if not one["status"].startswith("Success")})
            return reports, list(check.failures.values())

    def get_checker_ip_ranges(self) -> ActionResult:
        """Where this cloud's checkers call from."""
        return ActionResult({"CheckerIpRanges": [CHECKER_RANGE]})

    def _check(self) -> Any:
        return self.backend.get_health_check(self._get_param("HealthCheckId"))

    def change_tags_for_resource(self) -> ActionResult:
        """As moto; what does not exist takes no tags."""
        self._check_tagged()
        return super().change_tags_for_resource()

    def list_tags_for_resource(self) -> ActionResult:
        """As moto; what does not exist has no tags."""
        self._check_tagged()
        return super().list_tags_for_resource()

    def _check_tagged(self) -> None:
        is_check = self._get_param("ResourceType") == "healthcheck"
        (self.backend.get_health_check if is_check else self.backend.get_hosted_zone)(self._get_param("ResourceId"))


def _reversed_labels(name: str) -> list[str]:
    return list(reversed(escaped(name).split(".")[:-1]))


def _observations(reports: list[dict[str, Any]]) -> ActionResult:
    observations = []
    for one in reports:
        status = {"Status": one["status"], "CheckedTime": datetime.fromtimestamp(one["at"], UTC)}
        observations.append({"Region": one["region"], "IPAddress": one["checker"], "StatusReport": status})
    return ActionResult({"HealthCheckObservations": observations})


def _change_info() -> dict[str, Any]:
    return {"Id": f"/change/C{secrets.token_hex(10).upper()}", "Status": "PENDING", "SubmittedAt": datetime.now(UTC)}
