"""What IAM's "no" says: which action is missing, on what; and what to do about it. Pure: text in, text out.

AWS names the action and the resource in most services' messages (R17, E14, I8, S5); EC2's old message names nothing,
and then the operation counts, which in nearly every case has its action's name.
"""

from __future__ import annotations

import re

from srekv.errors import Advice, CommandLine
from srekv.provision.permissions import operator_actions

OPTIONS = {"ec2:ModifyVpcAttribute": " --fix-vpc", "kms:": " --ebs-key ARN"}
"""How the actions begin that the policy has only where an option asks for them."""

ALSO = {
    "AddRoleToInstanceProfile": ("iam:PassRole",),
    "AllocateAddress": ("ec2:CreateTags",),
    "AssociateIamInstanceProfile": ("iam:PassRole",),
    "AssociateVPCWithHostedZone": ("ec2:DescribeVpcs",),
    "CreateHostedZone": ("ec2:DescribeVpcs",),
    "CreateInstanceProfile": ("iam:TagInstanceProfile",),
    "CreateKeyPair": ("ec2:CreateTags",),
    "CreateRole": ("iam:TagRole",),
    "CreateSecurityGroup": ("ec2:CreateTags",),
    "CreateTable": ("dynamodb:TagResource",),
    "PutMetricAlarm": ("cloudwatch:TagResource",),
    "ReplaceIamInstanceProfileAssociation": ("iam:PassRole",),
    "RunInstances": ("ec2:CreateTags", "iam:PassRole"),
}
"""Operations that ask for more than the action of their name."""

_NAMED = re.compile(
    r"is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource: (?P<resource>.+?))?(?=\.? ?$|\. | because| with an explicit deny)",
    re.MULTILINE,
)


def advice(operation: str, message: str) -> Advice:
    """What to do when a service refused "RunInstances", for example, with this message.

    Several actions are named where the message names none and the operation may lack any of them.
    """
    named = _NAMED.search(message)
    actions = [named["action"]] if named else [*_actions_of(operation), *ALSO.get(operation, ())]
    what = " or ".join(actions) + (f" on {named['resource']}" if named and named["resource"] else "")
    if "explicit deny" in message:  # then allowing it elsewhere does not help
        return f"take back the policy that denies {what}"
    option = next((option for start, option in OPTIONS.items() if actions[0].startswith(start)), "")
    return f"allow {what}; " + CommandLine(f"srekv policy{option}") + " prints all that srekv needs"


def sentence(message: str) -> str:
    """AWS's message without the encoded part, which says nothing to a person."""
    return re.sub(r"\s*Encoded authorization failure message: \S+", "", message)


def _actions_of(operation: str) -> list[str]:
    """The actions of that name; two services have a ListTagsForResource."""
    known = [action for action in operator_actions() if action.partition(":")[2] == operation]
    return known or [f"the action behind {operation}"]
