"""Route 53's rules that no single question shows: buckets, changes on their way, lists that lag, what is remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from srekv.conformance.model import RULES, Refusal

Make = Callable[..., Any]


def about(*kinds: str) -> list[str]:
    """The rules whose ids start like this."""
    return [rule for rule in RULES if rule.startswith(kinds)]


def is_refused(seen: object, code: str) -> bool:
    """Whether that is a refusal with that code."""
    return isinstance(seen, Refusal) and seen.code == code


def test_a_bucket_empties_and_fills(bench: Make) -> None:
    """Rule route53-buckets: four looks at a check's status at once, then one a second; other operations go on."""
    now = [100.0]
    account = bench("route53-buckets", clock=lambda: now[0])
    seen = [account.call("route53", "GetHealthCheckStatus", HealthCheckId="c") for _ in range(5)]
    assert [is_refused(one, "Throttling") for one in seen] == [False] * 4 + [True]
    assert not is_refused(account.call("route53", "ListHostedZones"), "Throttling")
    # the refusal stands for the second that the caller would have waited: that is one token
    assert not is_refused(account.call("route53", "GetHealthCheckStatus", HealthCheckId="c"), "Throttling")
    assert is_refused(account.call("route53", "GetHealthCheckStatus", HealthCheckId="c"), "Throttling")
    now[0] += 60
    seen = [account.call("route53", "GetHealthCheckStatus", HealthCheckId="c") for _ in range(5)]
    assert [is_refused(one, "Throttling") for one in seen] == [False] * 4 + [True]


def test_all_operations_share_one_bucket(bench: Make) -> None:
    """Rule route53-buckets: fifty requests at once, whatever they ask; other services have nothing to do with it."""
    account = bench("route53-buckets", clock=lambda: 0.0)
    seen = [account.call("route53", f"Get{number % 5}") for number in range(51)]
    assert [is_refused(one, "Throttling") for one in seen] == [False] * 50 + [True]
    assert not is_refused(account.call("ec2", "DescribeInstances"), "Throttling")


@pytest.mark.parametrize("seed", range(5))
def test_a_change_is_pending_for_a_look_or_two(bench: Make, seed: int) -> None:
    """Rule change-pending: then INSYNC, each change for itself, also where the backend calls all of them the same."""
    account = bench("change-pending", seed=seed)
    ids = [
        account.call(
            "route53",
            "ChangeResourceRecordSets",
            {"ChangeInfo": {"Id": "/change/C1", "Status": "INSYNC"}},
            HostedZoneId="Z1",
        )["ChangeInfo"]["Id"]
        for _ in range(2)
    ]
    assert len(set(ids)) == 2
    for change in ids:
        states = [
            account.call("route53", "GetChange", {"ChangeInfo": {"Id": change, "Status": "INSYNC"}}, Id=change)[
                "ChangeInfo"
            ]["Status"]
            for _ in range(3)
        ]
        assert states in (["PENDING", "INSYNC", "INSYNC"], ["PENDING", "PENDING", "INSYNC"])


def test_a_zone_takes_one_change_at_a_time(bench: Make) -> None:
    """Rule prior-request: the zone's next change is refused at most twice, by the seed; other zones are free."""
    refusals = set()
    for seed in range(12):
        account = bench("prior-request", seed=seed)
        account.call("route53", "ChangeResourceRecordSets", {}, HostedZoneId="Z1")
        assert not is_refused(account.call("route53", "DeleteHostedZone", Id="Z2"), "PriorRequestNotComplete")
        seen = [account.call("route53", "DeleteHostedZone", Id="/hostedzone/Z1") for _ in range(3)]
        refused = [is_refused(one, "PriorRequestNotComplete") for one in seen]
        assert refused == sorted(refused, reverse=True)
        refusals.add(sum(refused))
    assert refusals == {0, 1, 2}


@pytest.mark.parametrize(
    ("kind", "create", "list_", "member"),
    [
        ("HostedZone", "CreateHostedZone", "ListHostedZones", "HostedZones"),
        ("HealthCheck", "CreateHealthCheck", "ListHealthChecks", "HealthChecks"),
    ],
)
def test_a_list_may_lag(bench: Make, kind: str, create: str, list_: str, member: str) -> None:
    """Rule route53-lists-lag: by the seed, what is new is missing from one list; not if it was asked for by its id."""
    missing = set()
    for seed in range(12):
        account = bench("route53-lists-lag", seed=seed)
        given = {"CallerReference": "1", "Name": "a.test", "HealthCheckConfig": {}}
        account.call("route53", create, {kind: {"Id": "x1"}}, **given)
        lists = [account.call("route53", list_, {member: [{"Id": "x1"}, {"Id": "old"}]})[member] for _ in range(2)]
        assert {"Id": "old"} in lists[0]
        assert {"Id": "x1"} in lists[1]
        missing.add({"Id": "x1"} not in lists[0])
        account.call("route53", create, {kind: {"Id": "x2"}}, **given)
        account.call("route53", f"Get{kind}", {}, Id="x2")
        assert account.call("route53", list_, {member: [{"Id": "x2"}]})[member] == [{"Id": "x2"}]
    assert missing == {True, False}


