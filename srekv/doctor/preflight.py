"""Before an `up` makes something: what would make it fail half-way, or never fail over. Reading calls only.

Each step refuses for itself (names that are another's, zones, offered types, DNS attributes, routes, image, key) and
does not ask again afterwards; three calls are added where a node or an address is missing: the quota of addresses, the
addresses taken, the network ACLs. Without them a setting that must be refused would be kept on the new role.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from srekv.doctor.facts import Checkers, Subnet
from srekv.doctor.gather_hosts import read_acls
from srekv.doctor.model import Finding, find
from srekv.doctor.reader import Reader
from srekv.doctor.rules import not_examined
from srekv.doctor.rules_network import acl_findings
from srekv.errors import SrekvError
from srekv.provision.engine.answers import FAILURES, explain
from srekv.provision.inventory.existing import of_node
from srekv.provision.naming import NODES
from srekv.provision.steps.collection import Steps
from srekv.provision.steps.firewall import RANGES

CHECKED = (
    "names that are not another's: role, profile, table, security group, key pair, alarms, dashboard, zone",
    "two zones that offer the instance type",
    "a machine image",
    "the VPC's DNS attributes",
    "routes to the internet",
    "network ACLs that pass requests and answers",
    "room for two addresses",
)

QUOTA = "vpc-max-elastic-ips"
AMAZON = "amazon"
"""The pool of public addresses that the quota is about, as DescribeAddresses names it."""


def refuse(steps: Steps) -> None:
    """Refuse to start, by SrekvError, when a finding prevents; warn of everything else."""
    found = [*_additional(steps)]
    prevents = [one for one in found if one.severity == "prevents"]
    for one in found:
        if one not in prevents:
            steps.run.watcher.warn(f"{one.title}: {one.proof}; " + one.fix)
    if prevents:
        first, *others = prevents
        more = f" (and {len(others)} more: srekv doctor)" if others else ""
        what, why = f"nothing was created: {first.title}{more}", f"{first.proof}; {first.cause}"
        raise SrekvError(what, why=why, next_step=first.fix)


def findings(steps: Steps) -> Iterator[Finding]:
    """All findings before a first `up`."""
    for step in itertools.chain(*steps.rounds):
        try:
            step.fit()
        except (SrekvError, *FAILURES) as error:
            refusal = explain(error, step.checking)
            why, fix = refusal.why or refusal.what, refusal.next_step
            yield find("up-refused", "srekv up", what=refusal.what, why=why, fix=fix)
    yield from _additional(steps)


def _additional(steps: Steps) -> Iterator[Finding]:
    """What the three additional calls show; none is made for a stack that has its nodes and addresses."""
    reader = Reader()
    ours = reader.try_call("room for two addresses", "ec2:DescribeAddresses", lambda: steps.existing.addresses)
    live = reader.try_call("network ACLs", "ec2:DescribeInstances", lambda: steps.existing.instances)
    missing = [node for node in NODES if not of_node(ours or (), node)]
    if missing and ours is not None:
        yield from _room(reader, steps, len(missing))
    places = () if live is None or all(of_node(live, node) for node in NODES) else steps.network.places
    acls = read_acls(reader, steps.run.clients, [place.subnet_id for place in places]) if places else {}
    checkers = Checkers(prefix_lists=(), ranges=RANGES)
    for acl_id, entries in dict.fromkeys(acls.values()):
        homes = " and ".join(subnet for subnet, acl in acls.items() if acl[0] == acl_id)
        subnet = Subnet(id=homes, acl_id=acl_id, acl=entries)
        yield from acl_findings(subnet, checkers, steps.run.config.port, subject=homes)
    yield from (not_examined(one) for one in reader.unread)


def _room(reader: Reader, steps: Steps, needed: int) -> Iterator[Finding]:
    """Whether the quota leaves an Elastic IP for each node that has none (aws-facts 4.5)."""
    what, ec2 = "room for two addresses", steps.run.clients.ec2
    answer = reader.ask(what, ec2, "describe_account_attributes", AttributeNames=[QUOTA])
    addresses = reader.ask(what, ec2, "describe_addresses")
    attributes = answer["AccountAttributes"] if answer else ()
    values = [value for one in attributes if one["AttributeName"] == QUOTA for value in one["AttributeValues"]]
    if not values or addresses is None:
        return
    quota = int(values[0]["AttributeValue"])
    # Addresses that a customer brought along are not counted.
    counted = [one for one in addresses["Addresses"] if one.get("PublicIpv4Pool", AMAZON) == AMAZON]
    if quota - len(counted) < needed:
        region, taken = steps.run.config.region, len(counted)
        yield find("address-quota", region, quota=QUOTA, limit=quota, taken=taken, needed=needed)
