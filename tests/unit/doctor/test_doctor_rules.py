"""The table of truth: healthy facts with one alteration, and exactly the finding that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from srekv.doctor.facts import (
    REPORTS,
    AclEntry,
    Checkers,
    Facts,
    Group,
    GroupRule,
    HealthCheck,
    Host,
    Record,
    Rival,
    StackFacts,
    Subnet,
    Unread,
    Vpc,
    Zone,
)
from srekv.doctor.model import Diagnosis, Objectives
from srekv.doctor.rules import QUESTIONS, diagnose
from srekv.doctor.rules_records import new_check
from srekv.provision.model import Observation
from srekv.provision.permissions import node_policy
from srekv.provision.steps.firewall import RANGES

ONE, TWO = "52.0.0.1", "52.0.0.2"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/T"
Alteration = Callable[[Facts], Facts]


def _record(number: int, **more: Any) -> Record:
    values: dict[str, Any] = {
        "name": "svc.example.internal.",
        "kind": "A",
        "failover": ("PRIMARY", "SECONDARY")[number],
        "set_id": f"set{number}",
        "ttl": 10,
        "values": ((ONE, TWO)[number],),
        "check_id": f"check{number}",
    }
    return Record(**values | more)


def _check(number: int, **more: Any) -> HealthCheck:
    values: dict[str, Any] = {
        "id": f"check{number}",
        "kind": "HTTP",
        "address": (ONE, TWO)[number],
        "host": "",
        "port": 80,
        "path": "/health",
        "interval": 10,
        "threshold": 3,
        "inverted": False,
        "disabled": False,
    }
    return HealthCheck(**values | more)


def _host(number: int, **more: Any) -> Host:
    values: dict[str, Any] = {
        "instance_id": f"i-{number}",
        "state": "running",
        "zone": ("us-east-1a", "us-east-1b")[number],
        "vpc_id": "vpc-1",
        "subnet_id": f"subnet-{number}",
        "groups": ("sg-1",),
        "public": (ONE, TWO)[number],
        "elastic": True,
        "name": f"web{number} (i-{number})",
    }
    return Host(**values | more)


def _subnet(number: int, **more: Any) -> Subnet:
    values: dict[str, Any] = {"id": f"subnet-{number}", "acl_id": "acl-1", "acl": OPEN, "is_public": True}
    return Subnet(**values | more)


def _acl(number: int, verb: str, *, egress: bool, ports: tuple[int, int] = (0, 65535)) -> AclEntry:
    return AclEntry(
        number=number,
        egress=egress,
        allows=verb == "allow",
        protocol="6",
        cidr="0.0.0.0/0",
        low=ports[0],
        high=ports[1],
    )


OPEN = (_acl(100, "allow", egress=False), _acl(100, "allow", egress=True))


def _reports(well: int, ill: int = 0) -> tuple[Observation, ...]:
    words = ["Success: HTTP Status Code 200, OK"] * well + ["Failure: Connection timed out."] * ill
    return tuple(
        Observation(checker=f"c{n}", region="us-east-1", healthy=word[0] == "S", status=word, at=datetime.now(UTC))
        for n, word in enumerate(words)
    )


def _healthy() -> Facts:
    """A private zone of somebody else's, in which nothing is wrong."""
    return Facts(
        region="us-east-1",
        zone=Zone(id="Z1", name="example.internal.", private=True, vpcs=("vpc-1",)),
        pairs=(Group(name="svc.example.internal.", kind="A", records=(_record(0), _record(1))),),
        checks={"check0": _check(0), "check1": _check(1)},
        reports={"check0": _reports(16), "check1": _reports(16)},
        hosts={ONE: _host(0), TWO: _host(1)},
        public=frozenset({ONE, TWO}),
        groups={"sg-1": (GroupRule(protocol="tcp", low=80, high=80, cidrs=RANGES),)},
        subnets={"subnet-0": _subnet(0), "subnet-1": _subnet(1)},
        vpcs={"vpc-1": Vpc(id="vpc-1", attributes={"enableDnsSupport": True, "enableDnsHostnames": True})},
        checkers=Checkers(prefix_lists=(), ranges=RANGES),
    )


