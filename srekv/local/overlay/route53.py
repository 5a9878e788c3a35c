"""Route 53 with AWS's rules: references used once, batches checked, health as the real checkers report it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult, EmptyResult
from moto.route53.models import FakeZone, RecordSet
from moto.route53.models import HealthCheck as MotoHealthCheck
from moto.route53.responses import Route53 as MotoRoute53

from srekv.local.auth import new_id
from srekv.local.names import escaped, problem
from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.checks import InvalidCheckError, check_config, normalise
from srekv.local.overlay.memory import CheckReference
from srekv.local.overlay.records import BatchError, Change, apply_batch
from srekv.local.overlay.records import normalise as normalise_record
from srekv.local.overlay.world import World
from srekv.local.snapshot import UNEMULATED, values_of

if TYPE_CHECKING:
    from moto.ec2.models.vpcs import VPC

ASKS_DATA_PLANE = frozenset({"GetHealthCheckStatus", "GetHealthCheckLastFailureReason"})

CHECKER_RANGES = ("127.0.0.0/8",)

PRIVATE_NAME_SERVERS = (
    "ns-1536.awsdns-00.co.uk.",
    "ns-0.awsdns-00.com.",
    "ns-1024.awsdns-00.org.",
    "ns-512.awsdns-00.net.",
)
PRIVATE_SOA = "ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
"""What a private zone is born with (aws-recorded R10)."""

_MEMBERS = {
    "Name": "name",
    "Type": "type",
    "TTL": "ttl",
    "SetIdentifier": "set_identifier",
    "Weight": "weight",
    "Region": "region",
    "HealthCheckId": "health_check_id",
    "AliasTarget": "alias_target",
    "Failover": "failover",
    "MultiValueAnswer": "multi_value_answer",
    **UNEMULATED,
}
"""A ResourceRecordSet's members -> moto's names for them."""

_CHECK_MEMBERS = {
    "IPAddress": "ip_address",
    "Port": "port",
    "ResourcePath": "resource_path",
    "FullyQualifiedDomainName": "fqdn",
    "SearchString": "search_string",
    "RequestInterval": "request_interval",
    "FailureThreshold": "failure_threshold",
    "HealthThreshold": "health_threshold",
    "Inverted": "inverted",
    "Disabled": "disabled",
    "EnableSNI": "enable_sni",
    "ChildHealthChecks": "children",
    "Regions": "regions",
}
"""A HealthCheckConfig's members that can change -> moto's names for them."""


class Route53(MotoRoute53):
    """Zones, records and health checks."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    # Hosted zones

    def create_hosted_zone(self) -> ActionResult:
        """Rows R1, R4, R6, R8 to R10: a caller reference is used once, a VPC sees one zone of a name."""
        reference = self._get_param("CallerReference")
        if reference in self.world.memory.zone_references:
            raise ApiError(
                "HostedZoneAlreadyExists", "A hosted zone has already been created with the specified caller reference."
            )
        name = self.params["Name"] = escaped(self._get_param("Name"))
        if text := problem(name):
            raise ApiError("InvalidDomainName", text)
        vpc_id, vpc_region = self._get_param("VPC.VPCId"), self._get_param("VPC.VPCRegion")
        if vpc_id:
            self._check_vpc(name, vpc_id, vpc_region)
            self.params.setdefault("HostedZoneConfig", {})["PrivateZone"] = True
        result: Any = super().create_hosted_zone().result
        self.world.memory.zone_references.add(reference)
        zone: FakeZone = result["HostedZone"]
        if zone.private_zone:
            _set_records(zone, _born_with(zone.name))
        return ActionResult({**result, "ChangeInfo": _change_info()})

    def _check_vpc(self, name: str, vpc_id: str, vpc_region: str) -> None:
        if self._vpc(vpc_id, vpc_region) is None:
            raise ApiError("InvalidVPCId", "The VPC ID is invalid.")
        for zone in self.backend.zones.values():
            if zone.name == name and any(vpc.get("vpc_id") == vpc_id for vpc in zone.vpcs):
                raise ApiError(
                    "ConflictingDomainExists",
                    f"The VPC {vpc_id} in region {vpc_region} has already been associated with the hosted zone "
                    f"{zone.resource_id} with the same domain name.",
                )

    def _vpc(self, vpc_id: str, vpc_region: str) -> VPC | None:
        with self.world.importing:
            from srekv.local.overlay.network import prepared

        return prepared(self.world, vpc_region).vpcs.get(vpc_id)

    def delete_hosted_zone(self) -> ActionResult:
        """Row R14: only the zone's own SOA and NS may be left."""
        zone = self.backend.get_hosted_zone(self._get_param("Id"))
        if any(record.type not in ("SOA", "NS") or record.name != zone.name for record in zone.rrsets):
            raise ApiError(
                "HostedZoneNotEmpty",
                "The specified hosted zone contains non-required resource record sets and so cannot be deleted.",
            )
        self.backend.zones.pop(zone.resource_id)
        self.backend.resource_tags.pop(zone.resource_id, None)
        return ActionResult({"ChangeInfo": _change_info()})

    def list_hosted_zones_by_name(self) -> ActionResult:
        """All zones from a name on, ordered by reversed labels: a place to begin, not a filter (aws-facts 2.3)."""
        start = self._get_param("DNSName")
        limit = int(self._get_param("MaxItems") or 100)
        zones = sorted(self.backend.zones.values(), key=lambda zone: (_reversed_labels(zone.name), zone.resource_id))
        if start:
            zones = [zone for zone in zones if _reversed_labels(zone.name) >= _reversed_labels(start)]
        page = {
            "HostedZones": zones[:limit],
            "DNSName": start,
            "MaxItems": str(limit),
            "IsTruncated": len(zones) > limit,
        }
        if len(zones) > limit:
            page |= {"NextDNSName": zones[limit].name, "NextHostedZoneId": zones[limit].resource_id}
        return ActionResult(page)

    def get_change(self) -> ActionResult:
        """The data plane has every change before its call returns, so whoever asks finds it in sync."""
        identifier = str(self._get_param("Id")).removeprefix("/change/")
        return ActionResult({"ChangeInfo": _change_info(identifier, status="INSYNC")})

    # Records

    def change_resource_record_sets(self) -> ActionResult:
        """A whole batch or nothing; the rules are in `records`."""
        zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
        changes = [
            Change(action=change["Action"], record=normalise_record(change["ResourceRecordSet"]))
            for change in self._get_param("ChangeBatch.Changes")
        ]
        try:
            after = apply_batch(
                [_as_api(record) for record in zone.rrsets],
                changes,
                zone=zone.name,
                zone_id=zone.resource_id,
                check_exists=self.backend.health_checks.__contains__,
            )
        except BatchError as error:
            raise ApiError(error.code, str(error)) from None
        _set_records(zone, after)
        return ActionResult({"ChangeInfo": _change_info()})

    def list_resource_record_sets(self) -> ActionResult:
        """As moto, from the name on that is stored."""
        if start := self._get_param("StartRecordName"):
            self.params["StartRecordName"] = escaped(start)
        return super().list_resource_record_sets()

    # Health checks

    def create_health_check(self) -> ActionResult:
        """Rows R34 to R38, R41: the same reference and configuration give the existing check, else none."""
        reference = self._get_param("CallerReference")
        config = normalise(self._get_param("HealthCheckConfig"))
        known = self.world.memory.check_references.get(reference)
        if known is not None:
            if known.config != config or known.check not in self.backend.health_checks:
                raise ApiError(
                    "HealthCheckAlreadyExists",
                    "A different health check has already been created with the specified caller reference.",
                )
            return self._check_result(self.backend.health_checks[known.check])
        self._check_config(config)
        self.params["HealthCheckConfig"] = dict(config)
        result: Any = super().create_health_check().result
        check: MotoHealthCheck = result["HealthCheck"]
        self.world.memory.check_references[reference] = CheckReference(config=config, check=check.id)
        return self._check_result(check)

    def _check_config(self, config: dict[str, Any]) -> None:
        try:
            check_config(config, own_network=f"{self.world.settings.subnet}.0/24")
        except InvalidCheckError as error:
            raise ApiError("InvalidInput", str(error)) from None

    @staticmethod
    def _check_result(check: MotoHealthCheck) -> ActionResult:
        location = f"https://route53.amazonaws.com/2013-04-01/healthcheck/{check.id}"
        return ActionResult({"HealthCheck": check, "Location": location})

    def update_health_check(self) -> ActionResult:
        """Change what can change, all or nothing; a stale HealthCheckVersion is refused (aws-facts 1.2)."""
        check = self._check()
        version = self._get_param("HealthCheckVersion")
        if version is not None and int(version) != check.health_check_version:
            raise ApiError(
                "HealthCheckVersionMismatch",
                "The HealthCheckVersion in the request does not match the current version.",
            )
        changes = {name: self.params[name] for name in _CHECK_MEMBERS if self.params.get(name) is not None}
        resets = dict.fromkeys(self._get_param("ResetElements") or ())
        config = normalise({**check.health_check_config, **resets, **changes})
        self._check_config(config)
        for member, attribute in _CHECK_MEMBERS.items():
            if member in changes or member in resets:
                setattr(check, attribute, config.get(member))
        check.health_check_version += 1
        return ActionResult({"HealthCheck": check})

    def get_health_check(self) -> ActionResult:
        """Row R42: an unknown id is NoSuchHealthCheck."""
        return ActionResult({"HealthCheck": self._check()})

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
        self.world.memory.failures.pop(check.id, None)
        return EmptyResult()

    def get_health_check_status(self) -> ActionResult:
        """Every checker's last report, from the checkers that really run."""
        return ActionResult({"HealthCheckObservations": [_as_observation(one) for one in self._observations()]})

    def get_health_check_last_failure_reason(self) -> ActionResult:
        """Every checker's last failure that was seen, none for a checker that never failed."""
        check = self._check_locked()
        self._observations()
        with self.world.lock:
            failures = list(self.world.memory.failures.get(check.id, {}).values())
        return ActionResult({"HealthCheckObservations": [_as_observation(one) for one in failures]})

    def _observations(self) -> list[dict[str, Any]]:
        check = self._check_locked()
        observations: list[dict[str, Any]] = self.world.link.call("observations", check_id=check.id) or []
        with self.world.lock:
            failures = self.world.memory.failures.setdefault(check.id, {})
            failures.update({one["checker"]: one for one in observations if not one["status"].startswith("Success")})
        return observations

    def get_checker_ip_ranges(self) -> ActionResult:
        """Where this cloud's checkers call from."""
        return ActionResult({"CheckerIpRanges": list(CHECKER_RANGES)})

    def _check(self) -> MotoHealthCheck:
        return self.backend.get_health_check(self._get_param("HealthCheckId"))

    def _check_locked(self) -> MotoHealthCheck:
        with self.world.lock:
            return self._check()

    # Tags

    def change_tags_for_resource(self) -> ActionResult:
        """As moto; a health check that does not exist takes no tags."""
        self._check_tagged()
        return super().change_tags_for_resource()

    def list_tags_for_resource(self) -> ActionResult:
        """As moto; what does not exist has no tags."""
        self._check_tagged()
        return super().list_tags_for_resource()

    def _check_tagged(self) -> None:
        identifier = self._get_param("ResourceId")
        if self._get_param("ResourceType") == "healthcheck":
            self.backend.get_health_check(identifier)
        else:
            self.backend.get_hosted_zone(identifier)


