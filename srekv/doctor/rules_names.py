"""Whether the machines of the VPC get the zone's answers at all. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from srekv.doctor.facts import Facts, Vpc
from srekv.doctor.model import Finding, Wishes
from srekv.doctor.sources import CONSIDERATIONS, DNS, RESOLVED
from srekv.errors import CommandLine

DROP_IN = "/etc/systemd/resolved.conf.d/"


def attributes(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """Both DNS attributes of every VPC of a private zone are on."""
    for vpc in facts.vpcs.values():
        values = (("enableDnsSupport", vpc.dns_support), ("enableDnsHostnames", vpc.dns_hostnames))
        for name, value in values:
            if facts.zone.private and value is False:
                yield _attribute_off(vpc, name)


def _attribute_off(vpc: Vpc, attribute: str) -> Finding:
    flag = "--enable-dns-support" if attribute == "enableDnsSupport" else "--enable-dns-hostnames"
    return Finding(
        id="dns-attribute-off",
        severity="prevents",
        subject=vpc.id,
        title=f"{attribute} is off",
        cause="a VPC needs both DNS attributes to answer from private zones",
        proof=f"{vpc.id}: {attribute} false",
        fix=CommandLine(f"aws ec2 modify-vpc-attribute --vpc-id {vpc.id} {flag}"),
        source=DNS,
    )


def associated(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """A private zone answers in the VPC of its machines, where the clients are taken to be."""
    zone = facts.zone
    if not zone.private:
        return
    for vpc_id in sorted({host.vpc_id for host in facts.hosts.values() if host.vpc_id} - set(zone.vpcs)):
        yield Finding(
            id="zone-not-associated",
            severity="prevents" if facts.stack else "risk",
            subject=zone.name.rstrip("."),
            title=f"the zone is not associated with {vpc_id}",
            cause="a private zone's names exist only in its VPCs: clients in the machines' VPC cannot resolve it",
            proof=f"{zone.id} is associated with {', '.join((*zone.vpcs, *zone.elsewhere)) or 'nothing'}",
            fix=facts.fix(
                CommandLine(
                    f"aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {zone.id} "
                    f"--vpc VPCRegion={facts.region},VPCId={vpc_id}"
                )
            ),
            source=CONSIDERATIONS,
        )
    for vpc in facts.vpcs.values():
        if not vpc.exists:
            yield _dead_vpc(facts, vpc)


def _dead_vpc(facts: Facts, vpc: Vpc) -> Finding:
    last = not facts.zone.elsewhere and not any(one.exists for one in facts.vpcs.values())
    return Finding(
        id="vpc-gone",
        severity="prevents" if last else "risk",
        subject=facts.zone.name.rstrip("."),
        title=f"the zone is associated with {vpc.id}, which does not exist",
        cause="Route 53 keeps the association of a deleted VPC, which sends no queries any more",
        proof=f"DescribeVpcs does not show {vpc.id}",
        fix=_remove("zone", facts.zone.id, vpc.id, facts.region),
        source=CONSIDERATIONS,
    )


def unrivalled(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """Nothing more specific answers for the name: a match never falls through to a wider zone."""
    for rival in facts.rivals:
        for pair in facts.pairs:
            if not covers(rival.name, pair.name):
                continue
            yield Finding(
                id="name-answered-elsewhere",
                severity="prevents",
                subject=pair.name.rstrip("."),
                title=f"a {rival.kind} answers for the name instead of this zone",
                cause="in a VPC the most specific private zone wins, and a forwarding rule before a zone of its name",
                proof=f"{rival.kind} {rival.id} for {rival.name.rstrip('.')} in {rival.vpc_id}",
                fix=_remove(rival.kind, rival.id, rival.vpc_id, facts.region),
                source=CONSIDERATIONS,
            )


def covers(domain: str, name: str) -> bool:
    """Whether a name lies in a domain, or is it."""
    own, other = domain.rstrip(".").lower(), name.rstrip(".").lower()
    return not own or other == own or other.endswith(f".{own}")


def _remove(kind: str, id: str, vpc_id: str, region: str) -> CommandLine:  # noqa: A002 - AWS calls it an id
    if kind == "forwarding rule":
        return CommandLine(f"aws route53resolver disassociate-resolver-rule --resolver-rule-id {id} --vpc-id {vpc_id}")
    return CommandLine(
        f"aws route53 disassociate-vpc-from-hosted-zone --hosted-zone-id {id} --vpc VPCRegion={region},VPCId={vpc_id}"
    )


def unicast(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """Machines whose resolver takes .local for multicast DNS are told of the zone."""
    zone = facts.zone.name.rstrip(".")
    if not zone.endswith(".local") and zone != "local":
        return
    untold = sorted({host.name for host in facts.hosts.values() if host.resolves is False})
    unknown = not any(host.resolves is not None for host in facts.hosts.values())
    if untold or unknown:
        yield Finding(
            id="local-is-multicast",
            severity="risk",
            subject=zone,
            title="clients may never ask Route 53 for a .local name",
            cause=".local belongs to multicast DNS: systemd-resolved sends it to a DNS server only if configured",
            proof=f"no {DROP_IN} file for the zone in the user data of {', '.join(untold)}"
            if untold
            else "no machine is known whose user data could be read",
            fix=f"on every client: printf '[Resolve]\\nDNS=169.254.169.253\\nDomains=~{zone}\\n' > {DROP_IN}zone.conf; "
            "systemctl restart systemd-resolved",
            source=RESOLVED,
        )