def _diagnose(facts: Facts, **wanted: float) -> Diagnosis:
    return diagnose(
        facts, Objectives(bound=lambda interval, threshold, ttl: threshold * (interval + 4) + ttl, **wanted)
    )


def _records(**more: Any) -> Alteration:
    """Alter records: `primary` and `secondary` are values to change; None takes the record away."""

    def alter(facts: Facts) -> Facts:
        changes = ((record, more.get(record.failover.lower(), {})) for record in facts.pairs[0].records)
        records = tuple(replace(record, **values) for record, values in changes if values is not None)
        return replace(facts, pairs=(replace(facts.pairs[0], records=records),))

    return alter


def _checks(number: int, **more: Any) -> Alteration:
    return lambda facts: replace(facts, checks={**facts.checks, f"check{number}": _check(number, **more)})


def _hosts(number: int, **more: Any) -> Alteration:
    return lambda facts: replace(facts, hosts={**facts.hosts, (ONE, TWO)[number]: _host(number, **more)})


def _set(**more: Any) -> Alteration:
    return lambda facts: replace(facts, **more)


def _all(*alterations: Alteration) -> Alteration:
    def alter(facts: Facts) -> Facts:
        for one in alterations:
            facts = one(facts)
        return facts

    return alter


def _group(**more: Any) -> Alteration:
    values: dict[str, Any] = {"protocol": "tcp", "low": 80, "high": 80, "cidrs": RANGES}
    return _set(groups={"sg-1": (GroupRule(**values | more),)})


def _acls(*entries: AclEntry) -> Alteration:
    return _set(subnets={"subnet-0": _subnet(0, acl=entries), "subnet-1": _subnet(1)})


def _stack(**more: Any) -> Alteration:
    values: dict[str, Any] = {
        "name": "srekv",
        "role": "R",
        "table_arn": TABLE,
        "policies": (node_policy(TABLE),),
        "fault": "",
    }
    return _set(stack=StackFacts(**values | more))


NO_ITEMS = {"Statement": node_policy(TABLE)["Statement"][1:]}
NO_AGENT = {"Statement": node_policy(TABLE)["Statement"][:1]}
LOCAL = _set(zone=Zone(id="Z1", name="sre-test.local.", private=True, vpcs=("vpc-1",)))
PRIVATE = "10.0.0.5"
ELSEWHERE = Zone(id="Z1", name="example.internal.", private=True, vpcs=("vpc-2",))
DEAD = Vpc(id="vpc-9", attributes={}, exists=False)

