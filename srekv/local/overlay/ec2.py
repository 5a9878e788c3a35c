"""EC2 with AWS's launch rules, instances whose states follow real machines, and what every Region starts with."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Container, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.ec2.models.instances import Instance, StateReason
from moto.ec2.responses import EC2Response

from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.world import CHECKER_RANGE, Launch, World

if TYPE_CHECKING:
    from moto.ec2.models.elastic_ip_addresses import ElasticAddress
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface

USER_DATA_LIMIT = 16384  # bytes before base64 (aws-recorded E8)
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

_FROM = {"running": ("pending",), "stopped": ("pending", "running", "stopping"), "terminated": ("shutting-down",)}
"""What a machine reports -> the states from which its instance follows; in any other it is late news."""

FIRST_ADDRESS, LAST_ADDRESS = 128, 254
"""Last octets of the public addresses in this cloud's /24."""

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
    """A free public address, the next one in turn; raises ApiError when all are taken."""
    taken = set(world.memory.automatic.values())
    taken.update(address.public_ip for backend in world.backends("ec2").values() for address in backend.addresses)
    last = world.memory.last_address
    for octet in (*range(last + 1, LAST_ADDRESS + 1), *range(FIRST_ADDRESS, last + 1)):
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
        nic: NetworkInterface | None = address.eni  # moto's own annotation is None only
        if nic is not None:
            yield nic, address


def _set_state(instance: Instance, name: str) -> None:
    instance.instance_state.name = name
    instance.instance_state.code = CODES[name]


def follow(world: World, machine: str, state: str) -> None:
    """A machine reports its state: its instance follows. Reports that a later request has overtaken change nothing."""
    with world.lock:
        for backend in world.backends("ec2").values():
            instance = backend.get_instance_by_id(machine)
            if not instance or instance.state not in _FROM.get(state, ()):
                continue
            following = _ended_itself(backend, instance) if (instance.state, state) == ("running", "stopped") else state
            _set_state(instance, following)
            if following == "running":
                world.memory.ran.add(machine)
            settle_addresses(world, backend)


def _ended_itself(backend: EC2Backend, instance: Instance) -> str:
    """The state of an instance whose machine went off by itself, by its InstanceInitiatedShutdownBehavior."""
    is_terminated = instance.instance_initiated_shutdown_behavior == "terminate"
    if is_terminated:
        _terminate(backend, instance)
    else:
        instance.stop()
    code = "Client.InstanceInitiatedShutdown"
    instance.state_reason = StateReason(f"{code}: Instance initiated shutdown", code)
    return "shutting-down" if is_terminated else "stopped"


def _terminate(backend: EC2Backend, instance: Instance) -> None:
    """End an instance for good; its Elastic IP is free at once."""
    for nic in instance.nics.values():
        detach(backend, nic)
    instance.terminate()


