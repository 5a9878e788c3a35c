"""Each rule of EC2 and IAM, on the wire: a real client over moto meets the recorded status, code and text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from srekv.conformance.addresses import Addresses
from srekv.conformance.groups import Groups
from srekv.conformance.launches import Launches, Profiles
from srekv.conformance.machines import Machines
from srekv.conformance.model import Conditions
from srekv.conformance.services import Iam

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
WEB = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}
)
IMAGE = "ami-03cf127a"
"""An image that moto has; to list them all would take a second."""

TERMINATED = 48


@pytest.fixture
def strict_about(strict: Any) -> Callable[..., Any]:
    """The empty account, held to some rules only, with a seed."""

    def hold(*rules: str, seed: int = 0) -> Any:
        held = set(rules)
        strict.account.seed = seed
        strict.reset()
        strict.account.rule_set.keep(held)
        assert set(strict.account.rule_set.ids) == held
        return strict

    return hold


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, str, str]:
    """What the call is refused with."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    found = error.value.response
    return found["ResponseMetadata"]["HTTPStatusCode"], found["Error"]["Code"], found["Error"]["Message"]


def refusals(call: Callable[..., Any], **arguments: Any) -> list[tuple[int, str, str]]:
    """What the call is refused with, again and again, until it is not."""
    seen = []
    for _ in range(20):
        try:
            call(**arguments)
        except ClientError as error:
            found = error.response
            seen.append(
                (found["ResponseMetadata"]["HTTPStatusCode"], found["Error"]["Code"], found["Error"]["Message"])
            )
        else:
            return seen
    raise AssertionError(f"refused for ever: {seen[-1]}")


def launch(client: Any, **more: Any) -> str:
    """A new instance's id."""
    given = {"ImageId": IMAGE, "InstanceType": "t2.micro", "MinCount": 1, "MaxCount": 1, **more}
    return str(client.run_instances(**given)["Instances"][0]["InstanceId"])


def states(client: Any, instance: str, looks: int = 5) -> list[str]:
    """An instance's state, look by look."""
    seen = [client.describe_instances(InstanceIds=[instance]) for _ in range(looks)]
    return [answer["Reservations"][0]["Instances"][0]["State"]["Name"] for answer in seen]


def profile(world: Any, *, role: bool = True) -> str:
    """A profile, and its ARN."""
    client = world.client("iam")
    arn = client.create_instance_profile(InstanceProfileName="p")["InstanceProfile"]["Arn"]
    if role:
        client.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        client.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    return str(arn)


def test_every_rule_of_ec2_and_iam_is_tested_here() -> None:
    """A new rule must be added below."""
    text = Path(__file__).read_text(encoding="utf-8")
    machines, account = Machines(Conditions()), Conditions()
    of_machines = (Launches(machines), Profiles(machines), Groups(machines))
    for service in (machines, *of_machines, Addresses(account), Iam(account)):
        for one in service.rules:
            assert f'strict_about("{one.rule}"' in text, one.rule


@pytest.mark.parametrize("given", ["Name", "Arn"])
def test_profile_not_seen(strict_about: Any, given: str) -> None:
    """E1: a new profile is an invalid one for a try or two, by name and by ARN; a deleted one for good."""
    world = strict_about("profile-not-seen")
    arn = profile(world)
    value, kind = ("p", "name") if given == "Name" else (arn, "ARN")
    client = world.client("ec2")
    text = f"Value ({value}) for parameter iamInstanceProfile.{given.lower()} is invalid."
    said = (400, "InvalidParameterValue", f"{text} Invalid IAM Instance Profile {kind}")
    seen = refusals(launch, client=client, IamInstanceProfile={given: value})
    assert seen in ([said], [said, said])

    identity = world.client("iam")
    identity.remove_role_from_instance_profile(InstanceProfileName="p", RoleName="r")
    identity.delete_instance_profile(InstanceProfileName="p")
    assert refusal(launch, client=client, IamInstanceProfile={given: value}) == said


