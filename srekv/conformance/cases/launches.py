"""EC2's instances (aws-recorded, section 5): each case launches one, for a minute."""

from __future__ import annotations

from typing import Any

from srekv.conformance.cases import things
from srekv.conformance.cases.answer import Answer, Seen
from srekv.conformance.cases.desk import Desk
from srekv.conformance.cases.model import case

_NEEDS = "a t2.micro, for a minute"


def _launch(desk: Desk, **more: Any) -> str:
    """The id of a new instance in the shared security group, pending."""
    answer = desk.surely(
        desk.ec2.run_instances,
        ImageId=things.image(desk),
        InstanceType="t2.micro",
        MinCount=1,
        MaxCount=1,
        SecurityGroupIds=[things.group(desk)[0]],
        TagSpecifications=desk.tagged("instance"),
        **more,
    )
    instance = str(answer["Instances"][0]["InstanceId"])
    things.drop_instance(desk, instance)
    return instance


def _running(desk: Desk) -> str:
    """The id of an instance that runs."""
    instance = _launch(desk)

    def runs() -> bool:
        groups = desk.ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        return bool(groups[0]["Instances"][0]["State"]["Name"] == "running")

    desk.until(f"instance {instance} to run", runs)
    return instance


def _address(desk: Desk) -> dict[str, Any]:
    """A new Elastic IP."""
    answer: dict[str, Any] = desk.ec2_once.allocate_address(Domain="vpc", TagSpecifications=desk.tagged("elastic-ip"))
    desk.later(f"Elastic IP {answer['PublicIp']}", desk.ec2.release_address, AllocationId=answer["AllocationId"])
    return answer


@case(
    "stop-never-ran",
    "E16",
    "An instance that has not run yet cannot be stopped.",
    Answer(400, "IncorrectInstanceState", r"^Instance 'i-.*' cannot be stopped as it has never reached the 'running'"),
    source="cloud-custodian/cloud-custodian#6014",
    needs=_NEEDS,
    expensive=True,
)
def stop_never_ran(desk: Desk) -> Seen:
    """Stop it at once."""
    return desk.ask(desk.ec2.stop_instances, InstanceIds=[_launch(desk)])


@case(
    "associate-not-running",
    "E20",
    "An Elastic IP cannot be associated with an instance that does not run yet.",
    Answer(400, "InvalidInstanceID", r"^The pending instance 'i-.*' is not in a valid state for this operation"),
    source="hashicorp/terraform-provider-aws#3072, #21228; cloudposse/terraform-aws-ec2-instance#95",
    needs=f"{_NEEDS}, and an Elastic IP",
    expensive=True,
)
def associate_pending(desk: Desk) -> Seen:
    """Associate one at once."""
    address = _address(desk)
    return desk.ask(desk.ec2.associate_address, AllocationId=address["AllocationId"], InstanceId=_launch(desk))


@case(
    "release-in-use",
    "E23",
    "An Elastic IP that is associated cannot be released.",
    Answer(400, "InvalidIPAddress.InUse", r"^Address [0-9.]+ is in use\."),
    source="genevieve/leftovers#16",
    needs=f"{_NEEDS}, and an Elastic IP",
    expensive=True,
)
def release_in_use(desk: Desk) -> Seen:
    """Release it."""
    address, instance = _address(desk), _running(desk)
    answer = desk.surely(desk.ec2.associate_address, AllocationId=address["AllocationId"], InstanceId=instance)
    desk.later(
        f"association of {address['PublicIp']}", desk.ec2.disassociate_address, AssociationId=answer["AssociationId"]
    )
    return desk.ask(desk.ec2.release_address, AllocationId=address["AllocationId"])


@case(
    "client-token-mismatch",
    "E11",
    "A ClientToken that was used with other parameters is refused.",
    Answer(
        400,
        "IdempotentParameterMismatch",
        r"^Arguments on this idempotent request are inconsistent with arguments used in previous request\(s\)\.",
    ),
    source="ubicloud/ubicloud#5898; rust-lang/bors#830",
    needs=_NEEDS,
    law="client-token",
    expensive=True,
)
def token_mismatch(desk: Desk) -> Seen:
    """Run an instance with a token, and another one with the same token."""
    token = desk.name("token")
    _launch(desk, ClientToken=token)
    return desk.ask(
        desk.ec2.run_instances,
        made=lambda answer: things.drop_instance(desk, answer["Instances"][0]["InstanceId"]),
        ImageId=things.image(desk),
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        ClientToken=token,
    )


@case(
    "group-in-use",
    "E30",
    "A security group cannot be deleted while an instance uses it.",
    Answer(400, "DependencyViolation", r"^resource sg-.* has a dependent object"),
    source="hashicorp/terraform-provider-aws#32745; cloud-barista/cb-spider#460",
    needs=_NEEDS,
    expensive=True,
)
def group_in_use(desk: Desk) -> Seen:
    """Delete it."""
    _running(desk)
    return desk.ask(desk.ec2.delete_security_group, GroupId=things.group(desk)[0])
