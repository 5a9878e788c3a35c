"""What each family of services says to credentials that it does not take, on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.world import World

ASKED = {
    "ec2": "describe_vpcs",
    "iam": "list_roles",
    "route53": "list_hosted_zones",
    "dynamodb": "list_tables",
    "ssm": "describe_parameters",
}

EXPECTED = {
    "credentials-expired": {
        "ec2": (400, "RequestExpired", "Request has expired."),
        "iam": (403, "ExpiredToken", "The security token included in the request is expired"),
        "dynamodb": (400, "ExpiredTokenException", "The security token included in the request is expired"),
    },
    "credentials-invalid": {
        "ec2": (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
        "iam": (403, "InvalidClientTokenId", "The security token included in the request is invalid"),
        "ssm": (400, "UnrecognizedClientException", "The security token included in the request is invalid."),
    },
    "credentials-skewed": {
        "iam": (403, "SignatureDoesNotMatch", "Signature expired: "),
        "dynamodb": (400, "InvalidSignatureException", "Signature expired: "),
    },
    "credentials-not-subscribed": {
        "ec2": (401, "OptInRequired", "You are not subscribed to this service."),
        "route53": (403, "OptInRequired", "The AWS Access Key Id needs a subscription for the service"),
        "dynamodb": (400, "SubscriptionRequiredException", "The AWS Access Key Id needs a subscription"),
    },
}
"""Rule -> service -> status, code, and how the text begins (aws-recorded, section 9)."""


@pytest.mark.parametrize("rule", sorted(EXPECTED))
def test_refused_credentials(strict: World, rule: str) -> None:
    """Status, code and text are those of the service's family; valid again, the same call is answered."""
    strict.account.conditions.credentials = rule.removeprefix("credentials-")
    for service, (status, code, text) in EXPECTED[rule].items():
        call: Any = getattr(strict.client(service), ASKED[service])
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert refused.value.response["Error"]["Code"] == code
        assert refused.value.response["Error"]["Message"].startswith(text)
    strict.account.conditions.credentials = "valid"
    for service in EXPECTED[rule]:
        getattr(strict.client(service), ASKED[service])()