TRUTH: dict[str, tuple[Alteration, str, str, str]] = {
    "no failover": (_set(pairs=()), "no-failover-record", "prevents", "UPSERT"),
    "no secondary": (_records(secondary=None), "no-secondary-record", "prevents", '"Failover":"SECONDARY"'),
    "no primary": (_records(primary=None), "no-primary-record", "prevents", '"Failover":"PRIMARY"'),
    "primary without check": (
        _records(primary={"check_id": ""}),
        "primary-unchecked",
        "prevents",
        "create-health-check",
    ),
    "secondary without check": (
        _records(secondary={"check_id": ""}),
        "secondary-unchecked",
        "risk",
        f"IPAddress={TWO}",
    ),
    "a check that is gone": (_records(primary={"check_id": "x"}), "check-gone", "prevents", "create-health-check"),
    "disabled on the primary": (_checks(0, disabled=True), "check-disabled", "prevents", "check0 --no-disabled"),
    "disabled on the secondary": (_checks(1, disabled=True), "check-disabled", "risk", "check1 --no-disabled"),
    "inverted": (
        _all(_checks(0, inverted=True), _set(reports={"check1": _reports(16)})),
        "check-inverted",
        "prevents",
        "--no-inverted",
    ),
    "no report yet": (
        _set(reports={"check0": (), "check1": _reports(16)}),
        "check-unproven",
        "unchecked",
        "srekv doctor",
    ),
    "both unhealthy": (
        _set(reports={"check0": _reports(0, 16), "check1": _reports(2, 14)}),
        "both-unhealthy",
        "prevents",
        "last-failure-reason",
    ),
    "secondary unhealthy": (
        _set(reports={"check0": _reports(16), "check1": _reports(2, 14)}),
        "secondary-unhealthy",
        "prevents",
        "check1",
    ),
    "primary unhealthy": (
        _set(reports={"check0": _reports(2, 14), "check1": _reports(3, 13)}),
        "primary-unhealthy",
        "risk",
        "check0",
    ),
    "a calculated check": (
        _checks(0, kind="CALCULATED", address=""),
        "indirect-check",
        "unchecked",
        "get-health-check",
    ),
    "a check of a name": (_checks(0, address="", host="x.example"), "indirect-check", "unchecked", "get-health-check"),
    "a check of an IPv6 address": (_checks(0, address="2600::1"), "indirect-check", "unchecked", "get-health-check"),
    "a record that answers a name": (
        _records(primary={"kind": "CNAME", "values": ("x.example.",)}),
        "check-elsewhere machine-unknown",
        "unchecked",
        "get-health-check --health-check-id check0",
    ),
    "a machine elsewhere": (_set(hosts={TWO: _host(1)}), "machine-unknown", "unchecked", "compare by hand"),
    "a private endpoint": (
        _all(_checks(0, address=PRIVATE), _set(hosts={ONE: _host(0), TWO: _host(1), PRIVATE: _host(0)})),
        "private-endpoint",
        "unchecked",
        "get-health-check --health-check-id check0",
    ),
    "a private address": (
        _all(
            _checks(0, address=PRIVATE, endpoint="PUBLIC"),
            _set(hosts={ONE: _host(0), TWO: _host(1), PRIVATE: _host(0)}),
        ),
        "private-address",
        "prevents",
        f"--ip-address {ONE}",
    ),
    "another machine": (_checks(0, address=TWO), "check-elsewhere", "prevents", f"--ip-address {ONE}"),
    "an address of no known machine": (
        _checks(0, address="52.9.9.9"),
        "check-elsewhere",
        "unchecked",
        "get-health-check --health-check-id check0",
    ),
    "several addresses, one check": (
        _all(
            _records(primary={"values": (ONE, "52.0.0.3")}),
            lambda facts: replace(facts, hosts={**facts.hosts, "52.0.0.3": _host(0, instance_id="i-3")}),
        ),
        "value-unchecked",
        "unchecked",
        "multivalue",
    ),
    "the front page": (_checks(0, path="/"), "shallow-check", "risk", "--resource-path /health"),
    "a connection only": (
        _checks(1, kind="TCP", path="/"),
        "shallow-check",
        "risk",
        f"Type=HTTP,IPAddress={TWO},Port=80,ResourcePath=/health",
    ),
    "a deep page": (_checks(0, path="/health/deep"), "deep-check", "risk", "--resource-path /health"),
    "one machine": (_hosts(1, instance_id="i-0"), "same-host", "prevents", "OTHER_ADDRESS"),
    "one zone": (_hosts(1, zone="us-east-1a"), "same-zone", "prevents", "another zone"),
    "a stopped secondary": (
        _hosts(1, state="stopped"),
        "not-running",
        "prevents",
        "start-instances --instance-ids i-1",
    ),
    "a stopped primary": (_hosts(0, state="stopped"), "not-running", "risk", "start-instances --instance-ids i-0"),
    "a borrowed address": (_hosts(0, elastic=False), "address-not-elastic", "risk", "allocate-address"),
    "a closed group": (_group(cidrs=("10.0.0.0/8",)), "group-shuts-checkers-out", "prevents", "--group-id sg-1"),
    "a half open group": (_group(cidrs=RANGES[1:]), "group-shuts-checkers-out", "risk", RANGES[0]),
    "a group open to one Region": (_group(cidrs=RANGES[1:2]), "group-shuts-checkers-out", "prevents", RANGES[0]),
    "another port": (_group(low=8080, high=8080), "wrong-port", "prevents", "FromPort=80"),
    "an ACL against requests": (
        _acls(_acl(90, "deny", egress=False, ports=(80, 80)), *OPEN),
        "acl-stops-checkers",
        "prevents",
        "--ingress --rule-number 89 ",
    ),
    "an ACL against answers": (
        _acls(OPEN[0], _acl(100, "allow", egress=True, ports=(80, 80))),
        "acl-stops-answers",
        "prevents",
        "--egress --rule-number 99 --protocol tcp --port-range From=1024,To=65535",
    ),
    "an ACL whose first rule denies": (
        _acls(_acl(1, "deny", egress=False), *OPEN),
        "acl-stops-checkers",
        "prevents",
        "delete-network-acl-entry --network-acl-id acl-1 --ingress --rule-number 1",
    ),
    "no way out": (
        _set(subnets={"subnet-0": _subnet(0), "subnet-1": _subnet(1, is_public=False)}),
        "no-internet-route",
        "prevents",
        "create-route",
    ),
    "no DNS support": (
        _set(vpcs={"vpc-1": Vpc(id="vpc-1", attributes={"enableDnsSupport": False})}),
        "dns-attribute-off",
        "prevents",
        "--enable-dns-support",
    ),
    "no DNS hostnames": (
        _set(vpcs={"vpc-1": Vpc(id="vpc-1", attributes={"enableDnsHostnames": False})}),
        "dns-attribute-off",
        "prevents",
        "--enable-dns-hostnames",
    ),
    "another VPC": (_set(zone=ELSEWHERE, vpcs={}), "zone-not-associated", "risk", "VPCId=vpc-1"),
    "another VPC, a stack of ours": (
        _all(_set(zone=ELSEWHERE, vpcs={}), _stack()),
        "zone-not-associated",
        "prevents",
        "srekv up",
    ),
    "a dead VPC": (lambda facts: replace(facts, vpcs={**facts.vpcs, "vpc-9": DEAD}), "vpc-gone", "risk", "VPCId=vpc-9"),
    "the only VPC is dead": (_set(vpcs={"vpc-9": DEAD}), "vpc-gone", "prevents", "VPCId=vpc-9"),
    "a narrower zone": (
        _set(rivals=(Rival(kind="private zone", id="Z2", name="svc.example.internal.", vpc_id="vpc-1"),)),
        "name-answered-elsewhere",
        "prevents",
        "--hosted-zone-id Z2",
    ),
    "a forwarding rule": (
        _set(rivals=(Rival(kind="forwarding rule", id="rslvr-rr-1", name="example.internal", vpc_id="vpc-1"),)),
        "name-answered-elsewhere",
        "prevents",
        "--resolver-rule-id rslvr-rr-1",
    ),
    ".local, untold": (_all(LOCAL, _hosts(0, resolves=False)), "local-is-multicast", "risk", "Domains=~sre-test.local"),
    ".local, unknown": (LOCAL, "local-is-multicast", "risk", "Domains=~sre-test.local"),
    "a long TTL": (_records(primary={"ttl": 300}), "ttl-long", "delays", '"TTL":10'),
    "a long TTL on the secondary": (
        _records(secondary={"ttl": 300}),
        "ttl-long",
        "delays",
        '"SetIdentifier":"set1","Failover":"SECONDARY","TTL":10',
    ),
    "a role without the table": (_stack(policies=(NO_ITEMS,)), "role-lacks-table", "prevents", "srekv up"),
    "a role without the agent": (_stack(policies=(NO_AGENT,)), "role-lacks-agent", "risk", "srekv up"),
    "a fault left behind": (_stack(fault="stop"), "drill-fault", "risk", "srekv up"),
    "a call refused": (
        _set(unread=(Unread(what="w", action="ec2:DescribeX", why="AccessDenied: no", denied=True),)),
        "permission-missing",
        "unchecked",
        "allow ec2:DescribeX",
    ),
    "a call failed": (
        _set(unread=(Unread(what="w", action="ec2:DescribeX", why="InternalError: -", denied=False),)),
        "not-read",
        "unchecked",
        "again",
    ),
}


