"""The store over real databases, through both clients: versions, conditions, what each failure does to a write."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from srekv.app.dynamodb import DynamoStore
from srekv.app.model import Condition, Conflict, Item, Refused, Unavailable

pytestmark = pytest.mark.local

ANY = Condition()


class Wire:
    """A low-level client behind a bad wire.

    `script` holds what happens to the next calls: None lets one through; an error is raised before the call, or, in a
    tuple with a callable (or None), after the call took effect and after the callable ran.
    """

    def __init__(self, client: Any, admin: Any, table: str) -> None:
        self.client, self.admin, self.table = client, admin, table
        self.script: list[Any] = []
        self.calls: list[str] = []

    def update_item(self, **request: Any) -> Any:
        """As botocore's client."""
        return self._call("update_item", request)

    def get_item(self, **request: Any) -> Any:
        """As botocore's client."""
        return self._call("get_item", request)

    def _call(self, name: str, request: dict[str, Any]) -> Any:
        self.calls.append(name)
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        answer = getattr(self.client, name)(**request)
        if step:
            error, then = step
            if then:
                then()
            raise error
        return answer


def refusal(code: str, status: int) -> ClientError:
    """DynamoDB's answer with that code and HTTP status."""
    return ClientError(
        {"Error": {"Code": code, "Message": "words"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "UpdateItem",
    )


TIMEOUT = ReadTimeoutError(endpoint_url="http://127.0.0.1")
NO_ROUTE = EndpointConnectionError(endpoint_url="http://127.0.0.1")
THROTTLED = refusal("ThrottlingException", 400)
BROKEN = refusal("InternalServerError", 500)


@pytest.fixture
def wire(client: Any, database: Any) -> Wire:
    """That client, behind a wire, and a table that is empty."""
    return Wire(client, database.admin, database.table())


@pytest.fixture
def store(wire: Wire) -> DynamoStore:
    """The store behind that wire."""
    return DynamoStore(wire.table, lambda: wire)


@pytest.fixture
def tells_what_failed(database: Any) -> None:
    """Only for databases that return the item whose condition failed, as DynamoDB does since 2023."""
    if database.name == "dynalite":
        pytest.skip("dynalite does not know ReturnValuesOnConditionCheckFailure")


def raw(wire: Wire, key: str = "k") -> dict[str, Any]:
    """The item as the table has it."""
    answer: dict[str, Any] = wire.client.get_item(TableName=wire.table, Key={"key": {"S": key}})
    return answer.get("Item", {})  # type: ignore[no-any-return]


def test_versions_grow_across_deletes(store: DynamoStore) -> None:
    """Each write of a key has a higher version than every one before it, also after the key was deleted."""
    versions = [store.put("k", b"1", ANY), store.put("k", b"2", ANY)]
    store.delete("k", ANY)
    assert store.get("k") is None
    versions.append(store.put("k", b"3", Condition(exists=False)))
    assert versions == sorted(set(versions))
    assert store.get("k") == Item(b"3", versions[-1])


def test_an_old_version_never_matches_again(store: DynamoStore) -> None:
    """A client that holds the version of a deleted key cannot write over its successor."""
    old = store.put("k", b"1", ANY)
    store.delete("k", Condition(version=old))
    store.put("k", b"2", ANY)
    with pytest.raises(Conflict):
        store.put("k", b"3", Condition(version=old))
    with pytest.raises(Conflict):
        store.delete("k", Condition(version=old))


def test_a_delete_leaves_no_value(store: DynamoStore, wire: Wire) -> None:
    """What stays behind a delete is the mark that makes versions grow, not the data; an absent key leaves nothing."""
    store.put("k", b"secret", ANY)
    store.delete("k", ANY)
    store.delete("never", ANY)
    assert set(raw(wire)) == {"key", "version", "write"}
    assert raw(wire, "never") == {}


def test_deleted_and_absent_keys_are_alike(store: DynamoStore) -> None:
    """For conditions, a deleted key is as absent as one that never was."""
    store.put("gone", b"1", ANY)
    store.delete("gone", ANY)
    for key in ("gone", "never"):
        with pytest.raises(Conflict):
            store.delete(key, Condition(exists=True))
        with pytest.raises(Conflict):
            store.put(key, b"v", Condition(exists=True))
        store.put(key, b"v", Condition(exists=False))


def test_items_of_the_labs_program(store: DynamoStore, wire: Wire) -> None:
    """An item without version and write id has version 0 and joins in with its next write."""
    wire.admin.put_item(TableName=wire.table, Item={"key": {"S": "k"}, "value": {"S": "bar"}})
    assert store.get("k") == Item(b"bar", 0)
    with pytest.raises(Conflict):
        store.put("k", b"x", Condition(version=7))
    version = store.put("k", b"x", Condition(version=0))
    assert version > 0
    with pytest.raises(Conflict):
        store.put("k", b"y", Condition(version=0))


@pytest.mark.parametrize(("value", "kind"), [(b"text \xe2\x82\xac", "S"), (b"\xff\x00", "B")])
def test_text_is_stored_as_the_lab_stores_it(store: DynamoStore, wire: Wire, value: bytes, kind: str) -> None:
    """UTF-8 goes into a string, so that the lab's own program can read it; other bytes into a binary."""
    version = store.put("k", value, ANY)
    assert set(raw(wire)["value"]) == {kind}
    assert store.get("k") == Item(value, version)


@pytest.mark.parametrize("failure", [THROTTLED, NO_ROUTE])
def test_harmless_failures_are_tried_again(store: DynamoStore, wire: Wire, failure: Exception) -> None:
    """What certainly had no effect is sent three times in all, reads and writes alike."""
    wire.script = [failure, failure]
    store.put("k", b"v", ANY)
    wire.script = [failure, failure]
    item = store.get("k")
    assert item is not None
    assert item.value == b"v"
    assert wire.calls == ["update_item"] * 3 + ["get_item"] * 3


@pytest.mark.parametrize("failure", [THROTTLED, NO_ROUTE])
def test_harmless_failures_end_as_failed(store: DynamoStore, wire: Wire, failure: Exception) -> None:
    """A write that was refused three times certainly failed."""
    wire.script = [failure] * 3
    with pytest.raises(Unavailable) as caught:
        store.put("k", b"v", ANY)
    assert caught.value.outcome == "failed"
    assert raw(wire) == {}


def test_what_cannot_get_better_is_not_tried_again(store: DynamoStore, wire: Wire) -> None:
    """A missing table or permission is reported at once, in DynamoDB's words."""
    wire.script = [refusal("ResourceNotFoundException", 400)]
    with pytest.raises(Unavailable, match="ResourceNotFoundException") as caught:
        store.put("k", b"v", ANY)
    assert (caught.value.outcome, wire.calls) == ("failed", ["update_item"])


@pytest.mark.parametrize("failure", [TIMEOUT, BROKEN])
@pytest.mark.parametrize("condition", [ANY, Condition(exists=False)])
def test_a_lost_answer_is_looked_up(store: DynamoStore, wire: Wire, failure: Exception, condition: Condition) -> None:
    """A write that took effect though its answer was lost is a success, and was sent once."""
    wire.script = [(failure, None)]
    version = store.put("k", b"v", condition)
    assert store.get("k") == Item(b"v", version)
    assert wire.calls.count("update_item") == 1


@pytest.mark.parametrize("failure", [TIMEOUT, BROKEN])
def test_a_lost_request_is_unknown(store: DynamoStore, wire: Wire, failure: Exception) -> None:
    """A write that is not there may still be under way: it is not sent again, and not called failed."""
    wire.script = [failure]
    with pytest.raises(Unavailable) as caught:
        store.put("k", b"v", ANY)
    assert caught.value.outcome == "unknown"
    assert wire.calls == ["update_item", "get_item"]


def test_an_overwritten_write_is_never_sent_again(store: DynamoStore, wire: Wire) -> None:
    """Its answer lost and another client's write on top: sending it again would bring the old value back."""
    other = DynamoStore(wire.table, lambda: wire.client)
    wire.script = [(TIMEOUT, lambda: other.put("k", b"other", ANY))]
    with pytest.raises(Unavailable) as caught:
        store.put("k", b"mine", ANY)
    assert caught.value.outcome == "unknown"
    assert raw(wire)["value"] == {"S": "other"}


@pytest.mark.usefixtures("tells_what_failed")
def test_a_repeated_compare_and_set_knows_its_own_effect(store: DynamoStore, wire: Wire) -> None:
    """The first attempt took effect, the second one's condition fails because of it: success, not a conflict."""
    old = store.put("k", b"1", ANY)
    wire.script = [(TIMEOUT, None)]
    assert store.put("k", b"2", Condition(version=old)) == old + 1
    assert raw(wire)["value"] == {"S": "2"}


def test_a_repeated_compare_and_set_that_took_no_effect(store: DynamoStore, wire: Wire) -> None:
    """The first attempt never arrived: the second one does the work, once."""
    old = store.put("k", b"1", ANY)
    wire.script = [TIMEOUT]
    assert store.put("k", b"2", Condition(version=old)) == old + 1


def test_a_compare_and_set_that_nobody_can_judge(store: DynamoStore, wire: Wire) -> None:
    """Answer lost, then overwritten: a conflict would say that nothing was written, which nobody knows."""
    old = store.put("k", b"1", ANY)
    other = DynamoStore(wire.table, lambda: wire.client)
    wire.script = [(TIMEOUT, lambda: other.put("k", b"other", ANY))]
    with pytest.raises(Unavailable) as caught:
        store.put("k", b"2", Condition(version=old))
    assert caught.value.outcome == "unknown"


def test_a_conflict_after_a_harmless_failure_is_a_conflict(store: DynamoStore, wire: Wire) -> None:
    """Being throttled first leaves no doubt."""
    store.put("k", b"1", ANY)
    wire.script = [THROTTLED]
    with pytest.raises(Conflict):
        store.put("k", b"2", Condition(version=7))


@pytest.mark.usefixtures("tells_what_failed")
def test_a_repeated_delete_knows_its_own_effect(store: DynamoStore, wire: Wire) -> None:
    """A delete with a version whose answer was lost is done, not a conflict."""
    old = store.put("k", b"1", ANY)
    wire.script = [(TIMEOUT, None)]
    store.delete("k", Condition(version=old))
    assert store.get("k") is None


def test_a_lost_delete_is_unknown(store: DynamoStore, wire: Wire) -> None:
    """The look-up fails too: the outcome stays unknown, it does not become a failure."""
    store.put("k", b"1", ANY)
    wire.script = [TIMEOUT, TIMEOUT]
    with pytest.raises(Unavailable) as caught:
        store.delete("k", ANY)
    assert caught.value.outcome == "unknown"


def test_an_item_that_dynamodb_finds_too_large(store: DynamoStore) -> None:
    """DynamoDB's own verdict on the size is the client's fault, not an outage."""
    with pytest.raises(Refused, match="size"):
        store.put("k", b"v" * 420_000, ANY)


def test_credentials_that_come_late(wire: Wire) -> None:
    """Until there are credentials requests fail and say so; then the same store works."""
    answers = iter([NoCredentialsError(), NoCredentialsError()])

    def late() -> Wire:
        error = next(answers, None)
        if error:
            raise error
        return wire

    assert DynamoStore(wire.table, late).put("k", b"v", ANY) > 0