def test_profile_without_role(strict_about: Any) -> None:
    """E2: a profile without a role is refused; with one, it may be refused for a moment."""
    world = strict_about("profile-without-role")
    arn = profile(world, role=False)
    client, identity = world.client("ec2"), world.client("iam")
    said = (400, "InvalidParameterValue", f'IAM Instance Profile "{arn}" has no associated IAM Roles')
    assert refusal(launch, client=client, IamInstanceProfile={"Name": "p"}) == said

    identity.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    identity.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    assert set(refusals(launch, client=client, IamInstanceProfile={"Name": "p"})) <= {said}

    identity.remove_role_from_instance_profile(InstanceProfileName="p", RoleName="r")
    assert refusal(launch, client=client, IamInstanceProfile={"Name": "p"}) == said


def test_user_data_limit(strict_about: Any) -> None:
    """E8: 16,384 bytes are taken, one more is not."""
    client = strict_about("user-data-limit").client("ec2")
    assert launch(client, UserData="x" * 16384)
    assert refusal(launch, client=client, UserData="x" * 16385) == (
        400,
        "InvalidParameterValue",
        "User data is limited to 16384 bytes",
    )


def test_no_capacity(strict_about: Any) -> None:
    """E3: status 500, sent again by botocore, at launch and at start; another zone is fine."""
    world = strict_about("no-capacity")
    client = world.client("ec2")
    zones = {one["AvailabilityZone"]: one["SubnetId"] for one in client.describe_subnets()["Subnets"]}
    first, second = sorted(zones)[:2]
    instance = launch(client, SubnetId=zones[first])
    client.stop_instances(InstanceIds=[instance])
    world.account.conditions.without_capacity.add(first)
    status, code, text = refusal(launch, client=client, SubnetId=zones[first])
    assert (status, code) == (500, "InsufficientInstanceCapacity")
    assert text.startswith(
        "We currently do not have sufficient t2.micro capacity in the Availability Zone you requested "
        f"({first}). Our system will be working on provisioning additional capacity. You can currently get t2.micro "
        f"capacity by not specifying an Availability Zone in your request or choosing {second}, "
    )
    assert refusal(client.start_instances, InstanceIds=[instance]) == (500, code, "Insufficient capacity.")
    assert launch(client, Placement={"AvailabilityZone": second})


def test_not_offered(strict_about: Any) -> None:
    """E4: the launch is refused; the list of what is offered agrees, or does not know."""
    world = strict_about("not-offered")
    client = world.client("ec2")
    zone, other = "us-east-1a", "us-east-1b"
    client.describe_subnets()
    world.account.conditions.not_offered.add(("t2.micro", zone))
    status, code, text = refusal(launch, client=client, Placement={"AvailabilityZone": zone})
    assert (status, code) == (400, "Unsupported")
    assert text.startswith(
        f"Your requested instance type (t2.micro) is not supported in your requested Availability Zone ({zone}). "
        f"Please retry your request by not specifying an Availability Zone or choosing {other}, "
    )
    filters = [{"Name": "instance-type", "Values": ["t2.micro"]}]
    offered = {"LocationType": "availability-zone", "Filters": filters}
    listed = client.describe_instance_type_offerings(**offered)["InstanceTypeOfferings"]
    assert zone not in {one["Location"] for one in listed}
    world.account.conditions.offerings_agree = False
    listed = client.describe_instance_type_offerings(**offered)["InstanceTypeOfferings"]
    assert zone in {one["Location"] for one in listed}


def test_vcpu_quota(strict_about: Any) -> None:
    """E5: what runs counts, what has ended does not."""
    world = strict_about("vcpu-quota")
    world.account.conditions.vcpu_quota = 1
    client = world.client("ec2")
    instance = launch(client)
    status, code, text = refusal(launch, client=client)
    assert (status, code) == (400, "VcpuLimitExceeded")
    assert text.startswith("You have requested more vCPU capacity than your current vCPU limit of 1 allows for the ")
    client.terminate_instances(InstanceIds=[instance])
    assert launch(client)


def test_client_token(strict_about: Any) -> None:
    """E11: the same token gives the same instance; other parameters are refused."""
    client = strict_about("client-token").client("ec2")
    instance = launch(client, ClientToken="t")
    assert launch(client, ClientToken="t") == instance
    assert refusal(launch, client=client, ClientToken="t", KeyName="k") == (
        400,
        "IdempotentParameterMismatch",
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
    )
    assert launch(client, ClientToken="u") != instance
    assert len(client.describe_instances()["Reservations"]) == 2


