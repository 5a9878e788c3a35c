"""What Route 53 refuses of records and health checks, whatever the account is like.

The rules are those by which the local cloud judges; here they stand before any backend. What the answers must be is
held by the cases, which know nothing of these rules.
"""

from __future__ import annotations

import re

from srekv.conformance.model import Call, Conditions, Law, Lenient, Refusal, Rule
from srekv.conformance.route53_memory import Memory
from srekv.local.overlay.checks import InvalidCheckError, check_config, normalise
from srekv.local.overlay.records import BatchError

_PREFLIGHT = "cdk-preflight, probed 2026-09"
_CHANGES = "boto/boto#2887; airbnb/zonify#23; hashicorp/terraform-provider-aws#13012"
_SOURCES = {
    "record-cname-alone": "cdk-preflight, probed 2026-09-10; ansible-collections/amazon.aws#2694; boto/boto3#1475",
    "record-cname-once": "API reference of ResourceRecord; the text is not recorded",
    "record-loop": "kubernetes-sigs/external-dns#630",
    "record-alias-target": "cdk-preflight, probed 2026-09-10; barnybug/cli53#213, #227; octodns/octodns#366",
    "record-value-twice": "kubernetes-sigs/external-dns#1929, #6019",
    "record-value-format": "documentation: supported DNS record types; cdk-preflight, probed 2026-09-10",
    "record-zones-own": "cdk-preflight, probed 2026-09-10; airbnb/zonify#1",
    "record-delete-missing": _CHANGES,
    "record-create-existing": _CHANGES,
    "record-delete-other-values": _CHANGES,
    "record-policies-mixed": "cdk-preflight, probed 2026-09; hashicorp/terraform-provider-aws#1668",
    "record-check-unknown": "documentation of ChangeResourceRecordSets; the text is not recorded",
    "check-tcp-name": "aws/aws-sdk-php#1527",
    "check-tcp-path": "cdk-preflight, probed 2026-09; aws/aws-sdk-php#1527",
}
"""Where it was recorded, if not in cdk-preflight."""

_BATCH = (
    ("record-primary-needs-check", "R20", "A PRIMARY record that is no alias must have a health check.",
     "non-alias primary ResourceRecordSet must have"),
    ("record-alias-primary", "R21", "A PRIMARY alias evaluates its target's health or has a health check.",
     "cannot be a primary without EvaluateTargetHealth"),
    ("record-ttl-missing", "R22", "A record that is no alias has a TTL.", r"Expected exactly one of \[AliasTarget"),
    ("record-identifier-missing", "R23", "A record of a routing policy has a SetIdentifier.", "Missing field"),
    ("record-policy-missing", "R24", "A record with a SetIdentifier has one routing policy.",
     r"Expected exactly one of \[Weight"),
    ("record-twice-in-batch", "R25", "A batch names a record set once.", "invalid set of changes"),
    ("record-policies-mixed", "R26 R27 R28", "Records of a name and type follow one routing policy, each role once.",
     "cannot be created (because a|as other|as a )"),
    ("record-weights-ttl", "R27 R33", "Weighted records of a name and type have one TTL.", "must contain the same TTL"),
    ("record-cname-alone", "R33", "A CNAME is the only record of its name.",
     "is not permitted (as it conflicts|because a conflicting)"),
    ("record-cname-once", "R33", "A CNAME has one value.", "cannot have more than one value"),
    ("record-loop", "R33", "CNAMEs and aliases of a zone do not go round in a circle.", "CNAME or alias loop"),
    ("record-alias-target", "R33", "An alias to its own zone leads to a record of its type that is there.",
     "Tried to create an alias"),
    ("record-type-policy", "R33", "NS and SOA have no routing policy and no alias.",
     "this type of RRSet is not supported|wildcard NS|aliases of that type are forbidden|should not be an alias"),
    ("record-value-twice", "R33", "A record set has a value once.", "Duplicate Resource Record"),
    ("record-value-format", "R33", "A value has the format of its type.", "Invalid Resource Record"),
    ("record-values-most", "R33", "A record set has 400 values at most, a batch 1,000.",
     "more than 400 records|limit of 1000"),
    ("record-name-format", "R33", "A record's name is a DNS name.", r"^\[FATAL problem"),
    ("record-zones-own", "R33", "A zone keeps its SOA and NS.", "A HostedZone must contain"),
    ("record-check-without-policy", "R30", "A record without a routing policy cannot have a health check.",
     "alternate ResourceRecordSet responses"),
    ("record-failover-word", "R31", "Failover is PRIMARY or SECONDARY.", "facet-valid"),
    ("record-delete-missing", "R32", "A record that is not there cannot be deleted.", "but it was not found"),
    ("record-create-existing", "R32", "A record that exists cannot be created.", "but it already exists"),
    ("record-delete-other-values", "R32", "A DELETE repeats every value of the record.",
     "values provided do not match"),
    ("record-ttl-largest", "R33", "A TTL has at most 31 bits.", "resourceRecordSet.tTL"),
    ("record-weight-largest", "R33", "A weight is 255 at most.", r"resourceRecordSet\.weight"),
    ("record-cname-at-apex", "R33", "The zone's own name cannot be a CNAME.", "not permitted at apex"),
    ("record-check-unknown", "R18", "A record cannot name a health check that does not exist.",
     "No health check exists"),
)  # fmt: skip
"""Rule, rows, what it says, and the part of Route 53's text by which a refusal is known to be its."""

