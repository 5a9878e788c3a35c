"""Who asks: unknown keys, sessions that have expired, clocks that are wrong, services not signed up for."""

from __future__ import annotations

from typing import Literal

from srekv.conformance.model import Call, Conditions, Law, Lenient, Refusal, Rule

State = Literal["valid", "expired", "invalid", "skewed", "not-subscribed"]
"""What an account thinks of its caller's credentials."""

_INVALID = "The security token included in the request is invalid"
_EXPIRED = "The security token included in the request is expired"
_SKEWED = "Signature expired: 20261123T100000Z is now earlier than 20261123T100500Z (20261123T101000Z - 5 min.)"

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
        "ec2": Refusal(
            "OptInRequired",
            "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe.",
            401,
        ),
        "xml": Refusal("OptInRequired", "The AWS Access Key Id needs a subscription for the service", 403),
        "json": Refusal(
            "SubscriptionRequiredException", "The AWS Access Key Id needs a subscription for the service", 400
        ),
    },
}
"""State -> family of protocols -> what is said (aws-recorded, section 9)."""

_RULES = {
    "expired": Rule(
        id="credentials-expired",
        rows=("C1",),
        source="aws/aws-sdk-java#1443; hellofresh/eks-rolling-update#103; aws/aws-sdk-go#253",
        says="A session that has expired is refused, by each family of services with a code of its own.",
    ),
    "invalid": Rule(
        id="credentials-invalid",
        rows=("C2",),
        source="turbot/steampipe-plugin-aws#75; segmentio/aws-okta#225; aws/chalice#1445; jcabi/jcabi-dynamo#101",
        says="A key that no account knows is refused, and any key in a Region that is not enabled.",
    ),
    "skewed": Rule(
        id="credentials-skewed",
        rows=("C3",),
        source="convox/rack#235; aws/aws-sdk-js#254, #2565; EC2: documentation of RequestExpired",
        says="A request signed by a clock that is minutes off is refused.",
    ),
    "not-subscribed": Rule(
        id="credentials-not-subscribed",
        rows=("C4",),
        source="Appliscale/cloud-security-audit#24; pcorliss/ruby_route_53#1; webiny/webiny-js#1517",
        says="A service that the account has not signed up for refuses.",
    ),
}


def laws(conditions: Conditions) -> tuple[Law, ...]:
    """A new set."""
    return tuple(Credentials(state, conditions) for state in _RULES)


class Credentials(Lenient):
    """Refuses every call while the account thinks so of its caller."""

    def __init__(self, state: str, conditions: Conditions) -> None:
        self.rule = _RULES[state]
        self._state = state
        self._conditions = conditions

    def before(self, call: Call) -> Refusal | None:
        """Refuse it in its service's own way."""
        stranger = self._state == "invalid" and bool(call.key) and call.key not in self._conditions.keys
        if self._conditions.credentials != self._state and not stranger:
            return None
        protocol = call.model.service_model.resolved_protocol
        family = protocol if protocol in {"ec2", "json"} else "xml"
        return _REFUSALS[self._state][family]
