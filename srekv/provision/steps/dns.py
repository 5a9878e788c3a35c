"""The private zone and its PRIMARY and SECONDARY records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import NotOursError, SrekvError
from srekv.provision.drift import difference
from srekv.provision.engine.answers import DENIED, code_of, ignore_missing, is_unknown_operation, message_of, or_none
from srekv.provision.engine.generation import REFERENCES, used_up
from srekv.provision.engine.run import HeldError
from srekv.provision.inventory.marks import Described, each, route53_tags
from srekv.provision.model import Action, Resource
from srekv.provision.naming import NODES, origin_of
from srekv.provision.queries import hosted_zones, label, readable, region_of_zone, removable_records, strip_prefix
from srekv.provision.step import Op, Ops, anew, cannot, change, change_or_leave, create, delete, leave, retag
from srekv.provision.steps.addresses import Addresses
from srekv.provision.steps.base import StackStep
from srekv.provision.steps.health import HealthChecks
from srekv.provision.steps.network import Network

FAILOVER = {"az1": "PRIMARY", "az2": "SECONDARY"}
# While another change of the zone is in flight, for example its making: longer than botocore's own retries (R16).
BUSY = frozenset({"PriorRequestNotComplete"})

FRESH = BUSY | {"NoSuchHostedZone", "NoSuchHealthCheck"}  # what its parts return for each other's new resources

FILLED = "HostedZoneNotEmpty"
CHANGED = "InvalidChangeBatch"  # a record set is not as the batch has it, or Route 53 does not let it go (R32)

ZONE, RECORD = "hosted zone", "record"


@dataclass(eq=False)
class PrivateZone(StackStep):
    """The zone, found by its CallerReference because Route 53 takes no tags at creation, and the failover records."""

    section = "Route 53"
    checking = "listing the hosted zones"
    network: Network
    addresses: Addresses
    checks: HealthChecks
    zone_id: str = field(default="", init=False)
    _is_new: bool = field(default=False, init=False)
    _change_id: str = field(default="", init=False)
    _associated: dict[str, Collection[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._zone_name, self._record_name = f"{self.config.zone_name}.", f"{self.config.name}."

    @property
    def _vpc(self) -> Any:
        return {"VPCRegion": self.config.region, "VPCId": self.network.vpc_id}

    def observe(self) -> tuple[Resource, ...]:
        """Zones of ours and the records in them that are not the zone's own."""
        resources = []
        for zone in self._ours():
            zone_id = strip_prefix(zone["Id"])
            resources.append(Resource(kind=ZONE, id=zone_id, name=zone["Name"], state="present"))
            for one in removable_records(self.route53, zone):
                record_id, name = f"{zone_id}/{label(one)}", readable(one["Name"])
                resources.append(Resource(kind=RECORD, id=record_id, name=name, state=one["Type"]))
        return tuple(resources)

    def limits(self) -> Ops:
        """The name of a zone stays what it is."""
        for zone in self._at_first:
            if zone["Name"] != self._zone_name:
                what, have = (ZONE, zone["Name"], strip_prefix(zone["Id"])), zone["Name"].rstrip(".")
                yield cannot(*what, field="name", have=have, want=self.config.zone_name, next_step=anew("--zone"))

    def regions(self) -> set[str]:
        """Where the zones say that their stack is."""
        return {region_of_zone(self.route53, strip_prefix(zone["Id"])) for zone in self._at_first} - {""}

    def fit(self) -> None:
        """Refuse a VPC in which another zone answers for our names, unless ours is associated with it already."""
        ours = [zone for zone in self._at_first[:1] if zone["Name"] == self._zone_name]
        vpc_id = self.network.vpc_id
        if not vpc_id or (self._at_first and not ours) or any(vpc_id in self._vpcs(zone) for zone in ours):
            return
        # The zones that answer in our VPC for the record's name, the zone's own name first.
        for zone_id, name in sorted(self._private(), key=lambda one: len(one[1])):
            covers = f".{self._record_name}".endswith(f".{name}") and len(name) >= len(self._zone_name)
            if not covers or not self._is_foreign(zone_id):
                continue
            if name == self._zone_name:
                raise self._taken(f"{zone_id} has that name")
            raise SrekvError(
                f"in the VPC {vpc_id} the zone {name.rstrip('.')} would answer for {self.config.name}",
                why=f"{zone_id} is more specific than {self.config.zone_name}: its answer is final",
                next_step="choose another --zone or --record, or another VPC (--vpc-id)",
            )

    def _private(self) -> list[tuple[str, str]]:
        """Id and name of the VPC's private zones, other accounts' too; the account's where AWS cannot list by VPC."""
        listed: list[tuple[str, str]] = []
        more = self._vpc
        try:
            while True:
                answer = self.route53.list_hosted_zones_by_vpc(**more)
                listed += [(strip_prefix(one["HostedZoneId"]), one["Name"]) for one in answer["HostedZoneSummaries"]]
                if not answer.get("NextToken"):
                    return listed
                more["NextToken"] = answer["NextToken"]
        except ClientError as error:
            if not is_unknown_operation(error) and code_of(error) not in DENIED:
                raise
            zones = each(self.route53, "list_hosted_zones", "HostedZones")
            private = [zone for zone in zones if zone.get("Config", {}).get("PrivateZone")]
            return [(strip_prefix(zone["Id"]), zone["Name"]) for zone in private]

    def _is_foreign(self, zone_id: str) -> bool:
        """Whether it is there, the VPC's and not ours, as another `up` may just have made it."""
        try:
            answer = or_none(self.route53.get_hosted_zone, Id=zone_id)
        except ClientError as error:
            if code_of(error) not in DENIED:
                raise
            return True  # another account's is not shown to us, but was listed as the VPC's
        if answer is None or origin_of(answer["HostedZone"]["CallerReference"]) == (self.names.stack, "zone"):
            return False
        return self.network.vpc_id in {vpc.get("VPCId") for vpc in answer.get("VPCs", ())}

    def _vpcs(self, zone: Described) -> Collection[str]:
        """The VPCs of a zone, asked once."""
        zone_id = strip_prefix(zone["Id"])
        if zone_id not in self._associated:
            vpcs = self.route53.get_hosted_zone(Id=zone_id).get("VPCs", [])
            self._associated[zone_id] = {vpc.get("VPCId", "") for vpc in vpcs}
        return self._associated[zone_id]

    def _taken(self, why: str) -> NotOursError:
        return NotOursError(
            f"the VPC {self.network.vpc_id} already has a zone {self.config.zone_name}, not this stack's",
            why=why,
            next_step="choose another --zone or another --stack",
        )

    def ensure(self) -> Ops:
        """Create the zone, tag it, associate it with the VPC; put both records with one change."""
        zones = self._at_first
        refused = list(self.limits())
        if refused:
            yield from refused
            return
        for surplus in zones[1:]:
            yield from self._remove_zone(surplus)
        if zones:
            self.zone_id = strip_prefix(zones[0]["Id"])
            yield from change_or_leave(ZONE, self._zone_name, self.zone_id, self._drift())
        else:
            yield create(ZONE, self._zone_name, self._create)
        yield from self._ensure_records()

    def settle(self) -> Ops:
        """Wait until Route 53's servers have the change; resolvers may still cache (aws-facts 2.4)."""

        def is_insync() -> bool | None:
            try:
                answer = self.route53.get_change(Id=self._change_id)
            except ClientError as error:
                if not is_unknown_operation(error):
                    raise
                self.run.watcher.warn(
                    f"cannot learn whether the records are INSYNC: the endpoint does not have {error.operation_name}"
                )
                return True
            return answer["ChangeInfo"]["Status"] == "INSYNC" or None

        if self._change_id:
            self.wait("the records to be INSYNC", is_insync, timeout_s=180)
        return iter(())

    def destroy(self) -> Ops:
        """Records first, then the zone: only SOA and NS may remain in a zone that is deleted (R14)."""
        for zone in self._ours():
            yield from self._remove_zone(zone)

    def _remove_zone(self, zone: Described) -> Ops:
        zone_id, records = strip_prefix(zone["Id"]), removable_records(self.route53, zone)
        if records:
            names = ", ".join(sorted({readable(record["Name"]) for record in records}))
            op = delete(RECORD, names, zone_id, "present", self._delete_records, zone=zone, records=records)
            yield replace(op, detail=f"{len(records)} record sets")
        yield delete(ZONE, zone["Name"], zone_id, "present", self._delete_zone, zone=zone)

    def _ours(self) -> list[Described]:
        return [zone for stack, zone in hosted_zones(self.route53) if stack == self.names.stack]

    _at_first = cached_property(_ours)

    def _create(self) -> str:
        for ordinal in range(REFERENCES):
            self.zone_id = self._create_with(self.run.generation.reference("zone", ordinal))
            if self.zone_id:
                self._tag()
                return self.zone_id
        raise used_up(ZONE, self._zone_name)

    def _create_with(self, reference: str) -> str:
        """The new zone's id, or that of ours if it exists; "" when the reference was a deleted zone's (R6)."""
        config: Any = {"Comment": f"srekv stack {self.names.stack}", "PrivateZone": True}
        arguments: Any = {"Name": self._zone_name, "VPC": self._vpc, "HostedZoneConfig": config}
        try:
            answer = self.route53.create_hosted_zone(CallerReference=reference, **arguments)
        except ClientError as error:
            # The reference is used up, or the VPC has a zone of that name (R6, R8).
            if code_of(error) not in {"HostedZoneAlreadyExists", "ConflictingDomainExists"}:
                raise
            zone = self.poll_briefly(f"the zone {self._zone_name}", lambda: next(iter(self._ours()), None))
            if zone is None and code_of(error) == "ConflictingDomainExists":
                raise self._taken(message_of(error)) from error
            return strip_prefix(zone["Id"]) if zone else ""
        self._is_new = True
        return strip_prefix(answer["HostedZone"]["Id"])

    def _tag(self) -> None:
        # botocore does not strip "/hostedzone/" for the tagging calls (aws-facts 1.2, R45): the id is bare here.
        tags = self.run.placed_tags(self.config.zone_name)
        self.route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=self.zone_id, AddTags=tags)

    def _drift(self) -> Ops:
        what = (ZONE, self._zone_name, self.zone_id)
        tags = route53_tags(self.route53, "hostedzone", [self.zone_id]).get(self.zone_id, {})
        yield from retag(what, tags, self.run.placed_tags(self.config.zone_name), self._tag)
        if self.network.vpc_id not in self._vpcs({"Id": self.zone_id}):
            detail, call = f"associated with {self.network.vpc_id}", self.route53.associate_vpc_with_hosted_zone
            yield change(*what, detail, call, HostedZoneId=self.zone_id, VPC=self._vpc)

    def wanted(self, node: str) -> dict[str, Any]:
        """A node's failover record."""
        return {
            "Name": self._record_name,
            "Type": "A",
            "SetIdentifier": self.names.instance(node),
            "Failover": FAILOVER[node],
            "TTL": self.config.ttl,
            "ResourceRecords": [{"Value": self.addresses.public.get(node, "")}],
            "HealthCheckId": self.checks.check_id.get(node, ""),
        }

    def _ensure_records(self) -> Ops:
        have = self._same_name() if self.zone_id and not self._is_new else []
        by_id = {record.get("SetIdentifier"): record for record in have}
        ids = {self.names.instance(node) for node in NODES}
        strangers = [record for record in have if record.get("SetIdentifier") not in ids]
        drifted, details = [], []
        for node in NODES:
            want = self.wanted(node)
            old = by_id.get(want["SetIdentifier"])
            if old == want:
                yield leave(RECORD, f"{FAILOVER[node]} {self._record_name}", want["SetIdentifier"])
                continue
            drifted.append((old, want))
            value = want["ResourceRecords"][0]["Value"]
            details.append(f"{FAILOVER[node]} {value if old is None else difference(old, want)}")
        if not drifted and not strangers:
            return
        # Two records change places only together, and another role is another record (R26, R29): out, then in again.
        turned = [old for old, want in drifted if old and old.get("Failover") != want["Failover"]]
        details += [f"{label(record)} removed" for record in strangers]
        put = partial(self._change, [*strangers, *turned], [want for _, want in drifted])
        action: Action = "change" if have else "create"
        name, detail = self._record_name, "; ".join(details)
        yield Op(kind=RECORD, name=name, id=self.zone_id, action=action, detail=detail, call=put)

    def _same_name(self) -> list[dict[str, Any]]:
        """The records of our name that stand for an address; a CNAME cannot exist with A records of the same name."""
        listed = each(self.route53, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=self.zone_id)
        return [dict(one) for one in listed if one["Name"] == self._record_name and one["Type"] in {"A", "CNAME"}]

    def _change(self, remove: Sequence[Described], put: Sequence[Described]) -> str:
        """One batch, all or nothing: a record of another policy under this name must go in the same change (R26)."""
        changes: Any = [{"Action": "DELETE", "ResourceRecordSet": record} for record in remove]
        # A DELETE and a CREATE of one record set are documented to go together (ChangeResourceRecordSets), a DELETE and
        # an UPSERT are not (R25).
        removed = {record.get("SetIdentifier") for record in remove if record["Type"] == "A"}
        for record in put:
            action = "CREATE" if record["SetIdentifier"] in removed else "UPSERT"
            changes.append({"Action": action, "ResourceRecordSet": record})
        try:
            what, call = "the new zone and checks", self.route53.change_resource_record_sets
            batch = {"Comment": "srekv up", "Changes": changes}
            answer: Any = self.retry_while(FRESH, what, call, HostedZoneId=self.zone_id, ChangeBatch=batch)
        except ClientError as error:
            # What is to go is not there any more (R32): an answer was lost and this was botocore's retry.
            if code_of(error) == CHANGED and remove:
                have = self._same_name()
                if all(record in have for record in put):
                    return self.zone_id
            raise
        self._change_id = strip_prefix(answer["ChangeInfo"]["Id"])
        return self.zone_id

    def _delete_records(self, zone: Described, records: Sequence[Described]) -> None:
        """Delete these record sets; when another run has changed or deleted one of them (R32), those that are left."""
        zone_id, left = strip_prefix(zone["Id"]), records

        def delete_left() -> None:
            nonlocal left
            changes: Any = [{"Action": "DELETE", "ResourceRecordSet": record} for record in left]
            batch: Any = {"Comment": "srekv down", "Changes": changes}
            try:
                if changes:
                    or_none(self.route53.change_resource_record_sets, HostedZoneId=zone_id, ChangeBatch=batch)
            except ClientError as error:
                if code_of(error) != CHANGED:
                    raise
                refused, left = left, removable_records(self.route53, zone)
                if refused == left:  # all of them are there unchanged
                    raise HeldError(
                        f"the records of the hosted zone {zone_id} were not deleted",
                        why=f"Route 53 does not delete {', '.join(map(label, left))}: {message_of(error)}",
                    ) from error
                raise

        self.retry_while(BUSY | {CHANGED}, f"the zone {zone_id} to take a change", delete_left)

    def _delete_zone(self, zone: Described) -> None:
        """Delete it; records that a concurrent `up` puts into it meanwhile are taken out again."""

        def delete_zone() -> None:
            try:
                ignore_missing(self.route53.delete_hosted_zone, Id=zone["Id"])
            except ClientError as error:
                if code_of(error) == FILLED:
                    self._delete_records(zone, removable_records(self.route53, zone))
                raise

        self.retry_while(BUSY | {FILLED}, f"the zone {strip_prefix(zone['Id'])} to take its deletion", delete_zone)
