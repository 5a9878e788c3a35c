"""EC2's network: what every AWS Region starts with and moto's does not, Elastic IPs, security groups in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from moto.core.responses import ActionResult
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.responses import EC2Response

from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.world import CHECKER_RANGE, World

if TYPE_CHECKING:
    from moto.ec2.models.elastic_ip_addresses import ElasticAddress
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface

FIRST_ADDRESS, LAST_ADDRESS = 128, 254
"""Last octets of the public addresses in this cloud's /24."""

ADDRESS_QUOTA = 5
"""Elastic IPs in a Region (aws-facts 4.5)."""

ENDED = ("shutting-down", "terminated")


def prepared(world: World, region: str) -> EC2Backend:
    """A Region's backend, with what AWS puts into it: the default VPC's way out, the health checkers' prefix list."""
    backend = ec2_backends[world.settings.account][region]
    if region in world.memory.prepared:
        return backend
    world.memory.prepared.add(region)
    if vpc := backend.get_default_vpc():  # an internet gateway, a route to it (AWS: "Default VPC components")
        gateway = backend.create_internet_gateway()
        backend.attach_internet_gateway(gateway.id, vpc.id)
        table = backend.describe_route_tables(filters={"vpc-id": [vpc.id], "association.main": ["true"]})[0]
        backend.create_route(table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id)
    prefix_list = backend.create_managed_prefix_list(  # aws-facts 3; shape: aws-recorded E37
        address_family="IPv4",
        entry=[{"Cidr": CHECKER_RANGE, "Description": "default"}],
        prefix_list_name=f"com.amazonaws.{region}.route53-healthchecks",
        owner_id="AWS",
    )
    prefix_list.version = None
    return backend


def take_address(world: World) -> str:
    """A public address that nobody has, the next one in turn; raises ApiError when all are taken."""
    taken = set(world.memory.automatic.values())
    taken.update(address.public_ip for backend in world.backends("ec2").values() for address in backend.addresses)
    for step in range(1, LAST_ADDRESS - FIRST_ADDRESS + 2):
        octet = FIRST_ADDRESS + (world.memory.last_address + step - FIRST_ADDRESS) % (LAST_ADDRESS - FIRST_ADDRESS + 1)
        address = f"{world.settings.subnet}.{octet}"
        if address not in taken:
            world.memory.last_address = octet
            return address
    raise ApiError("AddressLimitExceeded", "The maximum number of addresses has been reached.")


def settle_addresses(world: World, backend: EC2Backend) -> None:
    """Give every instance its public address: its Elastic IP, else an automatic one while it runs, else none.

    Associating an Elastic IP, and every stop, gives the automatic address up for good (aws-facts 4.4, 4.5).
    """
    elastic = {nic.id: address.public_ip for nic, address in _holders(backend)}
    automatic = world.memory.automatic
    for instance in backend.all_instances():
        nic = instance.nics.get(0)
        if nic is None:
            continue
        nic.public_ip = elastic.get(nic.id)
        wants_one = nic.public_ip is None and str(nic.public_ip_auto_assign).lower() == "true"
        if not wants_one or instance.state not in ("pending", "running"):
            automatic.pop(instance.id, None)
        else:
            if instance.id not in automatic:
                automatic[instance.id] = take_address(world)
            nic.public_ip = automatic[instance.id]


def _holders(backend: EC2Backend) -> Iterator[tuple[NetworkInterface, ElasticAddress]]:
    """Every associated Elastic IP with the interface that has it."""
    for address in backend.addresses:
        nic: NetworkInterface | None = address.eni  # moto's own annotation says None only
        if nic is not None:
            yield nic, address


class Network(EC2Response):
    """Elastic IPs and security groups."""

    world: World

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
        """Rows E20, E21 for an instance that is not there yet or no more; else addresses move silently."""
        nic = self._interface()
        if nic is not None:
            wanted = (self._get_param("AllocationId"), self._get_param("PublicIp"))
            detach(self.ec2_backend, nic, keep=wanted)
        self.params.setdefault("AllowReassociation", True)
        result = super().associate_address()
        settle_addresses(self.world, self.ec2_backend)
        return result

    def _interface(self) -> NetworkInterface | None:
        """The interface that is to get an address, in a state that allows it; None lets moto say what is missing."""
        instance_id, nic_id = self._get_param("InstanceId"), self._get_param("NetworkInterfaceId")
        if instance_id:
            instance = self.ec2_backend.get_instance(instance_id)
            if instance.state in ("pending", *ENDED):
                word = "pending" if instance.state == "pending" else "terminated"
                text = f"The {word} instance '{instance_id}' is not in a valid state for this operation."
                raise ApiError("InvalidInstanceID", text)
            return instance.nics[0]
        nic = self.ec2_backend.get_network_interface(nic_id) if nic_id else None
        if nic is not None and nic.instance is not None and nic.instance.state == "pending":
            raise ApiError(
                "IncorrectInstanceState",
                f"The pending-instance-creation instance to which '{nic_id}' is attached is not in a valid state "
                "for this operation",
            )
        return nic

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
        group_id, name = self._get_param("GroupId"), self._get_param("GroupName")
        group = self.ec2_backend.get_security_group_from_name(name) if name and not group_id else None
        if group:
            group_id = group.id
        if group_id and _is_in_use(self.ec2_backend, group_id):
            raise ApiError("DependencyViolation", f"resource {group_id} has a dependent object")
        return super().delete_security_group()


def detach(backend: EC2Backend, nic: NetworkInterface, keep: tuple[str | None, str | None] = (None, None)) -> None:
    """Take any Elastic IP off an interface, except the one with the allocation id or address to keep."""
    for holder, address in _holders(backend):
        if holder.id == nic.id and address.allocation_id != keep[0] and address.public_ip != keep[1]:
            address.instance = address.eni = address.association_id = None


def _is_in_use(backend: EC2Backend, group_id: str) -> bool:
    """Whether an interface of an instance that is not terminated, a free interface, or another group's rule uses it."""
    lasting = (instance for instance in backend.all_instances() if instance.state != "terminated")
    used = [group for nic in backend.enis.values() for group in nic.group_set]
    used += [group for instance in lasting for group in instance.security_groups]
    others = (group for groups in backend.groups.values() for group in groups.values() if group.id != group_id)
    rules = (rule for group in others for rule in (*group.ingress_rules, *group.egress_rules))
    return any(group.id == group_id for group in used) or any(
        rule.source_group.get("GroupId") == group_id for rule in rules
    )
