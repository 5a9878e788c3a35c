"""The commands that are printed for what is left: typed as they stand, in their order, they leave nothing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from srekv.commands.down import left_error
from srekv.provision.inventory.leftover import Leftover, by_hand, in_order
from srekv.provision.steps.firewall import UNSEEN_TIMEOUT_S

AWS_RULES = frozenset({"release-in-use", "group-in-use", "zone-not-empty", "instance-states", "table-deleting"})
"""Why things must go in some order; what merely takes AWS a moment is left out: a person would type again."""

THEIRS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}],
}

LINGERING, ATTEMPTS = "DependencyViolation", 6
"""What EC2 says of a group for a moment after its instances have ended (E30): a person types it again."""

STRUCTURES = frozenset({"structure", "map"})


class Shell:
    """Carries out the commands of the AWS CLI as the CLI would: its options are botocore's members, in kebab case."""

    def __init__(self, world: Any) -> None:
        self._world = world

    def type(self, command: str) -> None:
        """One command.

        Raises:
            ClientError: AWS refuses it.
        """
        program, service, operation, *options = shlex.split(command)
        assert program == "aws"
        client = self._world.client(service)
        if operation == "wait":
            waiter, *options = options
            waiting = client.get_waiter(waiter.replace("-", "_"))
            arguments = _arguments(client, xform_name(waiting.config.operation, "-"), options)
            waiting.wait(**arguments, WaiterConfig={"Delay": 0, "MaxAttempts": 20})
            return
        call, arguments = getattr(client, operation.replace("-", "_")), _arguments(client, operation, options)
        for attempt in range(ATTEMPTS):
            try:
                call(**arguments)
            except ClientError as error:
                if error.response["Error"]["Code"] != LINGERING or attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    def type_all(self, left: Sequence[Leftover]) -> None:
        """Every command that is printed for these, in order."""
        for one in in_order(left):
            for command in by_hand(one, left):
                self.type(command)


def _arguments(client: Any, operation: str, options: list[str]) -> dict[str, Any]:
    """The parameters that the options mean; the options that every command takes are left out."""
    names = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
    members = client.meta.service_model.operation_model(names[operation]).input_shape.members
    by_option = {f"--{xform_name(name, '-')}": (name, shape) for name, shape in members.items()}
    arguments: dict[str, Any] = {}
    starts = [number for number, word in enumerate(options) if word.startswith("--")]
    for start, end in zip(starts, [*starts[1:], len(options)], strict=True):
        word, values = options[start], options[start + 1 : end]
        if word in {"--region", "--profile"}:
            assert values
        elif word.startswith("--no-"):
            name, shape = by_option[f"--{word.removeprefix('--no-')}"]
            arguments[name] = {"Value": False} if shape.type_name in STRUCTURES else False
        else:
            name, shape = by_option[word]
            arguments[name] = _value(shape, values)
    return arguments


def _value(shape: Any, words: list[str]) -> Any:
    if shape.type_name in STRUCTURES or words[0].startswith("["):
        return json.loads(words[0])
    return words if shape.type_name == "list" else words[0]


@pytest.mark.parametrize(
    "reached", ["", "DisassociateAddress", "DeleteTable", "DeleteRolePolicy"], ids=lambda name: name or "nothing gone"
)
def test_what_a_removal_left_goes_by_hand(strict: Any, reached: str, tmp_path: Path) -> None:
    """After a `down` that died at some call, and of a whole stack: protected table, alarms, a policy of somebody's."""
    strict.account.rule_set.keep(AWS_RULES)
    strict.up(alarms=True, deletion_protection=not reached, create_key=str(tmp_path / "key"))
    iam = strict.by_hand("iam")
    policy = iam.create_policy(PolicyName="theirs", PolicyDocument=json.dumps(THEIRS))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="EC2_DynamoDB_Access", PolicyArn=policy)
    if reached:
        strict.account.kill_after(reached, 1)
        with pytest.raises(strict.Killed):
            strict.down()
        strict.calls.clear()

    left = strict.take().of("srekv")
    assert left
    Shell(strict).type_all(left)

    assert strict.take().leftovers == ()
    assert strict.census() == strict.EMPTY


