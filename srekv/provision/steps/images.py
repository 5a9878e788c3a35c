"""Which machine image the nodes boot: the newest Amazon Linux of the public SSM parameter, or the one given."""

from __future__ import annotations

import re
from dataclasses import dataclass

from botocore.exceptions import ClientError

from srekv.errors import SrekvError, UsageError
from srekv.provision.engine.answers import DENIED, code_of, message_of
from srekv.provision.engine.run import Ops, Run, Step
from srekv.provision.inventory.existing import Existing, of_node
from srekv.provision.model import Resource
from srekv.provision.naming import NODES

PARAMETERS = {
    ("al2023", "x86_64"): "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    ("al2023", "arm64"): "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    ("al2", "x86_64"): "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2",
    ("al2", "arm64"): "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-arm64-gp2",
}
"""aws-facts 4.8."""

AMAZON_ROOT = "/dev/xvda"
"""Amazon Linux's root device."""

AMAZON_ROOT_GIB = 8
"""The size of Amazon Linux's root snapshot; a volume may not be smaller than its snapshot."""

_ARM = re.compile(r"(a1|[a-z]+\d+[a-z]*g[a-z]*)\.")


@dataclass(frozen=True)
class Image:
    """A machine image, the name of its root device and that device's size in GiB."""

    id: str
    root_device: str
    root_gib: int


class Images:
    """Looks the image up beside the other steps, if a node has to be launched; `image` is there after ensure."""

    section = "EC2"
    needs: tuple[Step, ...] = ()

    def __init__(self, run: Run, existing: Existing) -> None:
        self._run = run
        self._existing = existing
        self.image = Image("", AMAZON_ROOT, AMAZON_ROOT_GIB)
        self._looked = False

    def observe(self) -> tuple[Resource, ...]:
        """Nothing: images are not ours."""
        return ()

    def fit(self) -> None:
        """Refuse now what `ensure` would refuse, before anything is made; `ensure` will not ask again."""
        tuple(self.ensure())

    def ensure(self) -> Ops:
        """Look the image up if a node is missing."""
        if not self._looked and not all(of_node(self._existing.instances, node) for node in NODES):
            self.image = newest(self._run)
            self._looked = True
        return iter(())

    def settle(self) -> Ops:
        """Nothing to wait for."""
        return iter(())

    def destroy(self) -> Ops:
        """Nothing to remove."""
        return iter(())


def is_arm(instance_type: str) -> bool:
    """Whether the type has a Graviton processor: the first one, a1, or a "g" after the generation, as in t4g.micro."""
    return bool(_ARM.match(instance_type))


def newest(run: Run) -> Image:
    """The image for new nodes; the parameter moves, so instances that exist are never compared with it.

    Raises:
        UsageError: --ami names an image that is not there.
        SrekvError: the public parameter cannot be read.
    """
    config = run.config
    if config.ami:
        return _given(run, config.ami)
    parameter = PARAMETERS[config.os, "arm64" if is_arm(config.instance_type) else "x86_64"]
    try:
        value = run.clients.ssm.get_parameter(Name=parameter)["Parameter"]["Value"]
    except ClientError as error:
        if code_of(error) in DENIED:
            raise
        raise SrekvError(
            f"cannot learn the newest image of {config.os}",
            why=f"{error.operation_name} {parameter}: {code_of(error)}: {message_of(error)}",
            next_step="give one with --ami",
        ) from error
    return Image(value, AMAZON_ROOT, AMAZON_ROOT_GIB)


def _given(run: Run, ami: str) -> Image:
    try:
        images = run.clients.ec2.describe_images(ImageIds=[ami])["Images"]
    except ClientError as error:
        if not code_of(error).startswith("InvalidAMIID"):
            raise
        images = []
    images = [one for one in images if one["ImageId"] == ami]
    if not images:
        raise UsageError(
            f"there is no image {ami} in {run.config.region}", next_step="leave --ami out for the newest one"
        )
    have, want = images[0].get("Architecture"), "arm64" if is_arm(run.config.instance_type) else "x86_64"
    if have and have != want:
        raise UsageError(
            f"the image {ami} is for {have}, and {run.config.instance_type} has {want}",
            next_step=f"choose an image for {want}, or another --instance-type",
        )
    root = images[0].get("RootDeviceName") or AMAZON_ROOT
    sizes = [
        mapping.get("Ebs", {}).get("VolumeSize", AMAZON_ROOT_GIB)
        for mapping in images[0].get("BlockDeviceMappings", ())
        if mapping.get("DeviceName") == root
    ]
    return Image(ami, root, max([AMAZON_ROOT_GIB, *sizes]))