def test_client_token_of_a_dead_instance(strict_about: Any) -> None:
    """E12: both recorded outcomes come, by seed."""
    outcomes = set()
    for seed in range(6):
        client = strict_about("client-token", seed=seed).client("ec2")
        instance = launch(client, ClientToken="t")
        client.terminate_instances(InstanceIds=[instance])
        said = (
            "The client token you have provided is associated with a terminated instance. "
            "Please use a different client token."
        )
        try:
            outcomes.add("the dead instance" if launch(client, ClientToken="t") == instance else "a new one")
        except ClientError as error:
            outcomes.add(error.response["Error"]["Code"] * (error.response["Error"]["Message"] == said))
    assert outcomes == {"IdempotentInstanceTerminated", "the dead instance"}


def test_client_token_after_a_lost_answer(strict_about: Any) -> None:
    """A launch whose answer was lost is sent again by botocore, and is still one instance."""
    world = strict_about("client-token")
    world.account.lose_answer("RunInstances")
    client = world.client("ec2")
    assert launch(client)
    assert world.account.operations.count("RunInstances") == 1
    assert len(client.describe_instances()["Reservations"]) == 1


def test_instance_not_seen(strict_about: Any) -> None:
    """E15: calls that name a new instance do not find it for a look or two."""
    client = strict_about("instance-not-seen").client("ec2")
    instance = launch(client)
    said = (400, "InvalidInstanceID.NotFound", f"The instance ID '{instance}' does not exist")
    assert refusals(client.describe_instances, InstanceIds=[instance]) in ([said], [said, said])
    other = launch(client)
    assert refusal(client.create_tags, Resources=[other], Tags=[{"Key": "k", "Value": "v"}])[1] == said[1]


def test_instance_states(strict_about: Any) -> None:
    """Each change of state takes a look or more, and is filtered by what is shown; what has ended stays listed."""
    client = strict_about("instance-states").client("ec2")
    instance = launch(client)
    assert states(client, instance) in (["pending"] * looks + ["running"] * (5 - looks) for looks in (1, 2))
    changed = client.stop_instances(InstanceIds=[instance])["StoppingInstances"][0]
    assert changed["CurrentState"] == {"Code": 64, "Name": "stopping"}
    running = {"Filters": [{"Name": "instance-state-name", "Values": ["running", "stopped"]}]}
    assert client.describe_instances(**running)["Reservations"] == []
    assert states(client, instance)[-1] == "stopped"
    client.start_instances(InstanceIds=[instance])
    assert states(client, instance)[0] == "pending"
    client.terminate_instances(InstanceIds=[instance])
    ended = states(client, instance)
    assert (ended[0], ended[-1]) == ("shutting-down", "terminated")
    ending = {"Filters": [{"Name": "instance-state-name", "Values": ["terminated"]}]}
    assert client.describe_instances(**ending)["Reservations"][0]["Instances"][0]["State"]["Code"] == TERMINATED


def test_stop_never_ran(strict_about: Any) -> None:
    """E16: a pending instance cannot be stopped."""
    client = strict_about("stop-never-ran", "instance-states").client("ec2")
    instance = launch(client)
    said = (
        400,
        "IncorrectInstanceState",
        f"Instance '{instance}' cannot be stopped as it has never reached the 'running' state.",
    )
    assert set(refusals(client.stop_instances, InstanceIds=[instance])) == {said}


def test_associate_not_running(strict_about: Any) -> None:
    """E20: neither a pending nor a terminated instance takes an address."""
    client = strict_about("associate-not-running", "instance-states").client("ec2")
    instance, address = launch(client), client.allocate_address(Domain="vpc")["AllocationId"]
    given = {"AllocationId": address, "InstanceId": instance}
    pending = f"The pending instance '{instance}' is not in a valid state for this operation."
    assert set(refusals(client.associate_address, **given)) == {(400, "InvalidInstanceID", pending)}
    client.terminate_instances(InstanceIds=[instance])
    ended = pending.replace("pending", "terminated")
    assert refusal(client.associate_address, **given) == (400, "InvalidInstanceID", ended)


