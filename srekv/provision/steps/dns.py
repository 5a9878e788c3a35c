"""The private zone and its PRIMARY and SECONDARY records."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, NotOursError, SrekvError
from srekv.provision.drift import difference
from srekv.provision.engine.answers import DENIED, code_of, found, gone, is_unknown_operation, message_of
from srekv.provision.engine.generation import REFERENCES, used_up
from srekv.provision.engine.run import HeldError, Op, Ops, Run, Step, cannot, leave
from srekv.provision.inventory.marks import each, route53_tags
from srekv.provision.model import Resource
from srekv.provision.naming import NODES, REGION_TAG, lost_tags
from srekv.provision.steps.addresses import Addresses
from srekv.provision.steps.health import HealthChecks
from srekv.provision.steps.network import Network

INSYNC_TIMEOUT_S = 180
FAILOVER = {"az1": "PRIMARY", "az2": "SECONDARY"}
BUSY = frozenset({"PriorRequestNotComplete"})
"""While another change of the zone is in flight, for example its making: longer than botocore's own retries (R16)."""

FRESH = BUSY | {"NoSuchHostedZone", "NoSuchHealthCheck"}
"""What Route 53's parts may say of each other's resources for a moment."""

TAKEN = frozenset({"HostedZoneAlreadyExists", "ConflictingDomainExists"})
"""The reference is used up, or the VPC has a zone of that name (R6, R8)."""

ADDRESS_TYPES = frozenset({"A", "CNAME"})
"""A CNAME beside A records of the same name is impossible."""

FILLED = frozenset({"HostedZoneNotEmpty"})
CHANGED = "InvalidChangeBatch"
"""A record set of the batch is not as the batch has it, or Route 53 does not let it go (R32)."""

APEX_TYPES = frozenset({"SOA", "NS"})