@pytest.mark.parametrize("case", TRUTH)
def test_one_thing_wrong_is_one_kind_of_finding(case: str) -> None:
    """Exactly the finding that belongs to it, with its severity, a cause, a proof and the cure."""
    alter, identity, severity, fix = TRUTH[case]
    findings = _diagnose(alter(_healthy())).findings
    assert {(one.id, one.severity) for one in findings} == {(one, severity) for one in identity.split()}
    assert fix in str(findings[0].fix)
    assert all(
        one.cause and one.proof and one.title and one.source.startswith("https://")
        for one in findings
        if one.id != "drill-fault"
    )


@pytest.mark.parametrize(
    "alter",
    [
        lambda facts: facts,
        _stack(),
        _all(
            _checks(0, address="127.0.0.9"),
            lambda facts: replace(
                facts, public=frozenset({"127.0.0.9", TWO}), hosts={**facts.hosts, "127.0.0.9": _host(0)}
            ),
            _records(primary={"values": ("127.0.0.9",)}),
        ),
        _all(LOCAL, _hosts(0, resolves=True), _hosts(1, resolves=True)),
        _set(rivals=(Rival(kind="private zone", id="Z2", name="other.example.internal.", vpc_id="vpc-1"),)),
        _set(zone=Zone(id="Z1", name="example.com.", private=False), vpcs={}),
        _group(cidrs=("0.0.0.0/0",), low=0, high=65535),
        _all(
            _records(primary={"values": ("10.0.0.1",)}),
            lambda facts: replace(facts, hosts={**facts.hosts, "10.0.0.1": _host(0)}),
        ),
    ],
)
def test_nothing_wrong_is_no_finding(alter: Alteration) -> None:
    """Healthy stacks and zones have no finding, and all that decides was examined."""
    diagnosis = _diagnose(alter(_healthy()))
    assert diagnosis.findings == ()
    assert diagnosis.verdict == "will fail over"
    assert diagnosis.checked == tuple(QUESTIONS)


