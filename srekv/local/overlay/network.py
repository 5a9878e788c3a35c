"""EC2's network: what every AWS Region starts with and moto's does not, Elastic IPs from loopback, security groups in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.core.responses import ActionResult
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.responses import EC2Response

from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.world import World

if TYPE_CHECKING:
    from moto.ec2.models.instances import Instance

FIRST_ADDRESS, LAST_ADDRESS = 128, 254
"""Last octets of the public addresses in this cloud's /24."""

ADDRESS_QUOTA = 5
"""Elastic IPs in a Region (aws-facts 4.5)."""

CHECKER_RANGE = "127.0.0.0/8"
"""Where this cloud's health checkers call from."""

ENDED = ("shutting-down", "terminated")


def warm(world: World) -> None:
    """Prepare the default Region, so that the first request does not wait for it."""
    from moto.core.utils import get_service_model

    get_service_model("ec2")
    with world.lock:
        prepared(world, world.settings.region)


def prepared(world: World, region: str) -> EC2Backend:
    """A Region's backend, with what AWS puts into it: the default VPC's way out, the health checkers' prefix list."""
    backend = ec2_backends[world.settings.account][region]
    if region not in world.memory.prepared:
        world.memory.prepared.add(region)
        _open_default_vpc(backend)
        _add_checker_list(backend, region)
    return backend


def _open_default_vpc(backend: EC2Backend) -> None:
    """An internet gateway and a default route in the main route table (AWS: "Default VPC components")."""
    vpc = backend.get_default_vpc()
    if vpc is None:
        return
    gateway = backend.create_internet_gateway()
    backend.attach_internet_gateway(gateway.id, vpc.id)
    table = backend.describe_route_tables(filters={"vpc-id": [vpc.id], "association.main": ["true"]})[0]
    backend.create_route(table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id)


def _add_checker_list(backend: EC2Backend, region: str) -> None:
    """The AWS-managed prefix list of the Route 53 health checkers (aws-facts 3; shape: aws-recorded E37)."""
    prefix_list = backend.create_managed_prefix_list(
        address_family="IPv4",
        entry=[{"Cidr": CHECKER_RANGE, "Description": "default"}],
        prefix_list_name=f"com.amazonaws.{region}.route53-healthchecks",
        owner_id="AWS",
    )
    prefix_list.version = None


def take_address(world: World) -> str:
    """A public address that nobody has, the next one in turn.

    Raises:
        ApiError: AddressLimitExceeded when all are taken.
    """
    taken = set(world.memory.automatic.values())
    taken.update(address.public_ip for backend in world.ec2().values() for address in backend.addresses)
    for step in range(1, LAST_ADDRESS - FIRST_ADDRESS + 2):
        octet = FIRST_ADDRESS + (world.memory.last_address + step - FIRST_ADDRESS) % (LAST_ADDRESS - FIRST_ADDRESS + 1)
        address = f"{world.settings.subnet}.{octet}"
        if address not in taken:
            world.memory.last_address = octet
            return address
    raise ApiError("AddressLimitExceeded", "The maximum number of addresses has been reached.")


def settle_addresses(world: World, backend: EC2Backend) -> None:
    """Give every instance the public address it must have: its Elastic IP, else an automatic one while it runs, else none."""
    elastic = {address.instance.id: address for address in backend.addresses if address.instance is not None}
    for instance in backend.all_instances():
        nic = instance.nics.get(0)
        if nic is not None:
            nic.public_ip = _public_address(
                world, instance, elastic[instance.id].public_ip if instance.id in elastic else None
            )


def _public_address(world: World, instance: Instance, elastic: str | None) -> str | None:
    """Associating an Elastic IP, and every stop, gives the automatic address up for good (aws-facts 4.4, 4.5)."""
    automatic = world.memory.automatic
    wants_one = str(instance.nics[0].public_ip_auto_assign).lower() == "true"
    if elastic is not None or not wants_one or instance.state not in ("pending", "running"):
        automatic.pop(instance.id, None)
        return elastic
    if instance.id not in automatic:
        automatic[instance.id] = take_address(world)
    return automatic[instance.id]


class Network(EC2Response):
    """Elastic IPs and security groups."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    @property
    def ec2_backend(self) -> EC2Backend:
        """The Region's backend, prepared."""
        return prepared(self.world, self.region)

    def allocate_address(self) -> ActionResult:
        """Addresses are this cloud's own. Row E22: five in a Region."""
        if len(self.ec2_backend.addresses) >= ADDRESS_QUOTA:
            raise ApiError("AddressLimitExceeded", "The maximum number of addresses has been reached.")
        self.params["Address"] = take_address(self.world)
        return super().allocate_address()

    def associate_address(self) -> ActionResult:
        """Row E20 for an instance that is not there yet or no more; otherwise an address moves silently (aws-facts 4.5)."""
        instance_id = self._get_param("InstanceId")
        if instance_id:
            instance = self.ec2_backend.get_instance(instance_id)
            if instance.state in ("pending", *ENDED):
                word = "pending" if instance.state == "pending" else "terminated"
                raise ApiError(
                    "InvalidInstanceID",
                    f"The {word} instance '{instance_id}' is not in a valid state for this operation.",
                )
            self._free_instance(instance)
        self.params.setdefault("AllowReassociation", True)
        result = super().associate_address()
        settle_addresses(self.world, self.ec2_backend)
        return result

    def _free_instance(self, instance: Instance) -> None:
        """An instance's primary interface has one Elastic IP: another one replaces it."""
        wanted = (self._get_param("AllocationId"), self._get_param("PublicIp"))
        for address in self.ec2_backend.addresses:
            if address.instance is instance and address.allocation_id != wanted[0] and address.public_ip != wanted[1]:
                detach(address)

    def disassociate_address(self) -> ActionResult:
        """As moto, with the automatic address of a running instance coming from this cloud's range."""
        result = super().disassociate_address()
        settle_addresses(self.world, self.ec2_backend)
        return result

    def release_address(self) -> ActionResult:
        """Row E23: an address in use is not released."""
        allocation, public_ip = self._get_param("AllocationId"), self._get_param("PublicIp")
        for address in self.ec2_backend.addresses:
            if address.association_id and (address.allocation_id == allocation or address.public_ip == public_ip):
                raise ApiError("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")
        return super().release_address()

    def delete_security_group(self) -> ActionResult:
        """Row E30: a group that an interface has or another group's rule names is not deleted."""
        group_id = self._get_param("GroupId") or self._group_called(self._get_param("GroupName"))
        if group_id and group_in_use(self.ec2_backend, group_id):
            raise ApiError("DependencyViolation", f"resource {group_id} has a dependent object")
        return super().delete_security_group()

    def _group_called(self, name: str | None) -> str | None:
        group = self.ec2_backend.get_security_group_from_name(name) if name else None
        return group.id if group else None


def detach(address: object) -> None:
    """Take an Elastic IP off whatever has it."""
    for member in ("instance", "eni", "association_id"):
        setattr(address, member, None)


def group_in_use(backend: EC2Backend, group_id: str) -> bool:
    """Whether an interface of an instance that is not terminated, a free interface, or another group's rule uses it."""
    for nic in backend.enis.values():
        if any(group.id == group_id for group in nic.group_set):
            return True
    for instance in backend.all_instances():
        if instance.state != "terminated" and any(group.id == group_id for group in instance.security_groups):
            return True
    others = (group for groups in backend.groups.values() for group in groups.values() if group.id != group_id)
    return any(
        rule.source_group.get("GroupId") == group_id
        for group in others
        for rule in (*group.ingress_rules, *group.egress_rules)
    )
