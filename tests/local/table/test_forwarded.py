"""A local cloud whose tables live in somebody else's database: what srekv uses of DynamoDB, and what outlives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from srekv.errors import SrekvError, UsageError
from srekv.local.database import ACCESS_KEY, SECRET_KEY, refuse_unusable
from srekv.local.overlay.forwarded import NOTES
from tests.support import command

pytestmark = pytest.mark.local

ACCOUNT = "123456789012"
TABLE = {
    "TableName": "SREKeyValue",
    "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
ITEM = {"key": {"S": "k"}, "value": {"B": b"\x00\xff"}}
TAG = {"Key": "srekv:stack", "Value": "srekv"}
ARN = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/SREKeyValue"


@pytest.fixture
def theirs(database: Any) -> Iterator[Any]:
    """The database as its owner sees it, with the keys that a local cloud uses; emptied afterwards."""
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    with closing(boto3.client("dynamodb", region_name="us-east-1", endpoint_url=database.url, **keys)) as client:
        yield client
        for name in client.list_tables()["TableNames"]:
            if name in {NOTES, "SREKeyValue"}:
                client.delete_table(TableName=name)
                client.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10})


def await_active(client: Any) -> None:
    """Until the table can be used."""
    client.get_waiter("table_exists").wait(TableName="SREKeyValue", WaiterConfig={"Delay": 1, "MaxAttempts": 10})


def recovery(client: Any) -> str:
    """Whether the table has point-in-time recovery."""
    description = client.describe_continuous_backups(TableName="SREKeyValue")["ContinuousBackupsDescription"]
    return str(description["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"])


def tags(client: Any) -> list[Any]:
    """The table's tags."""
    found: list[Any] = client.list_tags_of_resource(ResourceArn=ARN)["Tags"]
    return found


def code(call: Callable[..., Any], **request: Any) -> str:
    """The error code of a call that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.usefixtures("theirs")
def test_a_whole_life(database: Any, control_plane: Any) -> None:
    """Table, tags, recovery, items and backups behave as AWS's; the ARN is the local cloud's own."""
    with control_plane(database.url) as client:
        ours = client()
        assert ours.create_table(**TABLE, Tags=[TAG])["TableDescription"]["TableArn"] == ARN
        await_active(ours)
        assert ours.describe_table(TableName="SREKeyValue")["Table"]["TableArn"] == ARN
        assert "SREKeyValue" in ours.list_tables()["TableNames"]
        assert NOTES not in ours.list_tables()["TableNames"]
        assert (tags(ours), recovery(ours)) == ([TAG], "DISABLED")
        ours.tag_resource(ResourceArn=ARN, Tags=[{"Key": "more", "Value": "1"}])
        ours.untag_resource(ResourceArn=ARN, TagKeys=["srekv:stack"])
        on = {"PointInTimeRecoveryEnabled": True}
        ours.update_continuous_backups(TableName="SREKeyValue", PointInTimeRecoverySpecification=on)
        assert (tags(ours), recovery(ours)) == ([{"Key": "more", "Value": "1"}], "ENABLED")
        assert ours.list_backups(TableName="SREKeyValue")["BackupSummaries"] == []
        ours.put_item(TableName="SREKeyValue", Item=ITEM)
        assert ours.get_item(TableName="SREKeyValue", Key={"key": {"S": "k"}})["Item"] == ITEM
        refused = {"TableName": "SREKeyValue", "Item": ITEM, "ConditionExpression": "attribute_not_exists(#key)"}
        names = {"#key": "key"}
        assert code(ours.put_item, **refused, ExpressionAttributeNames=names) == "ConditionalCheckFailedException"


def test_what_outlives_a_local_cloud(database: Any, theirs: Any, control_plane: Any) -> None:
    """Another local cloud, with other keys, finds the data, the tags and the recovery; with the table all is gone."""
    with control_plane(database.url) as client:
        ours = client()
        ours.create_table(**TABLE, Tags=[TAG])
        await_active(ours)
        on = {"PointInTimeRecoveryEnabled": True}
        ours.update_continuous_backups(TableName="SREKeyValue", PointInTimeRecoverySpecification=on)
        ours.put_item(TableName="SREKeyValue", Item=ITEM)
    with control_plane(database.url) as client:
        later = client()
        assert later.get_item(TableName="SREKeyValue", Key={"key": {"S": "k"}})["Item"] == ITEM
        assert (tags(later), recovery(later)) == ([TAG], "ENABLED")
        later.delete_table(TableName="SREKeyValue")
    for name in ("SREKeyValue", NOTES):
        theirs.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10})


@pytest.mark.usefixtures("theirs")
def test_what_is_not_there(database: Any, control_plane: Any) -> None:
    """A missing table is missing, in the words of each operation."""
    with control_plane(database.url) as client:
        ours = client()
        assert code(ours.describe_table, TableName="SREKeyValue") == "ResourceNotFoundException"
        assert code(ours.list_tags_of_resource, ResourceArn=ARN) == "ResourceNotFoundException"
        assert code(ours.describe_continuous_backups, TableName="SREKeyValue") == "TableNotFoundException"
        assert code(ours.delete_table, TableName="SREKeyValue") == "ResourceNotFoundException"


@pytest.mark.usefixtures("theirs")
def test_a_table_of_their_own(database: Any, theirs: Any, control_plane: Any) -> None:
    """A table that no local cloud made has no tags: nobody takes it for a stack's."""
    theirs.create_table(**TABLE)
    await_active(theirs)
    with control_plane(database.url) as client:
        assert (tags(client()), recovery(client())) == ([], "DISABLED")


