"""What several parts of a command ask alike is asked once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from srekv.provision.engine.reading import LASTS_S, Reading
from srekv.sessions import new_session


class Account:
    """Answers CloudWatch's calls without a network, and knows which were sent.

    Attributes:
        now: what the reading's clock shows, seconds.
        during: happens while a call is on its way.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[str] = []
        self.during: Callable[[], object] = lambda: None
        self._session = new_session(region="us-east-1", access_key="key", secret_key="secret")
        self._session.events.register("before-send", self._send)
        Reading(lambda: self.now).attach(self._session)

    def client(self, region: str = "us-east-1") -> Any:
        """A client that asks once."""
        once = Config(retries={"total_max_attempts": 1})
        return self._session.client("cloudwatch", region_name=region, config=once)

    def _send(self, request: Any, **_: object) -> AWSResponse:
        self.sent.append(request.headers["X-Amz-Target"].decode().partition(".")[2])
        self.during()
        body = b'{"MetricAlarms": [{"AlarmName": "one"}]}'
        raw = SimpleNamespace(stream=lambda: [body])
        return AWSResponse(request.url, 200, {"Content-Type": "application/x-amz-json-1.0"}, raw)


@pytest.fixture
def account() -> Account:
    """An account with one alarm."""
    return Account()


def test_a_question_is_asked_once(account: Account) -> None:
    """Whoever asks it again gets an answer of his own, whatever was done to the first."""
    first = account.client().describe_alarms(AlarmNames=["one"])
    first["MetricAlarms"].clear()
    assert account.client().describe_alarms(AlarmNames=["one"])["MetricAlarms"] == [{"AlarmName": "one"}]
    assert account.sent == ["DescribeAlarms"]


def test_other_questions_are_other_questions(account: Account) -> None:
    """With other parameters, or in another Region."""
    account.client().describe_alarms(AlarmNames=["one"])
    account.client().describe_alarms(AlarmNames=["two"])
    account.client("eu-west-1").describe_alarms(AlarmNames=["one"])
    assert len(account.sent) == 3


def test_a_change_is_made_each_time(account: Account) -> None:
    """Only what reads is answered for."""
    for _ in range(2):
        account.client().enable_alarm_actions(AlarmNames=["one"])
    assert account.sent == ["EnableAlarmActions", "EnableAlarmActions"]


def test_an_answer_does_not_last(account: Account) -> None:
    """A step that waits for something to show sees it."""
    account.client().describe_alarms()
    account.now = LASTS_S
    account.client().describe_alarms()
    assert len(account.sent) == 2


def test_a_question_on_its_way_is_waited_for(account: Account) -> None:
    """Two threads that ask at the same time share one call."""
    sent, go_on = threading.Event(), threading.Event()
    account.during = lambda: (sent.set(), go_on.wait(30))
    clients = [account.client(), account.client()]
    with ThreadPoolExecutor() as pool:
        first = pool.submit(clients[0].describe_alarms)
        assert sent.wait(30)
        second = pool.submit(clients[1].describe_alarms)
        go_on.set()
        assert first.result()["MetricAlarms"] == second.result()["MetricAlarms"]
    assert account.sent == ["DescribeAlarms"]


def test_a_failure_is_nobody_elses(account: Account) -> None:
    """Who waited for a call that failed asks for himself."""

    def fail() -> None:
        account.during = lambda: None
        raise EndpointConnectionError(endpoint_url="http://nowhere")

    account.during = fail
    with pytest.raises(EndpointConnectionError):
        account.client().describe_alarms()
    assert account.client().describe_alarms()["MetricAlarms"]
    assert account.sent == ["DescribeAlarms", "DescribeAlarms"]
