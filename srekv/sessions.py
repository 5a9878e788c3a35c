"""Makes boto3's sessions, with botocore's models read the fast way."""

from __future__ import annotations

import boto3
import botocore.session

from srekv.service_models import ServiceModels


def new_session(
    *,
    region: str | None = None,
    profile: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
) -> boto3.Session:
    """A session by boto3's ordinary rules for configuration and credentials.

    Args:
        region: of its clients; None: the profile's.
        profile: of the AWS configuration files; None: the default one.
        access_key: who calls, instead of the ordinary chain.
        secret_key: the secret of `access_key`.

    Raises:
        BotoCoreError: the configuration files cannot be read, or lack the profile.
    """
    core = botocore.session.Session(profile=profile)
    core.register_component("data_loader", ServiceModels(core.get_config_variable("data_path")))
    return boto3.Session(access_key, secret_key, region_name=region, botocore_session=core)