def test_address_quota(strict_about: Any) -> None:
    """E22: five addresses; one that is released makes room; the quota is per Region."""
    world = strict_about("address-quota")
    client = world.client("ec2")
    made = [client.allocate_address(Domain="vpc")["AllocationId"] for _ in range(5)]
    assert refusal(client.allocate_address) == (
        400,
        "AddressLimitExceeded",
        "The maximum number of addresses has been reached.",
    )
    assert world.client("ec2", "us-west-2").allocate_address()["AllocationId"]
    client.release_address(AllocationId=made[0])
    assert client.allocate_address()["AllocationId"]


def test_allocation_not_seen(strict_about: Any) -> None:
    """E27: a new allocation's id is unknown for a look or two; one that is gone is unknown in the same words."""
    client = strict_about("allocation-not-seen").client("ec2")
    address = client.allocate_address()["AllocationId"]
    said = (400, "InvalidAllocationID.NotFound", f"The allocation ID '{address}' does not exist")
    assert refusals(client.describe_addresses, AllocationIds=[address]) in ([said], [said, said])
    client.release_address(AllocationId=address)
    assert refusal(client.release_address, AllocationId=address) == said


def test_ec2_lists_lag(strict_about: Any) -> None:
    """E15, E27: some new instances and addresses are missing from a list that does not name them, for two looks."""
    client = strict_about("ec2-lists-lag").client("ec2")
    instances, addresses = [], []
    for _ in range(6):
        instance, address = launch(client), client.allocate_address()["AllocationId"]
        assert client.describe_instances(InstanceIds=[instance])["Reservations"]
        assert client.describe_addresses(AllocationIds=[address])["Addresses"]
        instances.append([instance in _listed_instances(client) for _ in range(3)])
        addresses.append([address in _listed_addresses(client) for _ in range(3)])
        client.release_address(AllocationId=address)
    moments = [[True] * 3, [False, True, True], [False, False, True]]
    assert all(one in moments for one in (*instances, *addresses))
    assert any(one[0] for one in instances)
    assert not all(one[0] for one in instances)


def _listed_instances(client: Any) -> list[str]:
    return [one["InstanceId"] for group in client.describe_instances()["Reservations"] for one in group["Instances"]]


def _listed_addresses(client: Any) -> list[str]:
    return [one["AllocationId"] for one in client.describe_addresses()["Addresses"]]


def test_release_in_use(strict_about: Any) -> None:
    """E23: an associated address is not released, whether the association was made or listed; then it is."""
    world = strict_about("release-in-use")
    client, by_hand = world.client("ec2"), world.by_hand("ec2")
    instance, address = launch(client), client.allocate_address()
    given = {"AllocationId": address["AllocationId"]}
    association = client.associate_address(**given, InstanceId=instance)["AssociationId"]
    said = (400, "InvalidIPAddress.InUse", f"Address {address['PublicIp']} is in use.")
    assert refusal(client.release_address, **given) == said
    client.disassociate_address(AssociationId=association)
    by_hand.associate_address(**given, InstanceId=instance)
    client.describe_addresses()
    assert refusal(client.release_address, **given) == said
    client.terminate_instances(InstanceIds=[instance])
    client.release_address(**given)


def test_release_just_freed(strict_about: Any) -> None:
    """E24: right after the end of its holder an address may be nobody's; how long is the seed's choice."""
    lasted = set()
    for seed in range(6):
        client = strict_about("release-just-freed", seed=seed).client("ec2")
        instance, address = launch(client), client.allocate_address()["AllocationId"]
        client.associate_address(AllocationId=address, InstanceId=instance)
        client.terminate_instances(InstanceIds=[instance])
        seen = refusals(client.release_address, AllocationId=address)
        assert set(seen) <= {(400, "AuthFailure", "You do not have permission to access the specified resource.")}
        lasted.add(len(seen))
    assert len(lasted) > 1


def test_group_not_seen(strict_about: Any) -> None:
    """E35: a new group's id is unknown for a look or two; a deleted one's in the same words."""
    client = strict_about("group-not-seen").client("ec2")
    group = client.create_security_group(GroupName="g", Description="d")["GroupId"]
    said = (400, "InvalidGroup.NotFound", f"The security group '{group}' does not exist")
    assert refusals(client.describe_security_groups, GroupIds=[group]) in ([said], [said, said])
    client.delete_security_group(GroupId=group)
    assert refusal(client.delete_security_group, GroupId=group) == said


