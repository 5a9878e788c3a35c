"""Credentials: no request waits for them, and refused ones are replaced."""

from __future__ import annotations

import threading

import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

from srekv.app.clients import Keys
from tests.support.waiting import until

DEADLINE_S = 10


def refusal(code: str) -> dict[str, dict[str, str]]:
    """DynamoDB's answer as botocore parses it."""
    return {"Error": {"Code": code}}


class Source:
    """Credentials as botocore has them; while it is `stuck`, who asks waits for the metadata service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.free = threading.Event()
        self.free.set()

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """As botocore's."""
        self.asked += 1
        assert self.free.wait(DEADLINE_S)
        return ReadOnlyCredentials(self.name, "secret", "token")


def test_without_credentials() -> None:
    """Where there are none, that is said, as botocore says it."""
    with pytest.raises(NoCredentialsError):
        Keys(lambda: None)


def test_nobody_waits_for_a_refresh() -> None:
    """While botocore waits for the metadata service, the keys so far are there at once; then the new ones."""
    source = Source("old")
    keys = Keys(lambda: source)
    source.free.clear()
    source.name = "new"
    until(lambda: source.asked > 1)
    assert keys.get_frozen_credentials().access_key == "old"
    source.free.set()
    until(lambda: keys.get_frozen_credentials().access_key == "new")


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
def test_refused_keys_are_fetched_anew(code: str) -> None:
    """What AWS says counts, although botocore takes them for good for hours."""
    sources = [Source("old"), Source("new")]
    keys = Keys(lambda: sources.pop(0))
    keys.judge(refusal("ThrottlingException"))
    keys.judge(refusal(code))
    until(lambda: keys.get_frozen_credentials().access_key == "new")
    assert not sources


def test_a_metadata_service_that_fails() -> None:
    """The keys so far stay, and it is asked again."""
    answers: list[Source | Exception] = [Source("old"), OSError("no route"), Source("new")]

    def fetch() -> Source:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    keys = Keys(fetch)
    keys.judge(refusal("ExpiredTokenException"))
    until(lambda: len(answers) == 1)
    assert keys.get_frozen_credentials().access_key == "old"

    def renewed() -> bool:
        keys.judge(refusal("ExpiredTokenException"))  # as every request is told
        return keys.get_frozen_credentials().access_key == "new"

    until(renewed)
