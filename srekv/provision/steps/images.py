"""Which machine image the nodes boot: the newest Amazon Linux of the public SSM parameter, or the one given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from botocore.exceptions import ClientError

from srekv.errors import SrekvError, UsageError
from srekv.provision.engine.answers import DENIED, code_of, message_of
from srekv.provision.inventory.existing import of_node
from srekv.provision.naming import NODES
from srekv.provision.steps.base import StackStep

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
    root_device: str = AMAZON_ROOT
    root_gib: int = AMAZON_ROOT_GIB


class Images(StackStep):
    """The image of new nodes; the parameter moves, so instances that exist are never compared with it."""

    section = "EC2"
    checking = "finding the machine image"

    def fit(self) -> None:
        """Look it up beforehand if a node is missing."""
        if not all(of_node(self.existing.instances, node) for node in NODES):
            _ = self.image

    @cached_property
    def image(self) -> Image:
        """The image for new nodes.

        Raises:
            UsageError: --ami names an image that is not there.
            SrekvError: the public parameter cannot be read.
        """
        config = self.config
        if config.ami:
            return self._given(config.ami)
        parameter = PARAMETERS[config.os, self._processor]
        try:
            return Image(self.run.clients.ssm.get_parameter(Name=parameter)["Parameter"]["Value"])
        except ClientError as error:
            if code_of(error) in DENIED:
                raise
            raise SrekvError(
                f"cannot learn the newest image of {config.os}",
                why=f"{error.operation_name} {parameter}: {code_of(error)}: {message_of(error)}",
                next_step="give one with --ami",
            ) from error

    @property
    def _processor(self) -> str:
        return "arm64" if is_arm(self.config.instance_type) else "x86_64"

    def _given(self, ami: str) -> Image:
        try:
            images = self.ec2.describe_images(ImageIds=[ami])["Images"]
        except ClientError as error:
            if not code_of(error).startswith("InvalidAMIID"):
                raise
            images = []
        image = next((one for one in images if one["ImageId"] == ami), None)
        if image is None:
            raise UsageError(
                f"there is no image {ami} in {self.config.region}", next_step="leave --ami out for the newest one"
            )
        have, want = image.get("Architecture"), self._processor
        if have and have != want:
            raise UsageError(
                f"the image {ami} is for {have}, and {self.config.instance_type} has {want}",
                next_step=f"choose an image for {want}, or another --instance-type",
            )
        root = image.get("RootDeviceName") or AMAZON_ROOT
        disks = [one.get("Ebs", {}) for one in image.get("BlockDeviceMappings", ()) if one.get("DeviceName") == root]
        return Image(ami, root, max([AMAZON_ROOT_GIB, *(disk.get("VolumeSize", 0) for disk in disks)]))


def is_arm(instance_type: str) -> bool:
    """Whether the type has a Graviton processor: the first one, a1, or a "g" after the generation, as in t4g.micro."""
    return bool(_ARM.match(instance_type))