def test_group_duplicate(strict_about: Any) -> None:
    """E33: the text names the VPC; a name cannot look like an id."""
    client = strict_about("group-duplicate").client("ec2")
    vpc = client.describe_vpcs()["Vpcs"][0]["VpcId"]
    given = {"GroupName": "g", "Description": "d", "VpcId": vpc}
    client.create_security_group(**given)
    assert refusal(client.create_security_group, **given) == (
        400,
        "InvalidGroup.Duplicate",
        f"The security group 'g' already exists for VPC '{vpc}'",
    )
    assert refusal(client.create_security_group, GroupName="sg-1", Description="d") == (
        400,
        "InvalidParameterValue",
        "Value (sg-1) for parameter GroupName is invalid. Group names may not be in the format sg-*.",
    )


def test_rule_duplicate(strict_about: Any) -> None:
    """E34: one duplicate keeps the whole batch out, however the rule became known."""
    world = strict_about("rule-duplicate")
    client, by_hand = world.client("ec2"), world.by_hand("ec2")
    group = client.create_security_group(GroupName="g", Description="d")["GroupId"]

    def add(*peers: str) -> None:
        client.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{**WEB, "IpRanges": [{"CidrIp": peer} for peer in peers]}]
        )

    def rules() -> list[str]:
        listed = by_hand.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
        return sorted(one["CidrIpv4"] for one in listed["SecurityGroupRules"] if not one["IsEgress"])

    add("10.0.0.0/16")
    text = 'the specified rule "peer: 10.0.0.0/16, TCP, from port: 80, to port: 80, ALLOW" already exists'
    with pytest.raises(ClientError) as error:
        add("10.1.0.0/16", "10.0.0.9/16")
    assert error.value.response["Error"] == {"Code": "InvalidPermission.Duplicate", "Message": text}
    assert rules() == ["10.0.0.0/16"]

    both = [{**WEB, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}]
    client.revoke_security_group_ingress(GroupId=group, IpPermissions=both)
    add("10.1.0.0/16", "10.0.0.0/16")
    by_hand.revoke_security_group_ingress(GroupId=group, IpPermissions=both)
    client.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    add("10.0.0.0/16")
    assert rules() == ["10.0.0.0/16", "10.1.0.0/16"]


def test_group_in_use(strict_about: Any) -> None:
    """E30: an interface holds its group, a while longer than it lives; so does another group's rule."""
    client = strict_about("group-in-use").client("ec2")
    group = client.create_security_group(GroupName="g", Description="d")["GroupId"]
    other = client.create_security_group(GroupName="h", Description="d")["GroupId"]
    said = (400, "DependencyViolation", f"resource {group} has a dependent object")
    instance = launch(client, SecurityGroupIds=[group])
    client.describe_instances()
    assert refusal(client.delete_security_group, GroupId=group) == said
    peers = [{**WEB, "UserIdGroupPairs": [{"GroupId": group}]}]
    client.authorize_security_group_ingress(GroupId=other, IpPermissions=peers)
    client.terminate_instances(InstanceIds=[instance])
    for _ in range(3):
        assert refusal(client.delete_security_group, GroupId=group) == said
    client.revoke_security_group_ingress(GroupId=other, IpPermissions=peers)
    assert refusals(client.delete_security_group, GroupId=group) in ([said], [said, said])


def test_group_in_use_is_believed_for_a_while_only(strict_about: Any) -> None:
    """An instance that somebody else ended unseen does not hold its group for ever."""
    world = strict_about("group-in-use")
    client = world.client("ec2")
    group = client.create_security_group(GroupName="g", Description="d")["GroupId"]
    instance = launch(client, SecurityGroupIds=[group])
    world.by_hand("ec2").terminate_instances(InstanceIds=[instance])
    assert 0 < len(refusals(client.delete_security_group, GroupId=group)) < 10


def test_dry_run(strict_about: Any) -> None:
    """E13: nothing happens, status 412."""
    client = strict_about("dry-run").client("ec2")
    assert refusal(client.allocate_address, DryRun=True) == (
        412,
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    )
    assert client.describe_addresses()["Addresses"] == []