_CHECKS = (
    ("check-address-private", "R34", "A health check of a private address is refused.",
     r" (10\.|127\.|192\.168\.|172\.|169\.254\.|0\.|100\.).* is forbidden"),
    ("check-address-documentation", "R34", "A health check of an address for documentation is refused.",
     r" (192\.0\.2\.|198\.51\.100\.|203\.0\.113\.).* is forbidden"),
    ("check-interval", "R35", "A check's interval is 10 or 30 s.", r"\[10, 30\]"),
    ("check-endpoint", "R36", "A check has an address or a name.", "can not be both empty"),
    ("check-tcp-path", "R37", "A TCP check has no path.", "must not have a resource path"),
    ("check-tcp-name", "R37", "A TCP check of an address has no name.", "must not have a fully qualified"),
    ("check-sni-http", "R38", "An HTTP check has no SNI.", "must not enable SNI"),
    ("check-search-string", "R38", "A check for a string has the string.", "must have a search string"),
)  # fmt: skip


def laws(conditions: Conditions, memory: Memory) -> tuple[Law, ...]:
    """A new set."""
    return (
        *(BatchLaw(_rule(name, rows, says), text, memory) for name, rows, says, text in _BATCH),
        *(CheckLaw(_rule(name, rows, says), text, conditions) for name, rows, says, text in _CHECKS),
    )


def _rule(name: str, rows: str, says: str) -> Rule:
    return Rule(id=name, rows=tuple(rows.split()), source=_SOURCES.get(name, _PREFLIGHT), says=says)


class BatchLaw(Lenient):
    """Refuses a change batch for one reason."""

    def __init__(self, rule: Rule, text: str, memory: Memory) -> None:
        self.rule = rule
        self._text = re.compile(text)
        self._memory = memory

    def before(self, call: Call) -> Refusal | None:
        """Refuse it if this is the reason."""
        if call.operation != "ChangeResourceRecordSets":
            return None
        try:
            self._memory.after_batch(call)
        except BatchError as error:
            if self._text.search(str(error)):
                return Refusal(error.code, str(error), 404 if error.code == "NoSuchHealthCheck" else 400)
        return None

    def after(self, call: Call, answer: dict[str, object]) -> None:
        """Learn from every answer."""
        self._memory.note(call, answer)


class CheckLaw(Lenient):
    """Refuses a health check for one reason."""

    def __init__(self, rule: Rule, text: str, conditions: Conditions) -> None:
        self.rule = rule
        self._text = re.compile(text)
        self._conditions = conditions

    def before(self, call: Call) -> Refusal | None:
        """Refuse it if this is the reason."""
        if call.operation != "CreateHealthCheck":
            return None
        config = normalise(call.params["HealthCheckConfig"])
        try:
            check_config(config, own_network=self._conditions.public_network)
        except InvalidCheckError as error:
            if self._text.search(str(error)):
                return Refusal("InvalidInput", str(error))
        return None