@pytest.mark.usefixtures("theirs")
def test_permissions_are_still_asked(database: Any, control_plane: Any) -> None:
    """The database would let anybody in; the local cloud does not."""
    with control_plane(database.url) as client:
        client().create_table(**TABLE)
        request = {"TableName": "SREKeyValue", "Key": {"key": {"S": "k"}}}
        assert code(client("nobody").get_item, **request) == "AccessDeniedException"


def test_a_database_that_went_away(control_plane: Any, reserve_port: Callable[[], int]) -> None:
    """That is the database's failure: 500, which says nothing of an effect."""
    url = f"http://127.0.0.1:{reserve_port()}"
    with control_plane(url) as client:
        assert code(client().describe_table, TableName="SREKeyValue") == "InternalServerError"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "invalid value"),
        ("ftp://127.0.0.1", "invalid value"),
        ("http://127.0.0.1:99999", "invalid value"),
        ("http://user@127.0.0.1:8001", "invalid value"),
        ("http://192.0.2.7:8001", "not on this computer"),
        ("http://dynamodb.us-east-1.amazonaws.com", "not on this computer"),
    ],
)
def test_refused_endpoints(url: str, words: str) -> None:
    """What can never do is refused before anything is asked."""
    with pytest.raises(UsageError, match=words):
        refuse_unusable(url, anywhere=False)


def test_an_endpoint_without_a_database(database: Any, reserve_port: Callable[[], int]) -> None:
    """Nobody there, or somebody else."""
    url = f"http://127.0.0.1:{reserve_port()}"
    with pytest.raises(SrekvError, match="no DynamoDB answers"):
        refuse_unusable(url, anywhere=True)
    refuse_unusable(database.url, anywhere=False)


def srekv(home: Path, *words: str, code: int = 0) -> Any:
    """The JSON document of a command."""
    ended = command.srekv("--output", "json", *words, home=home)
    assert ended.returncode == code, ended.stderr
    return json.loads(ended.stdout) if ended.stdout else None


def test_aws_has_its_own(tmp_path: Path) -> None:
    """The option is for the local target, and is refused before any call."""
    srekv(tmp_path, "--target", "aws", "up", "--dynamodb-endpoint", "http://127.0.0.1:8001", code=2)


@pytest.mark.dynamodb_local
@pytest.mark.usefixtures("theirs")
def test_the_commands(database: Any, tmp_path: Path) -> None:
    """A key outlives the local cloud; the endpoint is fixed for a cloud's life; down leaves nothing behind."""
    if database.name != "dynamodb-local":
        pytest.skip("one real database is enough for whole stacks")
    endpoint = ("--dynamodb-endpoint", database.url)
    up = ("up", *endpoint, "--dns-port", "5391")
    try:
        srekv(tmp_path, *up)
        assert srekv(tmp_path, "local", "status")["dynamodb"] == database.url
        srekv(tmp_path, "up", "--no-wait", "--dynamodb-endpoint", database.url + "/", code=2)
        srekv(tmp_path, "kv", "put", "foo", "bar")
        srekv(tmp_path, "local", "stop")
        kinds = {change["kind"]: change["action"] for change in srekv(tmp_path, *up)["changes"]}
        assert (kinds["table"], kinds["point-in-time recovery"]) == ("leave", "leave")
        assert srekv(tmp_path, "kv", "get", "foo")["value"] == "bar"
        srekv(tmp_path, "down", "--yes")
    finally:
        srekv(tmp_path, "local", "stop")
