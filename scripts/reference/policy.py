"""The IAM policies, statement by statement."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reference.markdown import page, quoted, table
from srekv.config import DEFAULT_STACK
from srekv.provision.naming import Names
from srekv.provision.permissions import LARGEST_POLICY, node_policy, operator_policy, reads, size

WHY = {
    "Everywhere": "What IAM lets nobody narrow, and what is read of things that may be anybody's: the account, a VPC, "
    "the zone that `doctor` looks at, the operator's own role. All but `route53:CreateHealthCheck` only read.",
    "Make": "What is made in EC2 must carry the stack's tag from its first moment.",
    "TagWhatIsMade": "Only the calls that create set tags; whoever may tag anything could make anything theirs.",
    "MakeOf": "What a machine is made of may be anybody's: an image, a key pair, a subnet, a VPC.",
    "FixVpc": "Only with `--fix-vpc`, for `up --fix-vpc`, which switches a VPC's DNS attributes on.",
    "Change": "What is changed or removed in EC2 must have the stack's tag.",
    "ReadRole": "Is the nodes' role there, and is it as it should be?",
    "MakeRole": "The nodes' role and instance profile, at a path of srekv's own and with its tag.",
    "ChangeRole": "The same, repaired and removed; IAM's path stands for the tag, and nobody can change it.",
    "PassRole": "The nodes get their role; it can be passed to EC2 and to nothing else.",
    "ReadTable": "Is the table there, and is it as it should be?",
    "Table": "The table and its backups, bound by exact name; with `--stack` a table that has another "
    "stack's tag is out of reach, too, in [accounts where DynamoDB looks at tags]"
    "(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/abac-enable-ddb.html), which are most. "
    "`dynamodb:Scan` counts what `down` would delete.",
    "PrivateZone": "A hosted zone that belongs to a VPC, that is a private one.",
    "Dns": "Records and health checks. Route 53 knows no resource tags, so this reaches every zone and check of the "
    "account; srekv itself touches only those whose caller reference it made.",
    "Command": "Shell commands on the stack's own instances, for tests and drills inside the VPC.",
    "CommandBy": "AWS's document that runs them, and its public parameters that name the newest Amazon Linux.",
    "ReadAlarms": "Are the alarms and the dashboard of `up --alarms` there?",
    "Alarms": "The same, removed; and the dashboard, made.",
    "MakeAlarm": "Alarms must carry the stack's tag.",
    "Items": "The service reads and writes items of its one table, and does nothing else with it.",
    "Agent": "The part of `AmazonSSMManagedInstanceCore` that SSM Run Command uses.",
}
"""Why each statement is there, by its Sid."""

HEAD = f"""\
`srekv policy` prints what an operator must be allowed to do, as narrow as each service lets it be; it calls nobody.
`--account`, `--region` and `--stack` bind it to those (here: `*`, every account, Region and stack), `--part reading`
is enough for `status`, `doctor` and plans, `--part changing` is the rest. IAM takes {LARGEST_POLICY:,} characters; this
one has {size(operator_policy()):,}.

Whoever may create a role, give it a policy and pass it to an instance can do what that policy allows. Where that
matters, bound the operator with a permissions boundary."""

NODE = """\
`srekv policy --node` prints what the instances themselves may do; `up` puts it into their role."""


def policy() -> str:
    """The page."""
    table_arn = f"arn:aws:dynamodb:*:*:table/{Names(DEFAULT_STACK).table}"
    own = [_section(one) for one in operator_policy(fix_vpc=True)["Statement"]]
    nodes = [_section(one) for one in node_policy(table_arn)["Statement"]]
    return page("IAM policy", HEAD, "## The operator", *own, "## The nodes", NODE, *nodes)


def _section(statement: Mapping[str, Any]) -> str:
    name = statement["Sid"]
    return "\n\n".join((f"### {name}", WHY[name], table(("", ""), _rows(statement))))


def _rows(statement: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    actions = _many(statement["Action"])
    reading = [action for action in actions if reads(action)]
    changing = [action for action in actions if not reads(action)]
    if reading:
        yield "reads", quoted(reading)
    if changing:
        yield "changes", quoted(changing)
    yield "on", quoted(_many(statement["Resource"]))
    if "Condition" in statement:
        yield "if", f"`{json.dumps(statement['Condition'])}`"


def _many(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
