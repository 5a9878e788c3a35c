"""Who asks: unknown keys, sessions that have expired, clocks that are wrong, services not signed up for."""

from __future__ import annotations

from functools import partial
from typing import Literal

from srekv.conformance.model import Call, Conditions, Refusal, ResponseRule, ServiceRules

State = Literal["valid", "expired", "invalid", "skewed", "not-subscribed"]
"""What an account thinks of its caller's credentials."""

_INVALID = "The security token included in the request is invalid"
_EXPIRED = "The security token included in the request is expired"
_SKEWED = "Signature expired: 20261123T100000Z is now earlier than 20261123T100500Z (20261123T101000Z - 5 min.)"
_NOT_SUBSCRIBED = "The AWS Access Key Id needs a subscription for the service"
_NOT_SUBSCRIBED_EC2 = "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe."

_REFUSALS: dict[str, dict[str, Refusal]] = {
    "expired": {
        "ec2": Refusal("RequestExpired", "Request has expired.", 400),
        "xml": Refusal("ExpiredToken", _EXPIRED, 403),
        "json": Refusal("ExpiredTokenException", _EXPIRED, 400),
    },
    "invalid": {
        "ec2": Refusal("AuthFailure", "AWS was not able to validate the provided access credentials", 401),
        "xml": Refusal("InvalidClientTokenId", _INVALID, 403),
        "json": Refusal("UnrecognizedClientException", f"{_INVALID}.", 400),
    },
    "skewed": {
        # EC2's words for a clock that is behind are not recorded; these are those of its documentation
        "ec2": Refusal("RequestExpired", "Request has expired.", 400),
        "xml": Refusal("SignatureDoesNotMatch", _SKEWED, 403),
        "json": Refusal("InvalidSignatureException", _SKEWED, 400),
    },
    "not-subscribed": {
        "ec2": Refusal("OptInRequired", _NOT_SUBSCRIBED_EC2, 401),
        "xml": Refusal("OptInRequired", _NOT_SUBSCRIBED, 403),
        "json": Refusal("SubscriptionRequiredException", _NOT_SUBSCRIBED, 400),
    },
}
"""State -> family of protocols -> the error (aws-recorded, section 9)."""


class Credentials(ServiceRules):
    """Refuses every call while the account thinks so of its caller."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self.rules = tuple(
            ResponseRule(f"credentials-{state}", "*", refuse=partial(self._refuse, state)) for state in _REFUSALS
        )

    def _refuse(self, state: str, call: Call) -> Refusal | None:
        stranger = state == "invalid" and bool(call.key) and call.key not in self._conditions.keys
        if self._conditions.credentials != state and not stranger:
            return None
        protocol = call.model.service_model.resolved_protocol
        return _REFUSALS[state][protocol if protocol in {"ec2", "json"} else "xml"]