class PrivateZone:
    """The zone, found by its CallerReference because Route 53 takes no tags at creation, and the failover records."""

    section = "Route 53"

    def __init__(self, run: Run, *, network: Network, addresses: Addresses, checks: HealthChecks) -> None:
        self._run = run
        self._route53 = run.clients.route53
        self._network = network
        self._addresses = addresses
        self._checks = checks
        self.needs: tuple[Step, ...] = (network, addresses, checks)
        self.zone_id = ""
        self._is_new = False
        self._change_id = ""
        self._associated: dict[str, Collection[str]] = {}

    @property
    def _zone_name(self) -> str:
        return self._run.config.zone_name + "."

    @property
    def _record_name(self) -> str:
        return self._run.config.name + "."

    def observe(self) -> tuple[Resource, ...]:
        """Zones of ours and the records in them that are not the zone's own."""
        resources = []
        for zone in self._ours():
            zone_id = bare(zone["Id"])
            resources.append(Resource(kind="hosted zone", id=zone_id, name=zone["Name"], state="present"))
            resources += [
                Resource(
                    kind="record",
                    id=f"{zone_id}/{label(record)}",
                    name=readable(record["Name"]),
                    state=record["Type"],
                )
                for record in removable(self._route53, zone)
            ]
        return tuple(resources)

    def limits(self) -> Ops:
        """The name of a zone stays what it is."""
        for zone in self._at_first:
            if zone["Name"] != self._zone_name:
                yield cannot(
                    "hosted zone",
                    zone["Name"],
                    bare(zone["Id"]),
                    field="name",
                    have=zone["Name"].rstrip("."),
                    want=self._run.config.zone_name,
                    next_step=CommandLine("srekv down") + ", then up with the new --zone; or use another --stack",
                )

    def regions(self) -> set[str]:
        """Where the zones say that their stack is."""
        return {region_of(self._route53, bare(zone["Id"])) for zone in self._at_first} - {""}

    def fit(self) -> None:
        """Refuse a VPC in which another zone answers for our names, unless ours is associated with it already."""
        ours = [zone for zone in self._at_first[:1] if zone["Name"] == self._zone_name]
        vpc_id = self._network.vpc_id
        if not vpc_id or (self._at_first and not ours) or any(vpc_id in self._vpcs(zone) for zone in ours):
            return
        for zone_id, name in self._rivals():
            if name == self._zone_name:
                raise self._taken(f"{zone_id} has that name")
            raise SrekvError(
                f"in the VPC {vpc_id} the zone {name.rstrip('.')} would answer for {self._run.config.name}",
                why=f"{zone_id} is more specific than {self._run.config.zone_name}: its answer is final",
                next_step="choose another --zone or --record, or another VPC (--vpc-id)",
            )

    def _rivals(self) -> Iterator[tuple[str, str]]:
        """The zones that answer in our VPC for the record's name, the zone's own name first: id and name."""
        covering = [(bare(one), name) for one, name in self._private() if _covers(name, self._record_name)]
        for zone_id, name in sorted(covering, key=lambda one: len(one[1])):
            if len(name) >= len(self._zone_name) and self._is_foreign(zone_id):
                yield zone_id, name

    def _private(self) -> list[tuple[str, str]]:
        """The private zones of the VPC, other accounts' too; the account's where they cannot be told by VPC."""
        listed: list[tuple[str, str]] = []
        more: dict[str, Any] = {"VPCId": self._network.vpc_id, "VPCRegion": self._run.config.region}
        try:
            while True:
                answer = self._route53.list_hosted_zones_by_vpc(**more)
                listed += [(one["HostedZoneId"], one["Name"]) for one in answer["HostedZoneSummaries"]]
                if not answer.get("NextToken"):
                    return listed
                more["NextToken"] = answer["NextToken"]
        except ClientError as error:
            if not is_unknown_operation(error) and code_of(error) not in DENIED:
                raise
            zones = each(self._route53, "list_hosted_zones", "HostedZones")
            return [(zone["Id"], zone["Name"]) for zone in zones if zone.get("Config", {}).get("PrivateZone")]

    def _is_foreign(self, zone_id: str) -> bool:
        """Whether it is the VPC's zone and not ours, as another `up` may just have made it.

        Another account's is not shown to us, but was listed as the VPC's; one that is gone is in nobody's way.
        """
        try:
            answer = found(self._route53.get_hosted_zone, Id=zone_id)
        except ClientError as error:
            if code_of(error) not in DENIED:
                raise
            return True
        if answer is None or answer["HostedZone"]["CallerReference"].startswith(
            self._run.names.reference_prefix("zone")
        ):
            return False
        return self._network.vpc_id in {vpc.get("VPCId") for vpc in answer.get("VPCs", ())}

    def _vpcs(self, zone: Mapping[str, Any]) -> Collection[str]:
        """The VPCs of a zone, asked once."""
        zone_id = bare(zone["Id"])
        if zone_id not in self._associated:
            vpcs = self._route53.get_hosted_zone(Id=zone_id).get("VPCs", [])
            self._associated[zone_id] = {vpc.get("VPCId", "") for vpc in vpcs}
        return self._associated[zone_id]

    def _taken(self, why: str) -> NotOursError:
        return NotOursError(
            f"the VPC {self._network.vpc_id} already has a zone {self._run.config.zone_name}, not this stack's",
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
            yield from self._remove(surplus)
        if zones:
            self.zone_id = bare(zones[0]["Id"])
            yield from self._repair_zone()
        else:
            yield Op(kind="hosted zone", name=self._zone_name, action="create", call=self._create)
        yield from self._ensure_records()

    def settle(self) -> Ops:
        """Wait until Route 53's servers have the change; resolvers may still cache (aws-facts 2.4)."""
        if self._change_id:
            self._run.wait(
                self.section,
                "the records to be INSYNC",
                self._is_insync,
                timeout_s=INSYNC_TIMEOUT_S,
            )
        return iter(())

    def _is_insync(self) -> bool | None:
        try:
            answer = self._route53.get_change(Id=self._change_id)
        except ClientError as error:
            if not is_unknown_operation(error):
                raise
            self._run.watcher.warn(
                f"cannot learn whether the records are INSYNC: the endpoint does not have {error.operation_name}"
            )
            return True
        return answer["ChangeInfo"]["Status"] == "INSYNC" or None

    def destroy(self) -> Ops:
        """Records first, then the zone: only SOA and NS may remain in a zone that is deleted (R14)."""
        for zone in self._ours():
            yield from self._remove(zone)

    def _remove(self, zone: Mapping[str, Any]) -> Ops:
        zone_id = bare(zone["Id"])
        records = removable(self._route53, zone)
        if records:
            yield Op(
                kind="record",
                name=", ".join(sorted({readable(record["Name"]) for record in records})),
                id=zone_id,
                action="delete",
                detail=f"{len(records)} record sets",
                call=partial(self._delete_records, zone, records),
            )
        yield Op(
            kind="hosted zone",
            name=zone["Name"],
            id=zone_id,
            action="delete",
            call=partial(self._delete_zone, zone),
        )

    @cached_property
    def _at_first(self) -> list[Mapping[str, Any]]:
        """Our zones when they were first asked for."""
        return self._ours()

    def _ours(self) -> list[Mapping[str, Any]]:
        prefix = self._run.names.reference_prefix("zone")
        return [
            zone
            for page in self._route53.get_paginator("list_hosted_zones").paginate()
            for zone in page["HostedZones"]
            if zone["CallerReference"].startswith(prefix)
        ]

    def _create(self) -> str:
        for ordinal in range(REFERENCES):
            zone_id = self._create_with(self._run.generation.reference("zone", ordinal))
            if zone_id:
                self.zone_id = zone_id
                self._tag()
                return zone_id
        raise used_up("hosted zone", self._zone_name)

    def _create_with(self, reference: str) -> str:
        """The new zone's id, or that of ours if it exists; "" when the reference was a deleted zone's (R6)."""
        vpc: Any = {"VPCRegion": self._run.config.region, "VPCId": self._network.vpc_id}
        try:
            answer = self._route53.create_hosted_zone(
                Name=self._zone_name,
                VPC=vpc,
                CallerReference=reference,
                HostedZoneConfig={"Comment": f"srekv stack {self._run.config.stack}", "PrivateZone": True},
            )
        except ClientError as error:
            if code_of(error) not in TAKEN:
                raise
            zone = self._run.sought(self.section, f"the zone {self._zone_name}", lambda: next(iter(self._ours()), None))
            if zone is None and code_of(error) == "ConflictingDomainExists":
                raise self._taken(message_of(error)) from error
            return bare(zone["Id"]) if zone else ""
        self._is_new = True
        return bare(answer["HostedZone"]["Id"])

    def _tag(self) -> None:
        # botocore does not strip "/hostedzone/" for the tagging calls (aws-facts 1.2, R45): the id is bare here.
        tags: Any = self._run.placed_tags(self._run.config.zone_name)
        self._route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=self.zone_id, AddTags=tags)

    def _repair_zone(self) -> Ops:
        tags = route53_tags(self._route53, "hostedzone", [self.zone_id])
        changes = []
        lost = lost_tags(tags.get(self.zone_id, {}), self._run.placed_tags(self._run.config.zone_name))
        if lost:
            changes.append(self._zone_op(lost, self._tag))
        if self._network.vpc_id not in self._vpcs({"Id": self.zone_id}):
            changes.append(self._zone_op(f"associated with {self._network.vpc_id}", self._associate))
        yield from changes
        if not changes:
            yield leave("hosted zone", self._zone_name, self.zone_id)

    def _zone_op(self, detail: str, call: Any) -> Op:
        return Op(kind="hosted zone", name=self._zone_name, id=self.zone_id, action="change", detail=detail, call=call)

    def _associate(self) -> None:
        self._route53.associate_vpc_with_hosted_zone(
            HostedZoneId=self.zone_id,
            VPC={"VPCRegion": self._run.config.region, "VPCId": self._network.vpc_id},  # type: ignore[typeddict-item]
        )

    def _wanted(self, node: str) -> dict[str, Any]:
        return {
            "Name": self._record_name,
            "Type": "A",
            "SetIdentifier": self._run.names.instance(node),
            "Failover": FAILOVER[node],
            "TTL": self._run.config.ttl,
            "ResourceRecords": [{"Value": self._addresses.public.get(node, "")}],
            "HealthCheckId": self._checks.check_id.get(node, ""),
        }

    def _ensure_records(self) -> Ops:
        have = self._same_name() if self.zone_id and not self._is_new else []
        want = {node: self._wanted(node) for node in NODES}
        by_id = {record.get("SetIdentifier"): record for record in have}
        drifted = {node: record for node, record in want.items() if by_id.get(record["SetIdentifier"]) != record}
        wanted_ids = {record["SetIdentifier"] for record in want.values()}
        strangers = [record for record in have if record.get("SetIdentifier") not in wanted_ids]
        for node, record in want.items():
            if node not in drifted:
                yield leave("record", f"{FAILOVER[node]} {self._record_name}", record["SetIdentifier"])
        # Two records change places only together, and another role is another record (R26, R29): out, then in again.
        turned = [
            by_id[record["SetIdentifier"]]
            for record in drifted.values()
            if by_id.get(record["SetIdentifier"], record).get("Failover") != record["Failover"]
        ]
        if drifted or strangers:
            yield Op(
                kind="record",
                name=self._record_name,
                id=self.zone_id,
                action="change" if have else "create",
                detail=_difference(by_id, drifted, strangers),
                call=lambda: self._change([*strangers, *turned], list(drifted.values())),
            )

    def _same_name(self) -> list[dict[str, Any]]:
        """The records of our name that stand for an address."""
        listed = each(self._route53, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=self.zone_id)
        return [dict(one) for one in listed if one["Name"] == self._record_name and one["Type"] in ADDRESS_TYPES]

    def _change(self, remove: Sequence[Mapping[str, Any]], put: Sequence[Mapping[str, Any]]) -> str:
        """One batch, all or nothing: a record of another policy under this name must go in the same change (R26).

        What the batch deletes it creates anew: a DELETE and a CREATE of one record set are documented to go together
        (ChangeResourceRecordSets), a DELETE and an UPSERT are not (R25).
        """
        changes: Any = [{"Action": "DELETE", "ResourceRecordSet": record} for record in remove]
        removed = {record.get("SetIdentifier") for record in remove if record["Type"] == "A"}
        for record in put:
            action = "CREATE" if record["SetIdentifier"] in removed else "UPSERT"
            changes.append({"Action": action, "ResourceRecordSet": record})
        try:
            answer = self._run.persist(
                self.section,
                "the new zone and checks",
                self._route53.change_resource_record_sets,
                on=FRESH,
                HostedZoneId=self.zone_id,
                ChangeBatch={"Comment": "srekv up", "Changes": changes},
            )
        except ClientError as error:
            # What is to go is not there any more (R32): an answer was lost and this was botocore's retry.
            if code_of(error) != CHANGED or not remove or self._lacks(put):
                raise
            return self.zone_id
        self._change_id = bare(answer["ChangeInfo"]["Id"])
        return self.zone_id

    def _lacks(self, records: Sequence[Mapping[str, Any]]) -> bool:
        """Whether one of these is not there."""
        have = self._same_name()
        return any(record not in have for record in records)

    def _delete_records(self, zone: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
        """Delete these record sets; when another run has changed or deleted one of them (R32), those that are left.

        Raises:
            HeldError: Route 53 refuses although all of them are there unchanged.
        """
        zone_id, left = bare(zone["Id"]), records

        def delete() -> None:
            nonlocal left
            changes: Any = [{"Action": "DELETE", "ResourceRecordSet": record} for record in left]
            batch: Any = {"Comment": "srekv down", "Changes": changes}
            try:
                if changes:
                    found(self._route53.change_resource_record_sets, HostedZoneId=zone_id, ChangeBatch=batch)
            except ClientError as error:
                if code_of(error) != CHANGED:
                    raise
                refused, left = left, removable(self._route53, zone)
                if refused == left:
                    raise HeldError(
                        f"the records of the hosted zone {zone_id} were not deleted",
                        why=f"Route 53 does not delete {', '.join(map(label, left))}: {message_of(error)}",
                    ) from error
                raise

        self._run.persist(self.section, f"the zone {zone_id} to take a change", delete, on=BUSY | {CHANGED})

    def _delete_zone(self, zone: Mapping[str, Any]) -> None:
        """Delete it; records that an `up` beside us puts into it meanwhile are taken out again."""

        def delete() -> None:
            try:
                gone(self._route53.delete_hosted_zone, Id=zone["Id"])
            except ClientError as error:
                if code_of(error) in FILLED:
                    self._delete_records(zone, removable(self._route53, zone))
                raise

        self._run.persist(self.section, f"the zone {bare(zone['Id'])} to take its deletion", delete, on=BUSY | FILLED)


def _covers(zone: str, name: str) -> bool:
    """Whether a private zone of this name answers for the name; both end in a dot."""
    return name == zone or name.endswith(f".{zone}")


def region_of(route53: Any, zone_id: str) -> str:
    """The Region of a zone's stack: by its tag, else by its VPC, which may not be the only one; "" if it is gone."""
    told = route53_tags(route53, "hostedzone", [zone_id]).get(zone_id, {}).get(REGION_TAG)
    if told:
        return told
    answer: Any = found(route53.get_hosted_zone, Id=zone_id) or {}
    return next((str(vpc.get("VPCRegion", "")) for vpc in answer.get("VPCs", ())), "")


def removable(route53: Any, zone: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every record set of a zone but the zone's own SOA and NS; none if the zone is gone."""
    pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"])
    try:
        records: list[Any] = [record for page in pages for record in page["ResourceRecordSets"]]
    except ClientError as error:
        if code_of(error) == "NoSuchHostedZone":
            return []
        raise
    return [record for record in records if not (record["Name"] == zone["Name"] and record["Type"] in APEX_TYPES)]


def bare(resource_id: str) -> str:
    """An id without "/hostedzone/" or "/change/" in front."""
    return resource_id.rpartition("/")[2]


def label(record: Mapping[str, Any]) -> str:
    """What tells a record set from the others of its zone."""
    parts = (readable(record["Name"]), record["Type"], record.get("SetIdentifier"))
    return "/".join(str(part) for part in parts if part)


def readable(name: str) -> str:
    r"""A name of a listing as a person writes it: Route 53 lists "*" as \052 (DNS domain name format).

    A dot within a label, and what no terminal should be sent, stay escaped.
    """
    return re.sub(r"\\([0-3][0-7]{2})", _unescape, name)


def _unescape(code: re.Match[str]) -> str:
    character = chr(int(code[1], 8))
    return character if "!" <= character <= "~" and character not in ".\\" else code[0]


def _difference(
    have: Mapping[str | None, Mapping[str, Any]],
    drifted: Mapping[str, Mapping[str, Any]],
    strangers: Sequence[Mapping[str, Any]],
) -> str:
    """The fields that change, for a person."""
    parts = []
    for node, want in drifted.items():
        old = have.get(want["SetIdentifier"])
        if old is None:
            parts.append(f"{FAILOVER[node]} {want['ResourceRecords'][0]['Value']}")
        else:
            parts.append(f"{FAILOVER[node]} {difference(old, want)}")
    parts += [f"{label(record)} removed" for record in strangers]
    return "; ".join(parts)
