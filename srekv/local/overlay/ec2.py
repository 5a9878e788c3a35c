"""EC2 instances whose states follow real machines, with AWS's launch rules."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Container, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.ec2.models.instances import Instance, StateReason

from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.network import Network, detach, settle_addresses
from srekv.local.overlay.world import Launch, World

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend

USER_DATA_LIMIT = 16384
"""Bytes of user data before base64 (aws-recorded E8)."""

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

_STEPS = {
    ("pending", "running"): "running",
    ("pending", "stopped"): "stopped",
    ("running", "stopped"): "stopped",
    ("stopping", "stopped"): "stopped",
    ("shutting-down", "terminated"): "terminated",
}
"""An instance's state and what its machine reports -> the instance's next state; anything else is late news."""


def _set_state(instance: Instance, name: str) -> None:
    instance.instance_state.name = name
    instance.instance_state.code = CODES[name]


def follow(world: World, machine: str, state: str) -> None:
    """A machine reports its state: its instance follows. Reports that a later request has overtaken change nothing."""
    with world.lock:
        for backend in world.backends("ec2").values():
            instance = backend.get_instance_by_id(machine)
            following = _STEPS.get((instance.state, state)) if instance else None
            if following is None:
                continue
            if (instance.state, state) == ("running", "stopped"):
                following = _ended_itself(backend, instance)
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
    instance.state_reason = StateReason(
        "Client.InstanceInitiatedShutdown: Instance initiated shutdown", "Client.InstanceInitiatedShutdown"
    )
    return "shutting-down" if is_terminated else "stopped"


def _terminate(backend: EC2Backend, instance: Instance) -> None:
    """End an instance for good; its Elastic IP is free at once."""
    for nic in instance.nics.values():
        detach(backend, nic)
    instance.terminate()


class Ec2(Network):
    """Instances."""

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
            # AWS shows an instance's groups beside those of its interfaces; moto only where no interface was given.
            groups = [group for interface in instance.nics.values() for group in interface.group_set]
            instance.security_groups = instance.security_groups or groups
        if token:
            self.world.memory.launches[self.region, token] = Launch(params=params, reservation=reservation.id)
        settle_addresses(self.world, self.ec2_backend)
        return result

    def _launched_before(self, known: Launch, params: str) -> Any:
        """Rows E11 and E12."""
        if known.params != params:
            raise ApiError(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )
        reservation = self.ec2_backend.reservations[known.reservation]
        if all(instance.state == "terminated" for instance in reservation.instances):
            raise ApiError(
                "IdempotentInstanceTerminated",
                "The client token you have provided is associated with a terminated instance. "
                "Please use a different client token.",
            )
        return reservation

    def _check_launch(self) -> None:
        """Rows E1, E2, E4, E8, E10: what AWS refuses and moto does not."""
        user_data = self._get_param("UserData") or ""
        if len(base64.b64decode(str(user_data), validate=False)) > USER_DATA_LIMIT:
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
            raise ApiError(
                "InvalidParameterValue",
                f"Value ({name or arn}) for parameter iamInstanceProfile.{member} is invalid. "
                f"Invalid IAM Instance Profile {kind}",
            )
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
            raise ApiError(
                "Unsupported",
                f"Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone}). "
                f"Please retry your request by not specifying an Availability Zone or choosing {', '.join(zones)}.",
            )

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
            before = instance.state
            change(instance)
            changes.append(
                {
                    "InstanceId": instance.id,
                    "PreviousState": {"Code": CODES[before], "Name": before},
                    "CurrentState": {"Code": instance.state_code, "Name": instance.state},
                }
            )
        settle_addresses(self.world, self.ec2_backend)
        return ActionResult({member: changes})

    def _named(self, verb: str, allowed: Container[str]) -> list[Instance]:
        identifiers = self._get_param("InstanceIds", [])
        if not identifiers:
            raise ApiError("MissingParameter", "The request must contain the parameter InstanceIds")
        self.error_on_dryrun()
        instances = self.ec2_backend.get_multi_instances_by_id(identifiers)
        for instance in instances:
            protection = {
                "terminated": ("disableApiTermination", instance.disable_api_termination),
                "stopped": ("disableApiStop", instance.disable_api_stop),
            }
            attribute, is_set = protection.get(verb, ("", False))
            if is_set is True:
                raise ApiError(
                    "OperationNotPermitted",
                    f"The instance '{instance.id}' may not be {verb}. "
                    f"Modify its '{attribute}' instance attribute and try again.",
                )
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


def _keep_nothing(instance: Instance, params: Any) -> None:
    """Interfaces and volumes made for an instance end with it unless the request says otherwise, AWS's default."""
    nics = params.get("NetworkInterfaces") or []
    kept = {int(nic.get("DeviceIndex", 0)) for nic in nics if nic.get("DeleteOnTermination") is False}
    brought = {int(nic.get("DeviceIndex", 0)) for nic in nics if nic.get("NetworkInterfaceId")}
    for index, nic in instance.nics.items():
        nic.delete_on_termination = index not in kept | brought
    mappings: Iterable[Any] = params.get("BlockDeviceMappings") or []
    kept_devices = {
        mapping.get("DeviceName") for mapping in mappings if mapping.get("Ebs", {}).get("DeleteOnTermination") is False
    }
    for device, volume in instance.get_block_device_mapping:
        volume.delete_on_termination = device not in kept_devices
