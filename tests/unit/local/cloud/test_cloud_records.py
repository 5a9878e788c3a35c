"""Route 53's rules for changing records, row by row of aws-recorded section 2."""

from __future__ import annotations

from typing import Any

import pytest

from srekv.local.overlay.records import BatchError, Change, apply_batch, normalise

ZONE = "example.local."


def record(**changes: Any) -> dict[str, Any]:
    """The failover primary of the lab, with changes; None leaves a member out."""
    base = {
        "Name": "svc.example.local",
        "Type": "A",
        "TTL": 10,
        "SetIdentifier": "one",
        "Failover": "PRIMARY",
        "HealthCheckId": "hc1",
        "ResourceRecords": [{"Value": "127.53.0.130"}],
    }
    return normalise({**base, **changes})


def simple(**changes: Any) -> dict[str, Any]:
    """A simple A record."""
    return record(**{"SetIdentifier": None, "Failover": None, "HealthCheckId": None, **changes})


def of(kind: str, *values: str, name: str = "svc." + ZONE, **changes: Any) -> dict[str, Any]:
    """A simple record of another type."""
    return simple(Name=name, Type=kind, ResourceRecords=[{"Value": value} for value in values], **changes)


def alias(target: str, zone: str = "Z1", **changes: Any) -> dict[str, Any]:
    """A simple alias to a name, without a look at its health."""
    members = {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": False}
    return simple(TTL=None, ResourceRecords=None, AliasTarget=members, **changes)


def weighted(identifier: str, **changes: Any) -> dict[str, Any]:
    """One of a group of weighted records."""
    return simple(**{"SetIdentifier": identifier, "Weight": 1, **changes})


def latency(identifier: str, region: str) -> dict[str, Any]:
    """One of a group of latency records."""
    return simple(SetIdentifier=identifier, Region=region)


def apply(current: list[dict[str, Any]], *changes: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What is after a batch."""
    batch = [Change(action=action, record=one) for action, one in changes]
    return apply_batch(current, batch, zone=ZONE, zone_id="Z1", has_check={"hc1", "hc2"}.__contains__)


def refusal(current: list[dict[str, Any]], *changes: tuple[str, dict[str, Any]]) -> str:
    """The messages of a batch that is an InvalidChangeBatch."""
    with pytest.raises(BatchError) as refused:
        apply(current, *changes)
    assert refused.value.code == "InvalidChangeBatch"
    return str(refused.value)


SECONDARY = record(SetIdentifier="two", Failover="SECONDARY", HealthCheckId=None)
CNAME = of("CNAME", "target.example.com")
CONFLICT = (
    "RRSet of type CNAME with DNS name svc.example.local. is not permitted as it conflicts with other records with "
)
CONFLICTING = (
    "RRSet of type A with DNS name svc.example.local. is not permitted because a conflicting RRSet of type CNAME"
)
ALIAS = "Tried to create an alias that targets "
SOA = of("SOA", "ns.test. root.test. 1 7200 900 1209600 86400", name=ZONE)
NS = of("NS", "ns.test.", name=ZONE)
LOOP = "RRSet of type CNAME with DNS name svc.example.local. is not permitted as it creates a CNAME or alias loop"
A = "a." + ZONE

REFUSED = {
    "InvalidChangeBatch": {
        "R20 primary without check": ([], "CREATE", record(HealthCheckId=None), "non-alias primary"),
        "R26 failover over simple": ([simple()], "CREATE", record(), "non-failover RRSet"),
        "R27 simple over failover": ([record()], "CREATE", simple(), "created as other RRSets exist"),
        "R27 weighted over simple": ([simple()], "CREATE", weighted("w"), "as a non-weighted set exists"),
        "R27 latency over weighted": (
            [weighted("w")],
            "CREATE",
            latency("l", "eu-west-1"),
            "SetIdentifier l, and Region Name=eu-west-1 cannot be created because a non-latency RRSet with",
        ),
        "R28 latency twice": (
            [latency("l", "eu-west-1")],
            "CREATE",
            latency("m", "eu-west-1"),
            "SetIdentifier m, and Region Name=eu-west-1 cannot be created because a latency RRSet with the same name",
        ),
        "multivalue over simple": (
            [simple()],
            "CREATE",
            simple(SetIdentifier="m", MultiValueAnswer=True),
            "cannot be created because a non multivalue answer rrset exists with the same name and type.",
        ),
        "other TTL in a weighted group": (
            [weighted("w")],
            "CREATE",
            weighted("v", TTL=20),
            "SetIdentifier v cannot be created as weighted sets must contain the same TTL.",
        ),
        "R28 second primary": ([record()], "CREATE", record(SetIdentifier="x"), "role already exists"),
        "R30 check on simple": ([], "CREATE", simple(HealthCheckId="hc1"), "DNS name must have"),
        "R32 exists": ([record()], "CREATE", record(), "but it already exists]"),
        "R32 not there": ([], "DELETE", record(), "but it was not found]"),
        "R32 other values": ([record()], "DELETE", record(TTL=11), "do not match the current values]"),
        "R32 without check": ([SECONDARY], "DELETE", {**SECONDARY, "HealthCheckId": "hc2"}, "do not"),
        "R33 apex CNAME": ([], "CREATE", simple(Name=ZONE, Type="CNAME"), "not permitted at apex"),
        "outside the zone": ([], "CREATE", simple(Name="a.elsewhere."), "not permitted in zone"),
        "CNAME over A": ([simple()], "CREATE", CNAME, CONFLICT),
        "A over CNAME": ([CNAME], "UPSERT", simple(), CONFLICTING),
        "CNAME over another policy's A": ([record()], "UPSERT", CNAME, CONFLICT),
        "CNAME to itself": ([], "CREATE", of("CNAME", "SVC.example.local"), LOOP),
        "CNAME in a circle": ([of("CNAME", "svc." + ZONE, name=A)], "CREATE", of("CNAME", A), LOOP),
        "alias to no name": ([], "CREATE", alias(A), f"{ALIAS}{A}, type A in zone Z1, but that target"),
        "alias to another type": ([of("AAAA", "::1", name=A)], "CREATE", alias(A), "target was not found"),
        "alias out of the zone": ([], "CREATE", alias("a.test"), "does not lie within the target zone"),
        "alias to nothing": ([], "CREATE", alias(""), "DomainNameEmpty"),
        "alias of type NS": ([], "CREATE", alias(A, Type="NS"), "aliases of that type are forbidden"),
        "multivalue alias": (
            [simple(Name=A)],
            "CREATE",
            alias(A, SetIdentifier="m", MultiValueAnswer=True),
            "Multivalue answer rrset should not be an alias rrset. No changes made.",
        ),
        "weighted NS": (
            [],
            "CREATE",
            of("NS", "ns.test", SetIdentifier="w", Weight=1),
            "type NS, SetIdentifier w cannot be created because this type of RRSet is not supported.",
        ),
        "multivalue CNAME": (
            [],
            "CREATE",
            of("CNAME", "a.test", SetIdentifier="m", MultiValueAnswer=True),
            "this type of RRSet is not supported.",
        ),
        "wildcard NS": ([], "CREATE", of("NS", "ns.test", name="*." + ZONE), "wildcard NS record sets"),
        "the zone's SOA": ([SOA], "DELETE", SOA, "[A HostedZone must contain exactly one SOA record.]"),
        "the zone's NS": ([NS], "DELETE", NS, "must contain at least one NS record for the zone itself"),
        "too many values": (
            [],
            "CREATE",
            of("A", *(f"10.0.{one // 256}.{one % 256}" for one in range(401))),
            "[Cannot have more than 400 records in a RRSet.]",
        ),
        "label": ([], "CREATE", simple(Name="a" * 64 + "." + ZONE), "DomainLabelTooLong (Domain label"),
        "empty label": ([], "CREATE", simple(Name="a.." + ZONE), "DomainLabelEmpty (Domain label is empty)"),
        "space": ([], "CREATE", simple(Name="a b." + ZONE), "UnsupportedCharacter (Value contains"),
        "name": (
            [],
            "CREATE",
            simple(Name="a.a" * 81 + "." + ZONE),
            "FATAL problem: DomainNameTooLong (Domain name is too long) encountered with 'a.a",
        ),
    },
    "InvalidInput": {
        "R22 no TTL": ([], "CREATE", record(TTL=None), "but found none in Change with [Action=CREATE"),
        "R22 no values": ([], "CREATE", record(ResourceRecords=None), "Expected exactly one of"),
        "R22 alias and TTL": ([], "CREATE", record(AliasTarget={"DNSName": "x"}), "more than one"),
        "R23 no identifier": ([], "UPSERT", record(SetIdentifier=None), "Missing field 'SetIdentifier'"),
        "R24 no policy": ([], "CREATE", record(Failover=None), "Expected exactly one of [Weight, Region"),
        "multivalue that is none": (
            [],
            "CREATE",
            simple(SetIdentifier="m", MultiValueAnswer=False),
            "but found none in",
        ),
        "R33 TTL": ([], "CREATE", simple(TTL=2**31), "less than or equal to 2147483647"),
        "weight": ([], "CREATE", weighted("w", Weight=256), "resourceRecordSet.weight' failed to satisfy"),
    },
    "NoSuchHealthCheck": {
        "unknown check": ([], "CREATE", record(HealthCheckId="hc9"), "hc9"),
    },
}
"""By code: what is, action and record set, and how the refusal reads. Sources: `records`, `values` and `names`."""


@pytest.mark.parametrize(("code", "case"), [(code, case) for code, cases in REFUSED.items() for case in cases])
def test_a_batch_that_aws_refuses_is_refused_in_its_words(code: str, case: str) -> None:
    """Code and text of the row."""
    current, action, changed, text = REFUSED[code][case]
    with pytest.raises(BatchError) as refused:
        apply(current, (action, changed))
    assert refused.value.code == code
    assert text in str(refused.value)


VALUES = {
    "A": ("A", ["1.2.3"], "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '1.2.3'"),
    "AAAA": ("AAAA", ["1.2.3.4"], "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address) encountered with"),
    "AAAA of an interface": ("AAAA", ["fe80::1%eth0"], "encountered with 'fe80::1%eth0'"),
    "TXT without quotes": (
        "TXT",
        ["v=spf1 -all"],
        "InvalidCharacterString (Value should be enclosed in quotation marks) encountered with 'v=spf1 -all'",
    ),
    "TXT half quoted": ("TXT", ['"a" b'], "InvalidCharacterString (Value should be enclosed in quotation marks)"),
    "SPF without quotes": ("SPF", ["v=spf1"], "InvalidCharacterString (Value should be enclosed in quotation marks)"),
    "TXT too long": ("TXT", [f'"{"x" * 256}"'], "CharacterStringTooLong (Value is too long) encountered with '\"xxx"),
    "TXT with more than ASCII": ("TXT", ['"ä"'], "UnsupportedCharacter (Value contains unsupported characters) "),
    "MX without priority": (
        "MX",
        ["a.test"],
        "MXRRDATANotTwoFields (MX record doesn't have 2 fields) encountered with",
    ),
    "MX without a number": ("MX", ["a b.test"], "(Invalid MX record) encountered with 'a b.test'"),
    "SRV": (
        "SRV",
        ["1 10 5269"],
        "SRVRRDATANotFourFields (SRV record doesn't have 4 fields) encountered with '1 10 5269'",
    ),
    "SRV port": ("SRV", ["1 1 65536 a.test"], "(Invalid SRV record) encountered with '1 1 65536 a.test'"),
    "SOA": ("SOA", ["a.test b.test 1 2 3 4"], "SOARRDATANotSevenFields (SOA record doesn't have 7 fields)"),
    "CAA": (
        "CAA",
        ['0 issues "a.test"'],
        "CAARRDATAInvalidTag (Invalid tag) encountered with 'Only issue/issuewild/iodef is allowed for non critical",
    ),
    "NAPTR": ("NAPTR", ['100 50 "U" "E2U+sip" "!^.*$!sip:a@b.test!"'], "NAPTRRRDATANotValid (Invalid NAPTR record)"),
    "CNAME": ("CNAME", ["a..test"], "DomainLabelEmpty (Domain label is empty) encountered with 'a..test'"),
    "NS": ("NS", ["a" * 64], "DomainLabelTooLong (Domain label is too long)"),
    "PTR": ("PTR", ["a b"], "UnsupportedCharacter (Value contains unsupported characters) encountered with ' '"),
    "MX to no name": ("MX", ["10 a..test"], "DomainLabelEmpty (Domain label is empty) encountered with 'a..test'"),
}
"""Type, values, and what is wrong with the first of them."""


@pytest.mark.parametrize(("kind", "values", "text"), VALUES.values(), ids=VALUES.keys())
def test_a_value_that_its_type_cannot_have_is_refused(kind: str, values: list[str], text: str) -> None:
    """In the words of Route 53 where those are recorded; a DELETE is judged by what is there."""
    changed = of(kind, *values)
    said = refusal([], ("CREATE", changed))
    assert said.startswith("[Invalid Resource Record: 'FATAL problem: ")
    assert text in said
    assert "was not found" in refusal([], ("DELETE", changed))


def test_a_value_stands_once_and_a_cname_has_one() -> None:
    """Each repetition is a message of its own."""
    twice = of("A", "10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.1")
    message = "Duplicate Resource Record: '10.0.0.1'"
    assert refusal([], ("CREATE", twice)) == f"[{message}, {message}]"
    assert "more than one value" in refusal([], ("CREATE", of("CNAME", "a.test", "b.test")))


ALLOWED = {
    "text": of("TXT", '"v=spf1 -all"', '"two" "strings"', r'"a \"quote\" \344"', f'"{"x" * 255}"'),
    "mail": of("MX", "10 a.test", "0 ."),
    "service": of("SRV", "1 10 5269 a.test."),
    "authority": of("CAA", '0 issue "a.test"', '0 iodef "mailto:a@b.test"'),
    "names without a dot": of("CNAME", "www.example.com"),
    "a wildcard": simple(Name="*.a." + ZONE),
    "an escape": simple(Name=r"a\040b." + ZONE),
    "63 characters": simple(Name="a" * 63 + "." + ZONE),
    "253 characters": simple(Name="a." * 120 + ZONE),
    "an alias to what is elsewhere": alias("x.elb.amazonaws.com", zone="Z35SXDOTRQ7X7K"),
    "weight 0": weighted("w", Weight=0),
    "service binding": of("HTTPS", "1 . alpn=h2"),
}


@pytest.mark.parametrize("allowed", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_route_53_takes_is_taken(allowed: dict[str, Any]) -> None:
    """And can be deleted as it was put."""
    there = apply([], ("CREATE", allowed))
    assert there == [allowed]
    assert apply(there, ("DELETE", allowed)) == []


def test_changes_apply_in_their_order() -> None:
    """A record makes room before another takes its place, and an alias follows its target (octodns#366, #531)."""
    assert apply([simple()], ("DELETE", simple()), ("CREATE", CNAME)) == [CNAME]
    assert apply([CNAME], ("DELETE", CNAME), ("CREATE", simple())) == [simple()]
    assert CONFLICT in refusal([simple()], ("CREATE", CNAME), ("DELETE", simple()))
    assert CONFLICTING in refusal([], ("CREATE", CNAME), ("CREATE", simple()))
    target, lead = simple(Name=A), alias(A)
    assert apply([], ("CREATE", target), ("CREATE", lead)) == [target, lead]
    assert "was not found" in refusal([], ("CREATE", lead), ("CREATE", target))
    assert "invalid set of changes" in refusal([simple()], ("CREATE", simple()), ("DELETE", simple()))


def test_a_group_is_judged_when_the_batch_is_whole() -> None:
    """All of a group may take another TTL, or another policy, in one batch (row R26); not one by one."""
    group = [weighted("v"), weighted("w")]
    slower = [weighted("v", TTL=20), weighted("w", TTL=20)]
    assert apply(group, *(("UPSERT", one) for one in slower)) == slower
    nearer = [latency("v", "eu-west-1"), latency("w", "eu-west-2")]
    assert apply(group, *(("UPSERT", one) for one in nearer)) == nearer
    assert "must contain the same TTL" in refusal(group, ("UPSERT", slower[0]))


def test_an_alias_may_lead_to_what_a_wildcard_answers() -> None:
    """The wildcard stands for the name; one of another branch does not."""
    wildcard = simple(Name="*." + ZONE)
    assert apply([wildcard], ("CREATE", alias("deep.a." + ZONE))) == [wildcard, alias("deep.a." + ZONE)]
    assert "was not found" in refusal([simple(Name="*.b." + ZONE)], ("CREATE", alias(A)))


def test_a_batch_has_a_thousand_values_at_most() -> None:
    """Those of an UPSERT count twice."""
    batch = [of("A", *(f"10.{one}.0.{last}" for last in range(250)), name=f"n{one}.{ZONE}") for one in range(4)]
    assert len(apply([], *(("CREATE", one) for one in batch))) == 4
    assert refusal([], *(("UPSERT", one) for one in batch[:3])) == "[Number of records limit of 1000 exceeded.]"


def test_a_refused_batch_changes_nothing_and_names_every_bad_change() -> None:
    """All or nothing: the good change of a bad batch is not made, and every message is listed."""
    current = [SECONDARY]
    with pytest.raises(BatchError) as refused:
        apply(current, ("CREATE", record()), ("DELETE", simple(Name="a." + ZONE)), ("DELETE", simple(Name="b." + ZONE)))
    assert str(refused.value).count("was not found") == 2
    assert current == [SECONDARY]


def test_the_same_record_twice_in_a_batch_is_refused() -> None:
    """Row R25."""
    with pytest.raises(BatchError, match=r"invalid set of changes for a resource record set 'A svc\.example\.local\.'"):
        apply([], ("UPSERT", record()), ("UPSERT", record()))


def test_a_batch_may_delete_and_create_the_same_record() -> None:
    """The way to replace a simple record by a failover pair in one step (row R26)."""
    assert apply([simple()], ("DELETE", simple()), ("CREATE", record()), ("CREATE", SECONDARY)) == [record(), SECONDARY]


def test_upsert_creates_and_then_replaces() -> None:
    """One record set either way."""
    once = apply([], ("UPSERT", record()))
    assert apply(once, ("UPSERT", record(TTL=60))) == [record(TTL=60)]


def test_delete_takes_only_the_record_it_names() -> None:
    """Another record set with the same identifier under another name stays."""
    other = record(Name="other.example.local")
    assert apply([record(), other], ("DELETE", record())) == [other]