def test_the_same_check_on_both_records() -> None:
    """Both fail at once, and Route 53 answers the PRIMARY."""
    facts = _records(secondary={"check_id": "check0"})(_healthy())
    assert "shared-check" in {one.id for one in _diagnose(facts).prevents}


@pytest.mark.parametrize(
    ("like", "asks"),
    [
        ({"kind": "HTTPS_STR_MATCH", "port": 443, "path": "/up"}, "Type=HTTPS,IPAddress={},Port=443,ResourcePath=/up"),
        ({"kind": "TCP", "port": 8080, "path": "/"}, "Type=HTTP,IPAddress={},Port=8080,ResourcePath=/health"),
        ({"kind": "CALCULATED", "address": "", "path": "/"}, "Type=HTTP,IPAddress={},Port=80,ResourcePath=/health"),
    ],
    ids=lambda given: given["kind"] if isinstance(given, dict) else None,
)
def test_a_missing_check_is_made_like_the_other(like: dict[str, Any], asks: str) -> None:
    """By its scheme, port and page, as far as it has them: no HTTP to a port of HTTPS, no page of TCP's."""
    assert asks.format(TWO) in str(new_check(_record(1), _check(0, **like)))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"target_s": 52.0}, set()),
        ({"target_s": 51.9}, {("over-target", "prevents")}),
        ({"client_timeout_s": 52.0}, set()),
        ({"client_timeout_s": 53.0}, {("patient-clients", "delays")}),
    ],
)
def test_settings_are_held_to_what_is_wanted(wanted: dict[str, float], found: set[tuple[str, str]]) -> None:
    """The bound of 10 s x 3 and TTL 10 is 52 s: a longer target is met, a longer client time-out is not."""
    assert {(one.id, one.severity) for one in _diagnose(_healthy(), **wanted).findings} == found


