"""EC2 of the local cloud: launch rules, states that follow the machines, addresses, what is in use."""

from __future__ import annotations

import base64
from typing import Any

import pytest


def test_an_instance_is_what_its_machine_is(cloud: Any) -> None:
    """Pending, running, stopping, stopped, pending, shutting down, terminated: each when the machine says so."""
    ec2, instance = cloud.client("ec2"), cloud.launch()
    states = [cloud.instance(instance)["State"]["Name"]]
    for call, report in (
        (None, "running"),
        (ec2.stop_instances, "stopped"),
        (ec2.start_instances, "running"),
        (ec2.terminate_instances, "terminated"),
    ):
        if call is not None:
            call(InstanceIds=[instance])
            states.append(cloud.instance(instance)["State"]["Name"])
        cloud.report(report)
        states.append(cloud.instance(instance)["State"]["Name"])
    assert states == ["pending", "running", "stopping", "stopped", "pending", "running", "shutting-down", "terminated"]
    assert cloud.data.last.machines == ()


def test_the_data_plane_hears_what_each_machine_should_be(cloud: Any) -> None:
    """A snapshot after every call that changes something, none after one that does not."""
    ec2 = cloud.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    instance = cloud.launch(SecurityGroupIds=[group], UserData="#cloud-config\n")
    rule = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8081, "IpRanges": [{"CidrIp": "127.0.0.1/32"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    (machine,) = cloud.data.last.machines
    assert (machine.id, machine.zone, machine.state, machine.ports) == (instance, "us-east-1a", "running", (8080, 8081))
    assert base64.b64decode(machine.user_data) == b"#cloud-config\n"
    assert machine.public_address == cloud.instance(instance)["PublicIpAddress"]
    assert machine.private_address == cloud.instance(instance)["PrivateIpAddress"]
    sent = len(cloud.data.snapshots)
    ec2.describe_instances()
    ec2.create_tags(Resources=[instance], Tags=[{"Key": "k", "Value": "v"}])
    assert len(cloud.data.snapshots) == sent


def test_groups_of_an_interface_are_the_instances_groups(cloud: Any) -> None:
    """An instance launched with interfaces shows their groups as its own, so that others can take them over."""
    ec2 = cloud.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    launched = ec2.run_instances(
        ImageId=ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"],
        InstanceType="t2.micro",
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group]}],
    )["Instances"][0]["InstanceId"]
    assert [one["GroupId"] for one in cloud.instance(launched)["SecurityGroups"]] == [group]


def test_a_data_plane_that_refuses_does_not_undo_the_call(cloud: Any) -> None:
    """The call succeeds, and the next snapshot carries its change as well."""
    cloud.data.is_broken = True
    first = cloud.launch()
    cloud.data.is_broken = False
    second = cloud.launch()
    assert {machine.id for machine in cloud.data.last.machines} == {first, second}


def test_late_news_of_a_machine_changes_nothing(cloud: Any) -> None:
    """A machine that came up after TerminateInstances does not bring its instance back."""
    instance = cloud.launch()
    cloud.client("ec2").terminate_instances(InstanceIds=[instance])
    cloud.report("running")
    assert cloud.instance(instance)["State"]["Name"] == "shutting-down"


def test_a_hard_stop_reaches_the_machine(cloud: Any) -> None:
    """SkipOsShutdown is what the data plane needs to know until the next start."""
    ec2, instance = cloud.client("ec2"), cloud.launch()
    cloud.report("running")
    ec2.stop_instances(InstanceIds=[instance], SkipOsShutdown=True)
    assert [(machine.state, machine.hard) for machine in cloud.data.last.machines] == [("stopped", True)]
    cloud.report("stopped")
    ec2.start_instances(InstanceIds=[instance])
    assert [(machine.state, machine.hard) for machine in cloud.data.last.machines] == [("running", False)]


@pytest.mark.parametrize(
    ("behavior", "states"), [("stop", ["stopped"]), ("terminate", ["shutting-down", "terminated"])]
)
def test_a_machine_that_powers_itself_off_ends_as_its_instance_says(
    cloud: Any, behavior: str, states: list[str]
) -> None:
    """InstanceInitiatedShutdownBehavior decides, also when it was changed after the launch; with AWS's reason."""
    ec2, instance = cloud.client("ec2"), cloud.launch(InstanceInitiatedShutdownBehavior="stop")
    attribute = "instanceInitiatedShutdownBehavior"
    ec2.modify_instance_attribute(InstanceId=instance, Attribute=attribute, Value=behavior)
    answer = ec2.describe_instance_attribute(InstanceId=instance, Attribute=attribute)
    assert answer["InstanceInitiatedShutdownBehavior"] == {"Value": behavior}
    cloud.report("running")
    seen = []
    for state in ("stopped", "terminated"):
        cloud.report(state)
        seen.append(cloud.instance(instance)["State"]["Name"])
        assert cloud.instance(instance)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert list(dict.fromkeys(seen)) == states