def _reversed_labels(name: str) -> list[str]:
    return list(reversed(escaped(name).split(".")[:-1]))


def _born_with(name: str) -> list[dict[str, Any]]:
    """The records of a fresh private zone (row R10)."""
    servers = [{"Value": server} for server in PRIVATE_NAME_SERVERS]
    return [
        {"Name": name, "Type": "NS", "TTL": 172800, "ResourceRecords": servers},
        {"Name": name, "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": PRIVATE_SOA}]},
    ]


def _as_api(record: RecordSet) -> dict[str, Any]:
    members = {member: getattr(record, attribute, None) for member, attribute in _MEMBERS.items()}
    return normalise_record({**members, "ResourceRecords": [{"Value": value} for value in values_of(record)]})


def _set_records(zone: FakeZone, records: list[dict[str, Any]]) -> None:
    """Replace a zone's records; moto keeps values as plain texts, and drops the routing policies it does not know."""
    zone.rrsets = []
    for record in records:
        kept = zone.add_rrset(
            {**record, "ResourceRecords": [one["Value"] for one in record.get("ResourceRecords", [])]}
        )
        for member, attribute in UNEMULATED.items():
            setattr(kept, attribute, record.get(member))


def _as_observation(report: dict[str, Any]) -> dict[str, Any]:
    checked = datetime.fromtimestamp(report["at"], UTC)
    return {
        "Region": report["region"],
        "IPAddress": report["checker"],
        "StatusReport": {"Status": report["status"], "CheckedTime": checked},
    }


def _change_info(identifier: str | None = None, status: str = "PENDING") -> dict[str, Any]:
    return {"Id": f"/change/{identifier or 'C' + new_id(20)}", "Status": status, "SubmittedAt": datetime.now(UTC)}