def test_the_worst_comes_first_and_decides() -> None:
    """Findings are sorted by what they mean; unchecked things leave the verdict open, risks do not."""
    wrong = _all(_records(primary={"ttl": 300}), _checks(1, disabled=True), _hosts(1, zone="us-east-1a"))
    diagnosis = _diagnose(replace(wrong(_healthy()), unread=(Unread(what="w", action="a:B", why="-", denied=True),)))
    assert [one.severity for one in diagnosis.findings] == ["prevents", "delays", "risk", "unchecked"]
    assert diagnosis.verdict == "will not fail over"
    assert _diagnose(_hosts(0, elastic=False)(_healthy())).verdict == "will fail over"
    assert _diagnose(_checks(0, kind="CALCULATED", address="")(_healthy())).verdict == "unknown"


def test_what_up_repairs_is_cured_by_up() -> None:
    """In a stack of ours the cure of a closed group, a wrong check, a lost record is one command."""
    for alter in (_group(cidrs=()), _checks(0, inverted=True), _records(secondary=None)):
        fixes = {str(one.fix) for one in _diagnose(_all(_stack(), alter)(_healthy())).prevents}
        assert fixes == {"srekv up"}


def test_one_cure_is_one_finding() -> None:
    """What one command cures is said once, about all that it cures, with every proof."""
    (finding,) = _diagnose(_group(cidrs=("10.0.0.0/8",))(_healthy())).findings
    assert finding.subject == "PRIMARY svc.example.internal and SECONDARY svc.example.internal"
    assert finding.proof.count("sg-1") == 1


def _alias(**more: Any) -> dict[str, Any]:
    return {"check_id": "", "alias": "lb.example.", "evaluates": True, "ttl": None, "values": ()} | more


def _other(policy: str, **more: Any) -> Alteration:
    record = _record(0, failover="", policy=policy, name="api.example.internal.", **more)
    return lambda facts: replace(facts, others=(Group(name=record.name, kind="A", records=(record,)),))


UNREAD = Unread(what="forwarding rules", action="route53resolver:ListResolverRules", why="-", denied=True)