def test_states_that_do_not_allow_a_call_refuse_it(cloud: Any, refusal: Any) -> None:
    """Row E16 for a stop too early, and a start while stopping."""
    ec2, instance = cloud.client("ec2"), cloud.launch()
    code, text = refusal(ec2.stop_instances, InstanceIds=[instance])[1:]
    assert (code, text) == (
        "IncorrectInstanceState",
        f"Instance '{instance}' cannot be stopped as it has never reached the 'running' state.",
    )
    cloud.report("running")
    ec2.stop_instances(InstanceIds=[instance])
    assert refusal(ec2.start_instances, InstanceIds=[instance])[1] == "IncorrectInstanceState"
    assert refusal(ec2.stop_instances, InstanceIds=["i-0123456789abcdef0"])[1] == "InvalidInstanceID.NotFound"


def test_a_client_token_launches_once(cloud: Any, refusal: Any) -> None:
    """Rows E11 and E12: same token and parameters, same instance; else, and for a dead one, refused."""
    first = cloud.launch(ClientToken="t")
    assert cloud.launch(ClientToken="t") == first
    assert refusal(cloud.launch, ClientToken="t", KeyName="k")[1] == "IdempotentParameterMismatch"
    assert cloud.launch(ClientToken="u") != first
    cloud.client("ec2").terminate_instances(InstanceIds=[first])
    cloud.report("terminated")
    assert refusal(cloud.launch, ClientToken="t")[1] == "IdempotentInstanceTerminated"


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"UserData": "x" * 16385}, "InvalidParameterValue", "User data is limited to 16384 bytes"),
        (
            {"IamInstanceProfile": {"Name": "nobody"}},
            "InvalidParameterValue",
            "Value (nobody) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
        ),
        (
            {"ImageId": "ami-0123456789abcdef0"},
            "InvalidAMIID.NotFound",
            "The image id '[ami-0123456789abcdef0]' does not exist",
        ),
        (
            {"InstanceType": "t2.gigantic"},
            "Unsupported",
            "(t2.gigantic) is not supported in your requested Availability Zone",
        ),
    ],
    ids=["E8", "E1", "E10", "E4"],
)
def test_a_launch_that_aws_refuses_is_refused(
    cloud: Any, refusal: Any, changes: dict[str, Any], code: str, text: str
) -> None:
    """In the row's words, and nothing is launched."""
    status, found, message = refusal(cloud.launch, **changes)
    assert (status, found) == (400, code)
    assert text in message
    assert not cloud.client("ec2").describe_instances()["Reservations"]


def test_user_data_of_the_full_size_is_accepted(cloud: Any) -> None:
    """16,384 bytes, binary or not, arrive whole."""
    data = bytes(range(256)) * 64
    cloud.launch(UserData=data)
    assert base64.b64decode(cloud.data.last.machines[0].user_data) == data


def test_an_automatic_address_changes_over_stop_and_start(cloud: Any) -> None:
    """None while stopped, another one afterwards, all from this cloud's range (aws-facts 4.4)."""
    ec2, instance = cloud.client("ec2"), cloud.launch()
    cloud.report("running")
    before = cloud.instance(instance)["PublicIpAddress"]
    ec2.stop_instances(InstanceIds=[instance])
    cloud.report("stopped")
    assert "PublicIpAddress" not in cloud.instance(instance)
    ec2.start_instances(InstanceIds=[instance])
    after = cloud.instance(instance)["PublicIpAddress"]
    assert before != after
    assert all(
        address.startswith("127.53.0.") and 128 <= int(address.split(".")[3]) <= 254 for address in (before, after)
    )


def test_an_elastic_ip_stays_over_stop_and_start_until_it_is_taken_off(cloud: Any, refusal: Any) -> None:
    """The association survives; an address in use is not released (E23); termination frees it."""
    ec2, instance = cloud.client("ec2"), cloud.launch()
    address = ec2.allocate_address(Domain="vpc")
    association = {"InstanceId": instance, "AllocationId": address["AllocationId"]}
    code, text = refusal(ec2.associate_address, **association)[1:]
    assert (code, text) == (
        "InvalidInstanceID",
        f"The pending instance '{instance}' is not in a valid state for this operation.",
    )
    cloud.report("running")
    ec2.associate_address(**association)
    ec2.stop_instances(InstanceIds=[instance])
    cloud.report("stopped")
    assert cloud.instance(instance)["PublicIpAddress"] == address["PublicIp"]
    ec2.start_instances(InstanceIds=[instance])
    cloud.report("running")
    assert cloud.data.last.machines[0].public_address == address["PublicIp"]
    released = {"AllocationId": address["AllocationId"]}
    assert refusal(ec2.release_address, **released)[1:] == (
        "InvalidIPAddress.InUse",
        f"Address {address['PublicIp']} is in use.",
    )
    ec2.terminate_instances(InstanceIds=[instance])
    ec2.release_address(**released)
    assert ec2.describe_addresses()["Addresses"] == []