def test_role_not_seen(strict_about: Any) -> None:
    """I7: what changes a new role does not find it for a try or two."""
    client = strict_about("role-not-seen").client("iam")
    client.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    client.create_instance_profile(InstanceProfileName="p")
    said = (404, "NoSuchEntity", "The role with name r cannot be found.")
    given = {"InstanceProfileName": "p", "RoleName": "r"}
    assert refusals(client.add_role_to_instance_profile, **given) in ([said], [said, said])
    policy = {"RoleName": "r", "PolicyName": "n", "PolicyDocument": POLICY}
    assert refusals(client.put_role_policy, **policy) in ([said], [said, said])


def test_a_new_role_may_not_be_read(strict_about: Any) -> None:
    """I7: GetRole misses it once, or not at all; then it is there for good."""
    seen = []
    for seed in range(4):
        client = strict_about("role-not-seen", seed=seed).client("iam")
        client.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        seen.append(refusals(client.get_role, RoleName="r"))
        assert refusals(client.get_role, RoleName="r") == []
    said = (404, "NoSuchEntity", "The role with name r cannot be found.")
    assert min(seen, key=len) == []
    assert max(seen, key=len) == [said]


def test_delete_conflict(strict_about: Any) -> None:
    """I5: what has just been emptied may still count as full; the three texts, status 409."""
    seen = []
    for seed in range(4):
        client = strict_about("delete-conflict", seed=seed).client("iam")
        client.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        client.create_instance_profile(InstanceProfileName="p")
        client.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
        arn = client.create_policy(PolicyName="m", PolicyDocument=POLICY)["Policy"]["Arn"]
        client.attach_role_policy(RoleName="r", PolicyArn=arn)
        client.put_role_policy(RoleName="r", PolicyName="n", PolicyDocument=POLICY)
        client.remove_role_from_instance_profile(InstanceProfileName="p", RoleName="r")
        client.detach_role_policy(RoleName="r", PolicyArn=arn)
        client.delete_role_policy(RoleName="r", PolicyName="n")
        seen += refusals(client.delete_instance_profile, InstanceProfileName="p")
        seen += refusals(client.delete_role, RoleName="r")
    assert set(seen) == {
        (409, "DeleteConflict", f"Cannot delete entity, must {what} first.")
        for what in ("remove roles from instance profile", "detach all policies", "delete policies")
    }


def test_role_shape(strict_about: Any) -> None:
    """I3: each call shows its own part of a role."""
    client = strict_about("role-shape").client("iam")
    made = client.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]
    tagged = client.create_role(RoleName="t", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "k", "Value": "v"}])["Role"]
    assert {"MaxSessionDuration", "RoleLastUsed", "Tags"} & set(made) == set()
    assert tagged["Tags"] == [{"Key": "k", "Value": "v"}]
    got = client.get_role(RoleName="r")["Role"]
    assert (got["MaxSessionDuration"], got["RoleLastUsed"]) == (3600, {})
    for listed in client.list_roles()["Roles"]:
        assert {"Tags", "RoleLastUsed", "PermissionsBoundary"} & set(listed) == set()


def test_a_lost_answer_took_effect(strict_about: Any) -> None:
    """The call is made and its connection breaks; a call that was refused is not the one whose answer is lost."""
    world = strict_about("address-quota")
    client = world.client("ec2", attempts=1)
    world.account.conditions.address_quota = 0
    world.account.lose_answer("AllocateAddress")
    assert refusal(client.allocate_address)[1] == "AddressLimitExceeded"
    world.account.conditions.address_quota = 5
    with pytest.raises(ConnectionClosedError):
        client.allocate_address()
    assert len(client.describe_addresses()["Addresses"]) == 1
    assert client.allocate_address()["AllocationId"]


def test_killed_after_what_took_effect(strict_about: Any) -> None:
    """The process dies when the call has taken effect, not when it is refused; and then makes no call at all."""
    world = strict_about("address-quota")
    client = world.client("ec2")
    world.account.kill_after("AllocateAddress")
    world.account.conditions.address_quota = 0
    assert refusal(client.allocate_address)[1] == "AddressLimitExceeded"
    world.account.conditions.address_quota = 5
    for method in (client.allocate_address, client.describe_addresses):
        with pytest.raises(world.Killed):
            method()
    assert len(world.by_hand("ec2").describe_addresses()["Addresses"]) == 1