VERDICTS: dict[str, tuple[Alteration, str, str]] = {
    "all examined": (lambda facts: facts, "will fail over", ""),
    "HTTPS": (_checks(0, kind="HTTPS", port=80), "will fail over", ""),
    "TCP": (_checks(0, kind="TCP"), "will fail over", ""),
    "string match": (_checks(0, kind="HTTP_STR_MATCH", path="/"), "will fail over", ""),
    "disabled": (_checks(0, disabled=True), "will not fail over", ""),
    "inverted": (_checks(0, inverted=True), "will not fail over", ""),
    "calculated": (_checks(0, kind="CALCULATED", address=""), "unknown", "what check0 monitors"),
    "alarm": (_checks(0, kind="CLOUDWATCH_METRIC", address=""), "unknown", "what check0 monitors"),
    "alarm, inverted": (
        _checks(0, kind="CLOUDWATCH_METRIC", address="", inverted=True),
        "unknown",
        "what check0 monitors",
    ),
    "routing control": (_checks(0, kind="RECOVERY_CONTROL", address=""), "unknown", "what check0 monitors"),
    "a name, inverted": (_checks(0, address="", host="switch.example", inverted=True), "unknown", "switch.example"),
    "CNAME": (_records(primary={"kind": "CNAME", "values": ("x.example.",)}), "unknown", "what is behind x.example."),
    "a pair of aliases": (
        _records(primary=_alias(), secondary=_alias(alias="lb2.example.")),
        "unknown",
        "the alias target lb.example",
    ),
    "aliases of one target": (_records(primary=_alias(), secondary=_alias()), "will not fail over", ""),
    "an alias that evaluates nothing": (_records(primary=_alias(evaluates=False)), "will not fail over", ""),
    "no report yet": (_set(reports={"check0": _reports(16), "check1": ()}), "unknown", "there are none yet"),
    "reports not read": (_set(reports={"check0": _reports(16)}), "unknown", "the checkers' reports on check1"),
    "checks not read": (_set(checks={}, checks_read=False, reports={}), "unknown", "the health check check0"),
    "hosts not read": (_set(hosts={}, hosts_read=False), "unknown", f"what is behind {ONE}"),
    "groups not read": (_set(groups={}), "unknown", "the security groups of web0"),
    "checkers not known": (_set(checkers=None), "unknown", "the network ACL of web0"),
    "subnets not read": (_set(subnets={}), "unknown", "the route to the internet of web0"),
    "zone not read": (_set(unread=(UNREAD,)), "unknown", "forwarding rules (route53resolver:ListResolverRules)"),
    "reports refused once": (
        _set(unread=(Unread(what="reports", action=REPORTS, why="-", denied=False),)),
        "will fail over",
        "",
    ),
    "another Region": (
        _set(
            zone=Zone(
                id="Z1", name="example.internal.", private=True, vpcs=("vpc-1",), elsewhere=("vpc-9 in eu-west-1",)
            )
        ),
        "unknown",
        "vpc-9 in eu-west-1",
    ),
    "two machines behind one address": (_set(hosts={ONE: _host(0)}), "unknown", f"what is behind {TWO}"),
    "several machines in shared zones": (
        _all(
            _records(primary={"values": (ONE, "52.0.0.3")}, secondary={"values": (TWO, "52.0.0.4")}),
            lambda facts: replace(
                facts,
                hosts={
                    ONE: _host(0),
                    "52.0.0.3": _host(1, instance_id="i-3"),
                    TWO: _host(0, instance_id="i-1"),
                    "52.0.0.4": _host(1, instance_id="i-4", state="stopped"),
                },
            ),
        ),
        "unknown",
        "the health of 52.0.0.3",
    ),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_what_was_not_examined_leaves_the_verdict_open(case: str) -> None:
    """A verdict for the name; unknown exactly when something that decides was not examined, which is named."""
    alter, verdict, gap = VERDICTS[case]
    diagnosis = _diagnose(alter(_healthy()))
    (name,) = diagnosis.names
    gaps = [*name.not_examined, *(one for record in name.records for one in record.not_examined)]
    assert (name.verdict, diagnosis.verdict) == (verdict, verdict)
    assert any(gap in one for one in gaps) if gap else verdict == "will not fail over" or gaps == []


@pytest.mark.parametrize("policy", ["weighted", "latency", "multivalue", "geolocation", "simple", "unknown"])
def test_names_under_other_policies_are_listed(policy: str) -> None:
    """Each name has its own verdict; one that is unknown makes the zone's unknown, and there is no false alarm."""
    diagnosis = _diagnose(_other(policy)(_healthy()))
    assert [(one.name, one.policy, one.verdict) for one in diagnosis.names] == [
        ("svc.example.internal", "failover", "will fail over"),
        ("api.example.internal", policy, "unknown"),
    ]
    assert diagnosis.verdict == "unknown"
    assert diagnosis.names[1].records[0].record == f"{policy} set0 api.example.internal"
    assert diagnosis.names[1].records[0].not_examined == (
        f"the {policy} routing policy, and what is behind the record set",
    )
    alone = _diagnose(_all(_set(pairs=()), _other(policy))(_healthy()))
    assert (alone.verdict, alone.prevents) == ("unknown", ())


def test_each_record_lists_what_was_examined() -> None:
    """Down to the machine and its surroundings."""
    (name,) = _diagnose(_healthy()).names
    assert [one.record for one in name.records] == ["PRIMARY svc.example.internal", "SECONDARY svc.example.internal"]
    assert name.records[0].examined == (
        "routing policy",
        "health check",
        "checkers' reports",
        "machine",
        "security groups",
        "network ACL",
        "route to the internet",
    )


def test_a_name_is_judged_by_its_own_records() -> None:
    """What is wrong with one name leaves the verdict for another alone."""
    name = "www.example.internal."
    other = Group(name=name, kind="A", records=(_record(0, name=name, check_id=""), _record(1, name=name)))
    diagnosis = _diagnose(replace(_healthy(), pairs=(*_healthy().pairs, other)))
    assert [one.verdict for one in diagnosis.names] == ["will fail over", "will not fail over"]
