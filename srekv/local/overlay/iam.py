"""IAM as moto has it, with AWS's managed policies where a role wants to attach one."""

from __future__ import annotations

import json

from moto.core.responses import ActionResult
from moto.iam.models import AWSManagedPolicy
from moto.iam.responses import IamResponse

from srekv.local.overlay.api_error import ApiError

_AWS_POLICY = "arn:aws:iam::aws:policy/"


class Iam(IamResponse):
    """IAM. DeleteConflict (aws-recorded I5) and the one-role quota (I6) are moto's own."""

    def attach_role_policy(self) -> ActionResult:
        """Row I4: an unknown policy is not attachable. AWS's own policies exist, read from moto's list on demand."""
        arn: str = self._get_param("PolicyArn")
        if arn not in self.backend.managed_policies:
            self._carry_aws_policy(arn)
        if arn not in self.backend.managed_policies:
            raise ApiError("NoSuchEntity", "Policy ARN does not exist or is not attachable.")
        return super().attach_role_policy()

    def _carry_aws_policy(self, arn: str) -> None:
        if not arn.startswith(_AWS_POLICY):
            return
        from moto.iam.aws_managed_policies import aws_managed_policies_data

        data = json.loads(aws_managed_policies_data)
        name = arn.rsplit("/", 1)[-1]
        if name in data:
            policy = AWSManagedPolicy.from_data(name, self.current_account, self.region, data[name])
            if policy.arn == arn:
                self.backend.managed_policies[arn] = policy
