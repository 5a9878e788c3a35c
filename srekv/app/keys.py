"""Credentials that no request waits for, and that are replaced as soon as AWS refuses them (README)."""

import logging
import threading
from typing import Any, Callable

from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError

EVERY_S, PAUSE_S = 1.0, 0.3
"""How often botocore is asked whether they are due, and the pause after they were refused."""

_REFUSALS = ("ExpiredTokenException", "UnrecognizedClientException")


class Keys(Credentials):
    """What botocore has, as of a moment ago; `fetch` makes botocore look for credentials anew."""

    def __init__(self, fetch: Callable[[], Any]) -> None:
        source = fetch()
        if source is None:
            raise NoCredentialsError
        self._fetch, self._source, self._frozen = fetch, source, source.get_frozen_credentials()
        super().__init__(self._frozen.access_key, self._frozen.secret_key)
        self._refused = threading.Event()
        threading.Thread(target=self._refresh, daemon=True).start()

    def get_frozen_credentials(self) -> Any:
        """As botocore's, at once."""
        return self._frozen

    def judge(self, code: str) -> None:
        """AWS answered with that error code."""
        if code in _REFUSALS:
            self._refused.set()

    def _refresh(self) -> None:
        while True:
            refused = self._refused.wait(EVERY_S)
            try:
                if refused:
                    self._source = self._fetch() or self._source
                self._frozen = self._source.get_frozen_credentials()
            except Exception as error:  # noqa: BLE001 - the old ones may still do
                logging.getLogger(__name__).error("no new credentials: %s", error)  # noqa: TRY400 - why is enough
            if refused:
                threading.Event().wait(PAUSE_S)
                self._refused.clear()
