"""IAM as moto has it, with AWS's managed policies where a role wants to attach one."""

from __future__ import annotations

import json

from moto.core.responses import ActionResult
from moto.iam.models import AWSManagedPolicy
from moto.iam.responses import IamResponse

from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.permissions import allows

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

    def simulate_principal_policy(self) -> ActionResult:
        """What a role's policies allow, as `allows` judges it; the operator of a local cloud may do everything."""
        role = self._get_param("PolicySourceArn").partition(":role/")[2].rpartition("/")[2]
        documents = self._documents(role) if role else None
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": _decision(documents, action, resource),
                "MatchedStatements": [],
                "MissingContextValues": [],
            }
            for action in self._get_param("ActionNames", [])
            for resource in self._get_param("ResourceArns", ["*"])
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})

    def _documents(self, role_name: str) -> tuple[str, ...]:
        role = self.backend.get_role(role_name)
        attached = (version for policy in role.managed_policies.values() for version in policy.versions)
        return (*role.policies.values(), *(version.document for version in attached if version.is_default))

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


def _decision(documents: tuple[str, ...] | None, action: str, resource: str) -> str:
    return "allowed" if documents is None or allows(documents, action, resource) else "implicitDeny"
