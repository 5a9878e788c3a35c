"""Who asks: unknown keys, sessions that have expired, clocks that are wrong, services not signed up for."""

from __future__ import annotations

from functools import partial

from srekv.conformance.model import Call, Conditions, Refusal, ResponseRule, ServiceRules
from srekv.local import auth
from srekv.local.overlay.errors import refusal_fault

_KINDS: dict[str, auth.RefusalKind] = {"expired": "expired", "invalid": "unknown", "skewed": "late"}
"""What the account thinks of its caller's credentials -> the local cloud's name for it."""

_SKEWED = "Signature expired: 20261123T100000Z is now earlier than 20261123T100500Z (20261123T101000Z - 5 min.)"
_NOT_SUBSCRIBED = "The AWS Access Key Id needs a subscription for the service"
_NOT_SUBSCRIBED_EC2 = "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe."


class Credentials(ServiceRules):
    """Refuses every call while the account thinks so of its caller."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self.rules = tuple(
            ResponseRule(f"credentials-{state}", "*", refuse=partial(self._refuse, state))
            for state in (*_KINDS, "not-subscribed")
        )

    def _refuse(self, state: str, call: Call) -> Refusal | None:
        stranger = state == "invalid" and bool(call.key) and call.key not in self._conditions.keys
        if self._conditions.credentials != state and not stranger:
            return None
        protocol = call.model.service_model.resolved_protocol
        if state == "not-subscribed":
            return _refuse_subscription(protocol)
        # EC2's words for a clock that is behind are not recorded; these are those of its documentation
        message = _SKEWED if state == "skewed" and protocol != "ec2" else ""
        fault = refusal_fault(protocol, auth.Refusal(_KINDS[state], message))
        return Refusal(fault.code, fault.message, fault.status)


def _refuse_subscription(protocol: str) -> Refusal:
    """In the words of each family of services (aws-recorded C4)."""
    if protocol == "ec2":
        return Refusal("OptInRequired", _NOT_SUBSCRIBED_EC2, 401)
    if protocol == "json":
        return Refusal("SubscriptionRequiredException", _NOT_SUBSCRIBED, 400)
    return Refusal("OptInRequired", _NOT_SUBSCRIBED, 403)