def test_an_elastic_ip_moves_between_instances(cloud: Any) -> None:
    """Associating it elsewhere takes it off silently; who had it has an automatic address of this cloud again."""
    ec2 = cloud.client("ec2")
    one, two = cloud.launch(), cloud.launch()
    cloud.report("running")
    address = ec2.allocate_address(Domain="vpc")
    for instance in (one, two):
        ec2.associate_address(InstanceId=instance, AllocationId=address["AllocationId"])
    assert cloud.instance(two)["PublicIpAddress"] == address["PublicIp"]
    assert cloud.instance(one)["PublicIpAddress"] not in ("", address["PublicIp"])
    ec2.disassociate_address(PublicIp=address["PublicIp"])
    assert cloud.instance(two)["PublicIpAddress"].startswith("127.53.0.")
    assert cloud.instance(two)["PublicIpAddress"] != address["PublicIp"]


def test_a_region_has_five_elastic_ips(cloud: Any, refusal: Any) -> None:
    """Row E22, in each Region for itself, and no address twice."""
    ec2 = cloud.client("ec2")
    addresses = {ec2.allocate_address(Domain="vpc")["PublicIp"] for _ in range(5)}
    assert refusal(ec2.allocate_address)[1:] == (
        "AddressLimitExceeded",
        "The maximum number of addresses has been reached.",
    )
    addresses.add(cloud.client("ec2", region="eu-west-1").allocate_address(Domain="vpc")["PublicIp"])
    assert len(addresses) == 6


def test_a_security_group_in_use_stays_until_its_machine_has_ended(cloud: Any, refusal: Any) -> None:
    """Row E30, for instances and for other groups' rules."""
    ec2 = cloud.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    used, other = (ec2.create_security_group(GroupName=n, Description=n, VpcId=vpc)["GroupId"] for n in ("a", "b"))
    instance = cloud.launch(SecurityGroupIds=[used])
    expected = ("DependencyViolation", f"resource {used} has a dependent object")
    assert refusal(ec2.delete_security_group, GroupId=used)[1:] == expected
    ec2.terminate_instances(InstanceIds=[instance])
    assert refusal(ec2.delete_security_group, GroupId=used)[1:] == expected
    cloud.report("terminated")
    pair = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": used}]}]
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=pair)
    assert refusal(ec2.delete_security_group, GroupId=used)[1:] == expected
    ec2.delete_security_group(GroupId=other)
    ec2.delete_security_group(GroupId=used)


def test_a_terminated_instance_leaves_nothing_behind(cloud: Any) -> None:
    """Its interface and root volume go with it."""
    ec2 = cloud.client("ec2")
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "VolumeType": "gp3", "VolumeSize": 8}}]
    instance = cloud.launch(BlockDeviceMappings=mapping)
    ec2.terminate_instances(InstanceIds=[instance])
    cloud.report("terminated")
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_the_default_vpc_has_a_way_out_and_the_region_its_prefix_list(cloud: Any) -> None:
    """What every AWS account starts with, in every Region."""
    for region in ("us-east-1", "eu-west-1"):
        ec2 = cloud.client("ec2", region=region)
        (table,) = ec2.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}])["RouteTables"]
        routes = {route["DestinationCidrBlock"]: route["GatewayId"] for route in table["Routes"]}
        (gateway,) = ec2.describe_internet_gateways()["InternetGateways"]
        assert routes["0.0.0.0/0"] == gateway["InternetGatewayId"]
        assert gateway["Attachments"][0]["VpcId"] == table["VpcId"]
        name = f"com.amazonaws.{region}.route53-healthchecks"
        filters = [{"Name": "prefix-list-name", "Values": [name]}]
        (prefix_list,) = ec2.describe_managed_prefix_lists(Filters=filters)["PrefixLists"]
        assert prefix_list["OwnerId"] == "AWS"
        entries = ec2.get_managed_prefix_list_entries(PrefixListId=prefix_list["PrefixListId"])["Entries"]
        assert [entry["Cidr"] for entry in entries] == ["127.0.0.0/8"]


def test_console_output_is_the_machines_own(cloud: Any) -> None:
    """From the data plane, in base64 on the wire as AWS sends it."""
    instance = cloud.launch()
    assert cloud.client("ec2").get_console_output(InstanceId=instance)["Output"] == f"console of {instance}"


def test_dry_run_changes_nothing(cloud: Any, refusal: Any) -> None:
    """DryRunOperation, and no instance (aws-facts 4.1)."""
    assert refusal(cloud.launch, DryRun=True)[1] == "DryRunOperation"
    assert not cloud.client("ec2").describe_instances()["Reservations"]