@dataclass(frozen=True)
class Hand:
    """Somebody else's hand in a whole stack, and EC2's refusals that moto lacks."""

    world: Any

    @property
    def ec2(self) -> Any:
        """Calls that are not recorded."""
        return self.world.by_hand("ec2")

    @property
    def group(self) -> str:
        """The stack's security group."""
        (group,) = (one for one in self.world.listing()["security groups"] if one["GroupName"] == "srekv-web")
        return str(group["GroupId"])

    @property
    def node(self) -> str:
        """One of the stack's instances."""
        return str(self.world.listing()["instances"][0]["InstanceId"])

    def interface(self, **where: Any) -> str:
        """An interface on no instance, in the stack's group."""
        subnet, given = self.world.listing()["subnets"][0]["SubnetId"], where or {"Groups": [self.group]}
        made = self.ec2.create_network_interface(SubnetId=subnet, **given)
        return str(made["NetworkInterface"]["NetworkInterfaceId"])

    def instance(self) -> str:
        """An instance in the stack's group."""
        return str(self.world.put_instance(SecurityGroupIds=[self.group]))

    def rule(self, way: str) -> str:
        """A rule of another group that names the stack's."""
        other = self.world.put_group("db")
        pair = {"UserIdGroupPairs": [{"GroupId": self.group, "Description": "the web servers"}]}
        permission = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, **pair}
        getattr(self.ec2, f"authorize_security_group_{way}")(GroupId=other, IpPermissions=[permission])
        return f"the rule {way} tcp 5432 of {other} (db)"

    def disk(self) -> str:
        """A disk of the stack's on an instance that is not."""
        tags = [{"ResourceType": "volume", "Tags": [{"Key": "srekv:stack", "Value": "srekv"}]}]
        volume = self.ec2.create_volume(AvailabilityZone="us-east-1a", Size=8, TagSpecifications=tags)["VolumeId"]
        launched = self.world.put_instance()
        self.ec2.attach_volume(VolumeId=volume, InstanceId=launched, Device="/dev/sdf")
        return f"on {launched}"

    def profile(self) -> str:
        """An instance profile of somebody's that has the stack's role."""
        iam = self.world.by_hand("iam")
        iam.create_instance_profile(InstanceProfileName="theirs")
        iam.add_role_to_instance_profile(InstanceProfileName="theirs", RoleName="EC2_DynamoDB_Access")
        return "held by the instance profile theirs"

    def protection(self) -> str:
        """One node cannot be terminated."""
        self.ec2.modify_instance_attribute(InstanceId=self.node, DisableApiTermination={"Value": True})
        return "disableApiTermination"

    def stop_protection(self) -> str:
        """One node cannot be stopped, nor therefore terminated, until somebody allows it."""
        protected = {self.node}
        text = f"The instance '{self.node}' may not be terminated. Modify its 'disableApiStop' instance attribute"

        def allow(params: Mapping[str, Any]) -> Any:
            if params.get("DisableApiStop.Value") == "false":
                protected.discard(params["InstanceId"])
            return self.world.success() if "DisableApiStop.Value" in params else None

        def terminate(params: Mapping[str, Any]) -> Any:
            kept = params["InstanceId.1"] in protected
            return self.world.refusal("OperationNotPermitted", text) if kept else None

        self.world.calls.answers |= {"ModifyInstanceAttribute": allow, "TerminateInstances": terminate}
        return "disableApiStop"

    def records(self) -> str:
        """Route 53 refuses to delete the records: a traffic policy has made them, or they are protected."""
        refusal = self.world.refusal("InvalidChangeBatch", "[the record set is protected]")
        self.world.calls.answers["ChangeResourceRecordSets"] = lambda _: refusal
        return "svc.sre-test.local./A/srekv-az1"

    def denial(self) -> str:
        """The table's deletion is not permitted."""
        self.world.calls.answers["DeleteTable"] = lambda _: self.world.refusal("AccessDeniedException", "no", 400)
        return "AccessDeniedException: no"

    def check_in_use(self) -> str:
        """Health checks are refused without anything that holds them being listed."""
        refusal = self.world.refusal("HealthCheckInUse", "in use by a calculated check")
        self.world.calls.answers["DeleteHealthCheck"] = lambda _: refusal
        return "HealthCheckInUse: in use by a calculated check"

    def protect_table(self, at: str, number: int) -> str:
        """B5: the table is protected while `down` is at work: when it makes this call for that time."""
        update = self.world.by_hand("dynamodb").update_table
        protect = partial(update, TableName="SREKeyValue", DeletionProtectionEnabled=True)
        self.world.calls.before(at, number, protect)
        return "protected since"

    def gateway(self) -> str:
        """E24: a NAT gateway has an address, and lets nobody take it away."""
        address = self.world.listing()["addresses"][0]
        interface = self.interface(Description="Interface for NAT Gateway nat-1")
        association = self.ec2.associate_address(
            AllocationId=address["AllocationId"], NetworkInterfaceId=interface, AllowReassociation=True
        )["AssociationId"]
        refusal = self.world.refusal("AuthFailure", "You do not have permission to access the specified resource.")

        def manage(*, model: Any, parsed: Mapping[str, Any], **_: Any) -> None:
            if model.name == "DescribeNetworkInterfaces":
                for one in parsed["NetworkInterfaces"]:
                    one["RequesterManaged"] = one["NetworkInterfaceId"] == interface

        self.world.calls.listeners["after-call"] = manage
        self.world.calls.answers |= {
            "DisassociateAddress": lambda params: refusal if params["AssociationId"] == association else None,
            "ReleaseAddress": lambda params: refusal if params["AllocationId"] == address["AllocationId"] else None,
        }
        return f"on {interface} (Interface for NAT Gateway nat-1)"

    def unseen(self) -> str:
        """What no listing shows holds the group: it is associated with another VPC."""
        text = f"resource {self.group} has a dependent object"
        self.world.calls.answers["DeleteSecurityGroup"] = lambda _: self.world.refusal("DependencyViolation", text)
        return text

    def refuse_in_use(self) -> None:
        """E30, which moto does not know: an interface in a group, or another group's rule, holds it."""
        self.world.calls.answers.setdefault("DeleteSecurityGroup", self._in_use)

    def _in_use(self, params: Mapping[str, Any]) -> Any:
        group = params["GroupId"]
        listing = self.world.listing()
        interfaces = [one for one in listing["interfaces"] if group in {each["GroupId"] for each in one["Groups"]}]
        rules = [
            one
            for one in listing["security group rules"]
            if one["GroupId"] != group and one.get("ReferencedGroupInfo", {}).get("GroupId") == group
        ]
        used = interfaces or rules
        return self.world.refusal("DependencyViolation", f"resource {group} has a dependent object") if used else None