def test_what_others_removed_is_forgotten(bench: Make) -> None:
    """A zone or a record that went past this account is gone when a list says so; its reference stays used."""
    account = bench(*about("zone-", "record-"))
    zone = {"Name": "a.test", "VPC": {"VPCId": "vpc-1", "VPCRegion": "us-east-1"}}
    made = {"HostedZone": {"Id": "/hostedzone/Z1"}}
    account.call("route53", "CreateHostedZone", made, CallerReference="1", **zone)
    record = {"Name": "x.a.test", "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    account.call("route53", "ChangeResourceRecordSets", {}, HostedZoneId="Z1", ChangeBatch=batch)
    again = account.call("route53", "ChangeResourceRecordSets", {}, HostedZoneId="Z1", ChangeBatch=batch)
    assert is_refused(again, "InvalidChangeBatch")
    account.call(
        "route53", "ListResourceRecordSets", {"ResourceRecordSets": [], "IsTruncated": False}, HostedZoneId="Z1"
    )
    again = account.call("route53", "ChangeResourceRecordSets", {}, HostedZoneId="Z1", ChangeBatch=batch)
    assert not isinstance(again, Refusal)
    taken = account.call("route53", "CreateHostedZone", made, CallerReference="2", **zone)
    assert is_refused(taken, "ConflictingDomainExists")
    account.call("route53", "ListHostedZonesByVPC", {"HostedZoneSummaries": []}, VPCId="vpc-1", VPCRegion="us-east-1")
    used = account.call("route53", "CreateHostedZone", made, CallerReference="1", **zone)
    assert is_refused(used, "HostedZoneAlreadyExists")
    assert account.call("route53", "CreateHostedZone", made, CallerReference="2", **zone) == made


def test_records_follow_one_policy(bench: Make) -> None:
    """Rule record-policies-mixed: a role is taken once.

    Rule record-check-unknown: a check that was deleted cannot be named.
    """
    account = bench(*about("record-", "check-"))
    base = {"Name": "x.a.test", "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": "192.0.2.1"}]}

    def create(name: str, role: str, check: str) -> object:
        record = {**base, "SetIdentifier": name, "Failover": role, "HealthCheckId": check}
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        return account.call("route53", "ChangeResourceRecordSets", {}, HostedZoneId="Z1", ChangeBatch=batch)

    account.call("route53", "CreateHostedZone", {"HostedZone": {"Id": "Z1"}}, CallerReference="1", Name="a.test")
    assert not isinstance(create("az1", "PRIMARY", "c1"), Refusal)
    assert is_refused(create("az2", "PRIMARY", "c1"), "InvalidChangeBatch")
    account.call("route53", "DeleteHealthCheck", {}, HealthCheckId="c2")
    unknown = create("az2", "SECONDARY", "c2")
    assert isinstance(unknown, Refusal)
    assert (unknown.code, unknown.status) == ("NoSuchHealthCheck", 404)


def test_a_check_of_an_address_has_no_name_if_it_is_tcp(bench: Make) -> None:
    """Rule check-tcp-name: refused with Route 53's words."""
    account = bench("check-tcp-name")
    config = {"Type": "TCP", "Port": 80, "IPAddress": "1.1.1.1", "FullyQualifiedDomainName": "example.com"}
    seen = account.call("route53", "CreateHealthCheck", {}, CallerReference="1", HealthCheckConfig=config)
    assert is_refused(seen, "InvalidInput")
    del config["IPAddress"]
    seen = account.call(
        "route53", "CreateHealthCheck", {"HealthCheck": {"Id": "c"}}, CallerReference="1", HealthCheckConfig=config
    )
    assert not isinstance(seen, Refusal)


def test_a_zone_keeps_what_it_is_made_of(bench: Make) -> None:
    """Rule record-zones-own: its SOA and NS stay.

    Rule record-loop: a CNAME does not lead back to itself. What nobody has seen of a zone is not judged: an alias may
    lead to a record that this account does not know.
    """
    account = bench(*about("record-"))

    def put(action: str, **record: Any) -> object:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": {"TTL": 1, **record}}]}
        return account.call("route53", "ChangeResourceRecordSets", {}, HostedZoneId="Z1", ChangeBatch=batch)

    own = {"Name": "a.test", "Type": "NS", "ResourceRecords": [{"Value": "ns.test"}]}
    account.call("route53", "CreateHostedZone", {"HostedZone": {"Id": "Z1"}}, CallerReference="1", Name="a.test")
    listed = {"ResourceRecordSets": [{**own, "TTL": 1}], "IsTruncated": False}
    account.call("route53", "ListResourceRecordSets", listed, HostedZoneId="Z1")
    assert is_refused(put("DELETE", **own), "InvalidChangeBatch")
    loop = {"Name": "x.a.test", "Type": "CNAME", "ResourceRecords": [{"Value": "x.a.test"}]}
    assert is_refused(put("CREATE", **loop), "InvalidChangeBatch")
    members = {"HostedZoneId": "Z2", "DNSName": "y.b.test", "EvaluateTargetHealth": False}
    alias = {
        "Changes": [
            {"Action": "CREATE", "ResourceRecordSet": {"Name": "x.b.test", "Type": "A", "AliasTarget": members}}
        ]
    }
    seen = account.call("route53", "ChangeResourceRecordSets", {}, HostedZoneId="Z2", ChangeBatch=alias)
    assert not isinstance(seen, Refusal)
