"""IAM as moto has it, with AWS's managed policies where a role wants to attach one."""

from __future__ import annotations

import json
from itertools import product

from moto.core.responses import ActionResult
from moto.iam.models import AWSManagedPolicy
from moto.iam.responses import IamResponse

from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.permissions import decide, kinds_of

_AWS_POLICY = "arn:aws:iam::aws:policy/"
_NO_BOUNDARY = "Scope ARN: {} does not exist or is not attachable."


class Iam(IamResponse):
    """IAM. DeleteConflict (aws-recorded I5) and the one-role quota (I6) are moto's own."""

    def attach_role_policy(self) -> ActionResult:
        """Row I4: an unknown policy is not attachable. AWS's own policies exist, read from moto's list on demand."""
        self._require_policy("PolicyArn", "Policy {} does not exist or is not attachable.")
        return super().attach_role_policy()

    def create_role(self) -> ActionResult:
        """As `put_role_permissions_boundary`, for a role that is made with a boundary."""
        self._require_policy("PermissionsBoundary", _NO_BOUNDARY)
        return super().create_role()

    def put_role_permissions_boundary(self) -> ActionResult:
        """An unknown policy cannot be a boundary (recorded in the tests of Red Hat's rosa)."""
        self._require_policy("PermissionsBoundary", _NO_BOUNDARY)
        return super().put_role_permissions_boundary()

    def simulate_principal_policy(self) -> ActionResult:
        """What a role's policies and boundary allow; the operator of a local cloud may do everything."""
        name = self._get_param("PolicySourceArn").partition(":role/")[2].rpartition("/")[2]
        kinds = kinds_of(self.backend.get_role(name), self.backend.managed_policies) if name else {}
        results = []
        for action, resource in product(self._get_param("ActionNames", []), self._get_param("ResourceArns", ["*"])):
            result = {"EvalActionName": action, "EvalResourceName": resource}
            result["EvalDecision"] = decide(kinds, action, resource).effect
            results.append({**result, "MatchedStatements": [], "MissingContextValues": []})
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})

    def _require_policy(self, member: str, text: str) -> None:
        """Refuse a policy that does not exist; one of AWS's own is brought along."""
        arn = self._get_param(member)
        policies = self.backend.managed_policies
        if arn and arn.startswith(_AWS_POLICY) and arn not in policies:
            from moto.iam.aws_managed_policies import aws_managed_policies_data

            data, name = json.loads(aws_managed_policies_data), arn.rsplit("/", 1)[-1]
            if name in data:
                policy = AWSManagedPolicy.from_data(name, self.current_account, self.region, data[name])
                policies[policy.arn] = policy
        if arn and arn not in policies:
            raise ApiError("NoSuchEntity", text.format(arn))