@dataclass(frozen=True)
class Case:
    """What holds something and what stays because of it.

    Attributes:
        code: the exit code.
        by_hand: whether the printed commands free it.
        waits_s: the longest that `down` may wait for it.
    """

    hold: Callable[[Hand], str]
    kinds: set[str]
    code: int = 1
    by_hand: bool = True
    waits_s: float = 5


IDENTITY = ("instance profile", "role")
"""They name the Region, so they outlive instances, addresses and the table."""

HELD = {
    "an interface": Case(Hand.interface, {"security group"}),
    # moto shows an instance's groups on its interface whatever ModifyNetworkInterfaceAttribute says.
    "an instance": Case(Hand.instance, {"security group"}, by_hand=False),
    "an ingress rule": Case(lambda hand: hand.rule("ingress"), {"security group"}),
    "an egress rule": Case(lambda hand: hand.rule("egress"), {"security group"}),
    "a disk": Case(Hand.disk, {"volume"}),
    "a profile": Case(Hand.profile, {"role"}),
    "records": Case(Hand.records, {"hosted zone", "record"}, by_hand=False),
    "a protected instance": Case(Hand.protection, {"instance", "volume", "security group", *IDENTITY}),
    "an instance protected against stops": Case(
        Hand.stop_protection, {"instance", "volume", "security group", *IDENTITY}
    ),
    "a gateway": Case(Hand.gateway, {"address", *IDENTITY}, by_hand=False),
    "nothing that is listed": Case(Hand.unseen, {"security group"}, by_hand=False, waits_s=UNSEEN_TIMEOUT_S + 5),
    "a table protected meanwhile": Case(
        lambda hand: hand.protect_table("DescribeTable", 2), {"table", *IDENTITY}, code=3
    ),
    "a table protected at last": Case(lambda hand: hand.protect_table("DeleteTable", 1), {"table", *IDENTITY}, code=3),
    "a refused check": Case(Hand.check_in_use, {"health check"}, code=3, by_hand=False),
    "a denial": Case(Hand.denial, {"table", *IDENTITY}, code=3, by_hand=False),
}


TWO = {"instance", "volume", "address"}
"""Of these one may be deleted and the other held."""


@pytest.mark.parametrize("holder", HELD)
def test_what_is_held_does_not_keep_the_rest(strict: Any, holder: str) -> None:
    """Everything else goes, without a wait that cannot help; what is left names its holder; the commands free it.

    Addresses cost money, so they go whatever else is held; a role stays while an instance, an address or the table of
    the stack is left, and goes when only a group or a disk is. Exit code 1: held; 3: a call failed.
    """
    case, hand = HELD[holder], Hand(strict)
    strict.up()
    named = case.hold(hand)
    hand.refuse_in_use()
    removal, log, waited_s = strict.remove()
    assert waited_s <= case.waits_s
    assert {one.kind for one in removal.left} == case.kinds
    assert bool(strict.listing()["addresses"]) is ("address" in case.kinds)
    reported = {kind for kind, action in log.done if action == "delete"}
    assert reported.isdisjoint(case.kinds - TWO)
    assert any(named in f"{one.id} {one.note}" for one in removal.left)
    error = left_error(removal)
    assert error.exit_code == case.code
    if not case.by_hand:
        return

    # The layer does not see that an interface leaves a group; `refuse_in_use` does.
    strict.account.rule_set.keep(AWS_RULES - {"group-in-use"})
    Shell(strict).type_all(removal.left)
    assert strict.stack()[0].down().left == ()
