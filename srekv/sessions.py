"""A session as srekv needs one: it makes clients, lets its events be heard, and knows who asks.

It has the names of boto3.Session, which serves as well. boto3 adds the import of what it does for S3 to each command.
"""

from __future__ import annotations

from typing import Any

import botocore.session

from srekv.service_models import ServiceModels


class Session:
    """Makes clients by botocore's ordinary rules for configuration and credentials.

    Args:
        region: of its clients; None: the profile's.
        profile: of the AWS configuration files; None: the default one.
        access_key: who asks, in place of the ordinary chain.
        secret_key: the secret of `access_key`.

    Raises:
        BotoCoreError: the configuration files cannot be read, or lack the profile.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        profile: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> None:
        self._core = botocore.session.Session(profile=profile)
        self._core.register_component("data_loader", ServiceModels(self._core.get_config_variable("data_path")))
        if region is not None:
            self._core.set_config_variable("region", region)
        if access_key is not None and secret_key is not None:
            self._core.set_credentials(access_key, secret_key)

    @property
    def events(self) -> Any:
        """Where to listen to what clients do that are made from now on."""
        return self._core.get_component("event_emitter")

    @property
    def region_name(self) -> str | None:
        """The Region of clients that are given none."""
        region: str | None = self._core.get_config_variable("region")
        return region

    @property
    def available_profiles(self) -> list[str]:
        """The profiles of the AWS configuration files."""
        return self._core.available_profiles

    def get_credentials(self) -> Any:
        """Who asks; None if nothing says."""
        return self._core.get_credentials()

    def client(self, service: str, **settings: Any) -> Any:
        """A client with the settings of botocore's `create_client`."""
        return self._core.create_client(service, **settings)