class Ec2(EC2Response):
    """Instances, Elastic IPs and security groups."""

    world: World

    @property
    def ec2_backend(self) -> EC2Backend:
        """The Region's backend, prepared."""
        return prepared(self.world, self.region)

    # Instances

    def run_instances(self) -> ActionResult:
        """Launch once per client token, within AWS's rules; the instances stay pending until their machines run."""
        token = self._get_param("ClientToken")
        compared = {name: value for name, value in self.params.items() if name not in ("ClientToken", "DryRun")}
        params = json.dumps(compared, sort_keys=True, default=str)
        known = self.world.memory.launches.get((self.region, token)) if token else None
        if known is not None:
            return ActionResult(self._launched_before(known, params))
        self._check_launch()
        result = super().run_instances()
        reservation: Any = result.result
        for instance in reservation.instances:
            _set_state(instance, "pending")
            _keep_nothing(instance, self.params)
            # AWS shows an instance's groups and those of its interfaces; moto only where no interface was given.
            groups = [group for interface in instance.nics.values() for group in interface.group_set]
            instance.security_groups = instance.security_groups or groups
        if token:
            self.world.memory.launches[self.region, token] = Launch(params=params, reservation=reservation.id)
        settle_addresses(self.world, self.ec2_backend)
        return result

    def _launched_before(self, known: Launch, params: str) -> Any:
        """Rows E11 and E12."""
        if known.params != params:
            text = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
            raise ApiError("IdempotentParameterMismatch", text)
        reservation = self.ec2_backend.reservations[known.reservation]
        if all(instance.state == "terminated" for instance in reservation.instances):
            text = "The client token you have provided is associated with a terminated instance."
            raise ApiError("IdempotentInstanceTerminated", f"{text} Please use a different client token.")
        return reservation

    def _check_launch(self) -> None:
        """Rows E1, E2, E4, E8, E10: what AWS refuses and moto does not."""
        if len(base64.b64decode(str(self._get_param("UserData") or ""))) > USER_DATA_LIMIT:
            raise ApiError("InvalidParameterValue", f"User data is limited to {USER_DATA_LIMIT} bytes")
        if image := self._get_param("ImageId"):
            self.ec2_backend.describe_images(ami_ids=[image])
        self._check_profile()
        self._check_offering()

    def _check_profile(self) -> None:
        name, arn = self._get_param("IamInstanceProfile.Name"), self._get_param("IamInstanceProfile.Arn")
        if not (name or arn):
            return
        profile = next((one for one in self.world.profiles() if one.name == name or one.arn == arn), None)
        if profile is None:
            kind, member = ("name", "name") if name else ("ARN", "arn")
            text = f"Value ({name or arn}) for parameter iamInstanceProfile.{member} is invalid."
            raise ApiError("InvalidParameterValue", f"{text} Invalid IAM Instance Profile {kind}")
        if not profile.roles:
            raise ApiError("InvalidParameterValue", f'IAM Instance Profile "{profile.arn}" has no associated IAM Roles')

    def _check_offering(self) -> None:
        kind = self._get_param("InstanceType")
        nics = self._get_param("NetworkInterfaces") or []
        subnet_id = self._get_param("SubnetId") or next((nic["SubnetId"] for nic in nics if "SubnetId" in nic), None)
        zone = self._get_param("Placement.AvailabilityZone")
        if subnet_id:
            zone = self.ec2_backend.get_subnet(subnet_id).availability_zone
        offers = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(self.region, [])
        zones = sorted({offer["Location"] for offer in offers if offer["InstanceType"] == kind})
        if kind and zone and offers and zone not in zones:
            text = f"Your requested instance type ({kind}) is not supported in your requested Availability Zone"
            advice = f"Please retry your request by not specifying an Availability Zone or choosing {', '.join(zones)}."
            raise ApiError("Unsupported", f"{text} ({zone}). {advice}")

    def start_instances(self) -> ActionResult:
        """A stopped instance becomes pending; one that runs is left alone; any other state is refused."""
        return self._change_all("started", "StartingInstances", ("stopped", "running", "pending"), self._start)

    def _start(self, instance: Instance) -> None:
        if instance.state == "stopped":
            self.world.memory.hard.discard(instance.id)
            instance.start()
            instance.launch_time = datetime.now(UTC).replace(tzinfo=None)
            _set_state(instance, "pending")

    def stop_instances(self) -> ActionResult:
        """A running instance becomes stopping; row E16 for one that never ran. SkipOsShutdown stops it hard."""
        return self._change_all("stopped", "StoppingInstances", ("running", "stopping", "stopped"), self._stop)

    def _stop(self, instance: Instance) -> None:
        if instance.state == "running":
            if self._get_param("SkipOsShutdown"):
                self.world.memory.hard.add(instance.id)
            instance.stop()
            _set_state(instance, "stopping")

    def terminate_instances(self) -> ActionResult:
        """An instance is shutting down until its machine has ended; its Elastic IP is free at once."""
        return self._change_all("terminated", "TerminatingInstances", CODES, self._end)

    def _end(self, instance: Instance) -> None:
        if instance.state not in ("shutting-down", "terminated"):
            _terminate(self.ec2_backend, instance)
            _set_state(instance, "shutting-down")

    def _change_all(
        self, verb: str, member: str, allowed: Container[str], change: Callable[[Instance], None]
    ) -> ActionResult:
        """Change the instances of the request, each in a state that allows it, or none of them."""
        changes = []
        for instance in self._named(verb, allowed):
            before = {"Code": instance.state_code, "Name": instance.state}
            change(instance)
            now = {"Code": instance.state_code, "Name": instance.state}
            changes.append({"InstanceId": instance.id, "PreviousState": before, "CurrentState": now})
        settle_addresses(self.world, self.ec2_backend)
        return ActionResult({member: changes})

    def _named(self, verb: str, allowed: Container[str]) -> list[Instance]:
        identifiers = self._get_param("InstanceIds", [])
        if not identifiers:
            raise ApiError("MissingParameter", "The request must contain the parameter InstanceIds")
        self.error_on_dryrun()
        instances = self.ec2_backend.get_multi_instances_by_id(identifiers)
        for instance in instances:
            protected = {"terminated": instance.disable_api_termination, "stopped": instance.disable_api_stop}
            if protected.get(verb) is True:
                attribute = "disableApiStop" if verb == "stopped" else "disableApiTermination"
                text = f"The instance '{instance.id}' may not be {verb}."
                advice = f"Modify its '{attribute}' instance attribute and try again."
                raise ApiError("OperationNotPermitted", f"{text} {advice}")
            if instance.state not in allowed:
                text = f"The instance '{instance.id}' is not in a state from which it can be {verb}."
                if (verb, instance.state) == ("stopped", "pending") and instance.id not in self.world.memory.ran:
                    text = f"Instance '{instance.id}' cannot be stopped as it has never reached the 'running' state."
                raise ApiError("IncorrectInstanceState", text)
        return instances

    def get_console_output(self) -> ActionResult:
        """The end of the machine's console log. Waits for the data plane, so it does not hold the lock."""
        with self.world.lock:
            instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        text = self.world.link.call("console", machine=instance.id) or ""
        output = Base64EncodedString.from_raw_string(text)
        return ActionResult({"InstanceId": instance.id, "Timestamp": datetime.now(UTC), "Output": output})

    # Elastic IPs and security groups

    def allocate_address(self) -> ActionResult:
        """Addresses are this cloud's own. Row E22: five in a Region (aws-facts 4.5)."""
        if len(self.ec2_backend.addresses) >= 5:
            raise ApiError("AddressLimitExceeded", "The maximum number of addresses has been reached.")
        self.params["Address"] = take_address(self.world)
        return super().allocate_address()

    def associate_address(self) -> ActionResult:
        """Rows E20, E21 for an instance that is not there yet or no more; else addresses move silently."""
        if nic := self._interface():
            detach(self.ec2_backend, nic, keep=(self._get_param("AllocationId"), self._get_param("PublicIp")))
        self.params.setdefault("AllowReassociation", True)
        result = super().associate_address()
        settle_addresses(self.world, self.ec2_backend)
        return result

    def _interface(self) -> NetworkInterface | None:
        """The interface that is to get an address, in a state that allows it; None leaves the refusal to moto."""
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
            text = f"The pending-instance-creation instance to which '{nic_id}' is attached"
            raise ApiError("IncorrectInstanceState", f"{text} is not in a valid state for this operation")
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


def _keep_nothing(instance: Instance, params: Any) -> None:
    """Interfaces and volumes made for an instance end with it unless the request says otherwise, AWS's default."""
    nics = params.get("NetworkInterfaces") or []
    kept = {int(nic.get("DeviceIndex", 0)) for nic in nics if nic.get("DeleteOnTermination") is False}
    brought = {int(nic.get("DeviceIndex", 0)) for nic in nics if nic.get("NetworkInterfaceId")}
    for index, nic in instance.nics.items():
        nic.delete_on_termination = index not in kept | brought
    mappings = params.get("BlockDeviceMappings") or []
    lasting = [one for one in mappings if one.get("Ebs", {}).get("DeleteOnTermination") is False]
    kept_devices = {one.get("DeviceName") for one in lasting}
    for device, volume in instance.get_block_device_mapping:
        volume.delete_on_termination = device not in kept_devices


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
    return group_id in {*(group.id for group in used), *(rule.source_group.get("GroupId") for rule in rules)}
