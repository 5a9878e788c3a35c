"""What DynamoDB does with numbers, keys, sizes and tokens: one table for the local cloud, DynamoDB Local and dynalite.

AWS's documentation says it ("Supported data types and naming rules", "Quotas", "Item sizes and formats", API reference
of TransactWriteItems); a database that does otherwise is named with the reason in EXCEPTIONS.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

LIMIT = 409_600
REFUSED = "ValidationException"
CANCELLED = "TransactionCanceledException"
MISMATCH = "IdempotentParameterMismatchException"
NINES = "9" * 38

pytestmark = pytest.mark.local


@dataclass(frozen=True)
class Bench:
    """A database with a table for each form of key, asked without botocore's own checks."""

    client: Any
    tables: dict[str, str]
    key: str

    def ask(self, operation: str, **request: Any) -> Any:
        """The answer, or the error code."""
        try:
            return getattr(self.client, operation)(**request)
        except ClientError as error:
            return error.response["Error"]["Code"]

    def outcome(self, operation: str, **request: Any) -> str:
        """The word ok, or the error code."""
        answer = self.ask(operation, **request)
        return answer if isinstance(answer, str) else "ok"

    @property
    def place(self) -> dict[str, Any]:
        """Where this case's item is."""
        return {"TableName": self.tables["S"], "Key": {"key": {"S": self.key}}}

    def put(self, **attributes: Any) -> str:
        """Put the item."""
        return self.outcome("put_item", TableName=self.tables["S"], Item={"key": {"S": self.key}, **attributes})

    def get(self) -> dict[str, Any]:
        """Its attributes but the key."""
        item = self.client.get_item(**self.place, ConsistentRead=True).get("Item", {})
        return {name: value for name, value in item.items() if name != "key"}

    def update(self, expression: str, **values: Any) -> str:
        """Update the item."""
        named = {f":{name}": value for name, value in values.items()}
        return self.outcome("update_item", **self.place, UpdateExpression=expression, ExpressionAttributeValues=named)

    def add(self, *, token: str, count: str = "1", gate: str = "") -> str:
        """A transaction that adds to a counter, if `gate` is there."""
        update = {"UpdateExpression": "ADD c :x", "ExpressionAttributeValues": {":x": {"N": count}}, **self.place}
        check = {
            "TableName": self.tables["S"],
            "Key": {"key": {"S": gate}},
            "ConditionExpression": "attribute_exists(v)",
        }
        parts = [{"Update": update}, *([{"ConditionCheck": check}] if gate else [])]
        return self.outcome("transact_write_items", TransactItems=parts, ClientRequestToken=token)

    def count(self) -> str:
        """What the counter says."""
        return str(self.get().get("c", {}).get("N"))


Case = Callable[[Bench], Any]


def stored(text: str) -> Case:
    """How a number reads that was put as this text."""

    def do(bench: Bench) -> Any:
        outcome = bench.put(v={"N": text})
        return bench.get()["v"]["N"] if outcome == "ok" else outcome

    return do


def kept(value: Any) -> Case:
    """How a value reads; sets in order."""

    def do(bench: Bench) -> Any:
        outcome = bench.put(v=value)
        if outcome != "ok":
            return outcome
        ((kind, inner),) = bench.get()["v"].items()
        return {kind: sorted(inner) if kind in {"SS", "NS", "BS"} else inner}

    return do


def added(first: str, second: str, expression: str = "ADD v :x") -> Case:
    """What a number is after another was added to it."""

    def do(bench: Bench) -> Any:
        bench.put(v={"N": first})
        outcome = bench.update(expression, x={"N": second})
        return bench.get()["v"]["N"] if outcome == "ok" else outcome

    return do


def condition(expression: str, stored_: Any, value: Any) -> Case:
    """Whether a condition holds for what is stored."""

    def do(bench: Bench) -> str:
        bench.put(v=stored_)
        named = {":x": value}
        return bench.outcome(
            "delete_item", **bench.place, ConditionExpression=expression, ExpressionAttributeValues=named
        )

    return do


def key(operation: str, table: str, **attributes: Any) -> Case:
    """What a call says to a key."""
    update = {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": {"S": "v"}}}

    def do(bench: Bench) -> str:
        name = bench.tables[table]
        if operation == "batch_get_item":
            return bench.outcome(operation, RequestItems={name: {"Keys": [attributes]}})
        if operation == "batch_write_item":
            return bench.outcome(operation, RequestItems={name: [{"DeleteRequest": {"Key": attributes}}]})
        if operation == "transact_get_items":
            return bench.outcome(operation, TransactItems=[{"Get": {"TableName": name, "Key": attributes}}])
        if operation == "transact_write_items":
            return bench.outcome(operation, TransactItems=[{"Delete": {"TableName": name, "Key": attributes}}])
        if operation == "put_item":
            return bench.outcome(operation, TableName=name, Item=attributes)
        more = update if operation == "update_item" else {}
        return bench.outcome(operation, TableName=name, Key=attributes, **more)

    return do


def found_by(first: str, second: str) -> Case:
    """Whether the item of a number is found by another way to write it."""

    def do(bench: Bench) -> Any:
        table = bench.tables["N"]
        bench.client.put_item(TableName=table, Item={"key": {"N": first}})
        return bench.client.get_item(TableName=table, Key={"key": {"N": second}})["Item"]["key"]["N"]

    return do


def batch(*writes: tuple[str, dict[str, Any]], table: str = "S") -> Case:
    """What BatchWriteItem says to these."""
    requests = [
        {"PutRequest": {"Item": {"key": at}}} if verb == "put" else {"DeleteRequest": {"Key": {"key": at}}}
        for verb, at in writes
    ]
    return lambda bench: bench.outcome("batch_write_item", RequestItems={bench.tables[table]: requests})


def read_twice(bench: Bench) -> str:
    """The same item, by two ways to write its key."""
    keys = [{"key": {"N": "7"}}, {"key": {"N": "7.0"}}]
    return bench.outcome("batch_get_item", RequestItems={bench.tables["N"]: {"Keys": keys}})


def get_in_transaction_twice(bench: Bench) -> str:
    """One item, asked for twice."""
    return bench.outcome("transact_get_items", TransactItems=[{"Get": bench.place}] * 2)


def filled(total: int, **attributes: Any) -> Case:
    """An item of so many bytes, of which `attributes` have the sizes that are documented."""

    def do(bench: Bench) -> str:
        rest = total - len("key") - len(bench.key) - len("v") - sum(size for _, size in attributes.values())
        others = {name: value for name, (value, _) in attributes.items()}
        return bench.put(v={"S": "x" * rest}, **others)

    return do


def binary(total: int) -> Case:
    """An item of so many bytes that is mostly binary."""
    return lambda bench: bench.put(v={"B": b"\xff" * (total - len("key") - len(bench.key) - len("v"))})


def refused_update(expression: str, before: dict[str, Any] | None, **values: Any) -> Case:
    """What an update answers, and whether it left everything as it was."""

    def do(bench: Bench) -> Any:
        if before is not None:
            bench.put(**before)
        return bench.update(expression, **values), bench.get() == (before or {})

    return do


def grown(total: int) -> Case:
    """An update that makes the item so large."""

    def do(bench: Bench) -> str:
        bench.put()
        rest = total - len("key") - len(bench.key) - len("v")
        return bench.update("SET v = :v", v={"S": "x" * rest})

    return do


def touched(bench: Bench) -> Any:
    """An update that names a key alone."""
    return bench.outcome("update_item", **bench.place), "Item" in bench.client.get_item(**bench.place)


def token_twice(bench: Bench) -> Any:
    """The same transaction again: a retry whose first answer was lost."""
    token = uuid.uuid4().hex
    return bench.add(token=token), bench.add(token=token), bench.count()


def token_reused(bench: Bench) -> Any:
    """Another transaction with the token of one that happened."""
    token = uuid.uuid4().hex
    return bench.add(token=token), bench.add(token=token, count="2"), bench.count()


def token_of_a_refused_one(bench: Bench) -> Any:
    """What was cancelled did not use its token."""
    token, gate = uuid.uuid4().hex, f"gate-{bench.key}"
    first = bench.add(token=token, gate=gate)
    bench.client.put_item(TableName=bench.tables["S"], Item={"key": {"S": gate}, "v": {"S": "v"}})
    return first, bench.add(token=token, gate=gate), bench.count()


def two_tokens(bench: Bench) -> Any:
    """Two transactions."""
    return bench.add(token=uuid.uuid4().hex), bench.add(token=uuid.uuid4().hex), bench.count()


def statement_twice(bench: Bench) -> Any:
    """ExecuteTransaction with the same token, then with another statement."""
    token = uuid.uuid4().hex

    def run(value: str) -> str:
        text = f"INSERT INTO \"{bench.tables['S']}\" VALUE {{'key': '{bench.key}', 'v': '{value}'}}"
        return bench.outcome("execute_transaction", TransactStatements=[{"Statement": text}], ClientRequestToken=token)

    return run("a"), run("a"), run("b"), bench.get()["v"]["S"]


def too_large_in_transaction(bench: Bench) -> Any:
    """Nothing of a transaction happens when one of its items is too large."""
    large = {"key": {"S": f"{bench.key}-large"}, "v": {"S": "x" * LIMIT}}
    table = bench.tables["S"]
    parts = [
        {"Put": {"TableName": table, "Item": {"key": {"S": bench.key}, "v": {"S": "v"}}}},
        {"Put": {"TableName": table, "Item": large}},
    ]
    return bench.outcome("transact_write_items", TransactItems=parts), bench.get()


def grown_in_transaction(bench: Bench) -> Any:
    """Nor when one of its updates makes an item too large."""
    bench.put(v={"S": "v"})
    add = {"ExpressionAttributeValues": {":x": {"S": "x" * LIMIT}}, "UpdateExpression": "SET w = :x"}
    other = {"TableName": bench.tables["S"], "Item": {"key": {"S": f"{bench.key}-other"}}}
    outcome = bench.outcome("transact_write_items", TransactItems=[{"Put": other}, {"Update": {**bench.place, **add}}])
    left = bench.client.get_item(TableName=bench.tables["S"], Key={"key": {"S": f"{bench.key}-other"}})
    return outcome, bench.get(), "Item" in left


LONG, SHORT = "k" * 2049, "k" * 2048
GIVEN: dict[str, tuple[Case, Any]] = {
    # numbers
    "0.10": (stored("0.10"), "0.1"),
    "100.0": (stored("100.0"), "100"),
    "00012": (stored("00012"), "12"),
    "-0": (stored("-0"), "0"),
    "+5": (stored("+5"), "5"),
    "5.": (stored("5."), "5"),
    "-.50": (stored("-.50"), "-0.5"),
    "1E2": (stored("1E2"), "100"),
    "1e-2": (stored("1e-2"), "0.01"),
    "38 digits": (stored("1" * 38), "1" * 38),
    "38 digits and zeros": (stored("1" * 38 + "000"), "1" * 38 + "000"),
    "zeros do not count": (stored("1." + "0" * 60), "1"),
    "largest": (stored(f"{NINES}E88"), NINES + "0" * 88),
    "smallest": (stored("1E-130"), "0." + "0" * 129 + "1"),
    "39 digits": (stored("1" * 39), REFUSED),
    "39 digits behind the point": (stored("0." + "1" * 39), REFUSED),
    "1E126": (stored("1E126"), REFUSED),
    "-1E126": (stored("-1E126"), REFUSED),
    "1E-131": (stored("1E-131"), REFUSED),
    "a huge exponent": (stored("1E999999999"), REFUSED),
    "a word": (stored("abc"), REFUSED),
    "a space": (stored(" 5"), REFUSED),
    "nothing": (stored(""), REFUSED),
    "Infinity": (stored("Infinity"), REFUSED),
    "1_000": (stored("1_000"), REFUSED),
    "number set": (kept({"NS": ["0.10", "2.0"]}), {"NS": ["0.1", "2"]}),
    "number in a map": (kept({"M": {"N": {"N": "0.10"}}}), {"M": {"N": {"N": "0.1"}}}),
    "number in a list": (kept({"L": [{"N": "1.0"}, {"NS": ["1.0"]}]}), {"L": [{"N": "1"}, {"NS": ["1"]}]}),
    "39 digits in a map": (kept({"M": {"a": {"N": "1" * 39}}}), REFUSED),
    "number set with one number twice": (kept({"NS": ["1", "1.0"]}), REFUSED),
    "number set with 1E126": (kept({"NS": ["1E126"]}), REFUSED),
    "string set with one string twice": (kept({"SS": ["a", "a"]}), REFUSED),
    "binary set with one value twice": (kept({"BS": [b"a", b"a"]}), REFUSED),
    "empty number set": (kept({"NS": []}), REFUSED),
    # sums
    "sum": (added("0.1", "0.9"), "1"),
    "difference": (added("2.50", "2.5", "SET v = v - :x"), "0"),
    "sum of 38 digits": (added("1" * 20 + "." + "1" * 18, "1"), "1" * 19 + "2." + "1" * 18),
    "sum of large ones": (added("9E124", "1E124"), "1" + "0" * 125),
    "sum of 39 digits": (refused_update("ADD v :x", {"v": {"N": NINES}}, x={"N": "2"}), (REFUSED, True)),
    "sum beyond 1E126": (
        refused_update("ADD v :x", {"v": {"N": "9" + "0" * 125}}, x={"N": "9E125"}),
        (REFUSED, True),
    ),
    # conditions
    "1 = 1.0": (condition("v = :x", {"N": "1"}, {"N": "1.0"}), "ok"),
    "2.00 in a set": (condition("contains(v, :x)", {"NS": ["1", "2"]}, {"N": "2.00"}), "ok"),
    "binary": (condition("v = :x", {"B": b"\xff\xfe"}, {"B": b"\xff\xfe"}), "ok"),
    "size of binary": (condition("size(v) = :x", {"B": b"\xff\xfe"}, {"N": "2"}), "ok"),
    "39 digits in a condition": (condition("v < :x", {"N": "1"}, {"N": "1" * 39}), REFUSED),
    # keys
    "a number's other form": (found_by("10.0", "1E1"), "10"),
    "39 digits in a key": (key("get_item", "N", key={"N": "1" * 39}), REFUSED),
    **{
        f"{operation}, {name}": (key(operation, table, **attributes), outcome)
        for operation in ("get_item", "delete_item", "update_item", "batch_get_item", "batch_write_item")
        for name, table, attributes, outcome in (
            ("2,048 bytes", "S", {"key": {"S": SHORT}}, "ok"),
            ("2,049 bytes", "S", {"key": {"S": LONG}}, REFUSED),
            ("empty key", "S", {"key": {"S": ""}}, REFUSED),
            ("another type", "S", {"key": {"N": "1"}}, REFUSED),
            ("an attribute more", "S", {"key": {"S": "k"}, "more": {"S": "k"}}, REFUSED),
            ("no key", "S", {}, REFUSED),
            ("another key", "S", {"other": {"S": "k"}}, REFUSED),
        )
    },
    "2,049 bytes in 1,025 characters": (key("get_item", "S", key={"S": "é" * 1024 + "k"}), REFUSED),
    "put, 2,048 bytes": (key("put_item", "S", key={"S": SHORT}), "ok"),
    "put, 2,049 bytes": (key("put_item", "S", key={"S": LONG}), REFUSED),
    "binary, 2,048 bytes": (key("get_item", "B", key={"B": b"k" * 2048}), "ok"),
    "binary, 2,049 bytes": (key("get_item", "B", key={"B": b"k" * 2049}), REFUSED),
    "binary, empty": (key("get_item", "B", key={"B": b""}), REFUSED),
    "sort key, 1,024 bytes": (key("get_item", "SS", key={"S": "k"}, sort={"S": "s" * 1024}), "ok"),
    "sort key, 1,025 bytes": (key("get_item", "SS", key={"S": "k"}, sort={"S": "s" * 1025}), REFUSED),
    "no sort key": (key("get_item", "SS", key={"S": "k"}), REFUSED),
    "read in a transaction, 2,049 bytes": (key("transact_get_items", "S", key={"S": LONG}), REFUSED),
    "deleted in a transaction, 2,049 bytes": (key("transact_write_items", "S", key={"S": LONG}), CANCELLED),
    # batches
    "one key put twice": (batch(("put", {"S": "b"}), ("put", {"S": "b"})), REFUSED),
    "one key put and deleted": (batch(("put", {"S": "b"}), ("delete", {"S": "b"})), REFUSED),
    "one number put twice": (batch(("put", {"N": "1"}), ("put", {"N": "1.0"}), table="N"), REFUSED),
    "two keys": (batch(("put", {"S": "b"}), ("delete", {"S": "c"})), "ok"),
    "25 writes": (batch(*(("put", {"S": f"b{one}"}) for one in range(25))), "ok"),
    "26 writes": (batch(*(("put", {"S": f"b{one}"}) for one in range(26))), REFUSED),
    "no write": (batch(), REFUSED),
    "one number read twice": (read_twice, REFUSED),
    "one item read twice in a transaction": (get_in_transaction_twice, REFUSED),
    # sizes
    "409,600 bytes": (filled(LIMIT), "ok"),
    "409,601 bytes": (filled(LIMIT + 1), REFUSED),
    "409,600 bytes of binary": (binary(LIMIT), "ok"),
    "409,601 bytes of binary": (binary(LIMIT + 1), REFUSED),
    **{
        f"{more} byte with {name}": (filled(LIMIT + more, w=(value, size + 1)), "ok" if more == 0 else REFUSED)
        for more in (0, 1)
        for name, value, size in (
            ("BOOL", {"BOOL": True}, 1),
            ("NULL", {"NULL": True}, 1),
            ("0", {"N": "0"}, 1),
            ("-12.34", {"N": "-12.34"}, 4),
            ("123.4", {"N": "123.4"}, 4),
            ("100.0", {"N": "100.0"}, 2),
            ("38 digits", {"N": "1" * 38}, 20),
            ("a list", {"L": [{"S": "a"}, {"L": []}]}, 3 + 1 + 1 + 1 + 3),
            ("a map", {"M": {"ab": {"S": "a"}}}, 3 + 1 + 2 + 1),
            ("a number set", {"NS": ["1", "20"]}, 2 + 2),
            ("a binary set", {"BS": [b"a", b"bc"]}, 3),
        )
    },
    "grown to 409,600": (grown(LIMIT), "ok"),
    "grown to 409,601": (grown(LIMIT + 1), REFUSED),
    "a large update is not half made": (
        refused_update("SET a = :a, b = :b", {"v": {"S": "x" * 400_000}}, a={"S": "a"}, b={"S": "b" * 10_000}),
        (REFUSED, True),
    ),
    "an update of nothing makes the item": (touched, ("ok", True)),
    "a large update makes no item": (refused_update("SET b = :b", None, b={"S": "b" * LIMIT}), (REFUSED, True)),
    "grown inside a map": (
        refused_update("SET m.b = :b", {"m": {"M": {"a": {"S": "x" * 300_000}}}}, b={"S": "b" * 200_000}),
        (REFUSED, True),
    ),
    "an update of a wrong type is not half made": (
        refused_update("SET a = :a ADD s :n", {"s": {"S": "x"}}, a={"S": "a"}, n={"N": "1"}),
        (REFUSED, True),
    ),
    # transactions
    "a token twice": (token_twice, ("ok", "ok", "1")),
    "a token with another request": (token_reused, ("ok", MISMATCH, "1")),
    "a token after a refusal": (token_of_a_refused_one, (CANCELLED, "ok", "1")),
    "two tokens": (two_tokens, ("ok", "ok", "2")),
    "a token of 37 characters": (lambda bench: bench.add(token="x" * 37), REFUSED),
    "a statement's token twice": (statement_twice, ("ok", "ok", MISMATCH, "a")),
    "a large item in a transaction": (too_large_in_transaction, (CANCELLED, {})),
    "a large update in a transaction": (grown_in_transaction, (CANCELLED, {"v": {"S": "v"}}, False)),
}
"""What is done, and what DynamoDB answers."""

NO_TRANSACTIONS = "dynalite has no transactions and no PartiQL"
EXCEPTIONS = {
    ("dynamodb-local", "sum"): "it keeps the zeros of a sum",
    ("dynamodb-local", "difference"): "it keeps the zeros of a sum",
    ("dynamodb-local", "number in a map"): "it trims numbers that are an attribute of their own, no other",
    ("dynamodb-local", "number in a list"): "it trims numbers that are an attribute of their own, no other",
    ("dynamodb-local", "one number read twice"): "BatchGetItem compares keys as texts",
    ("dynamodb-local", "a large item in a transaction"): "it refuses the request where AWS cancels the transaction",
    ("dynamodb-local", "a large update in a transaction"): "it refuses the request where AWS cancels the transaction",
    ("dynalite", "+5"): "it takes no plus sign",
    ("dynalite", "sum of 39 digits"): "it limits numbers when they are put, not sums",
    ("dynalite", "sum beyond 1E126"): "it limits numbers when they are put, not sums",
    ("dynalite", "2,049 bytes in 1,025 characters"): "it counts characters",
    **{("dynalite", name): NO_TRANSACTIONS for name in GIVEN if "token" in name or "transaction" in name},
}
"""Database and case -> why it answers otherwise."""


@pytest.fixture(scope="module")
def ready(database: Any) -> Iterator[Bench]:
    """A bench, its tables made."""
    made = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=database.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    with closing(made):
        forms = {"S": [("key", "S")], "N": [("key", "N")], "B": [("key", "B")], "SS": [("key", "S"), ("sort", "S")]}
        yield Bench(made, {name: database.table(keys) for name, keys in forms.items()}, "")


@pytest.fixture
def bench(ready: Bench) -> Bench:
    """The bench with a key that nothing has used."""
    return Bench(ready.client, ready.tables, uuid.uuid4().hex)


@pytest.mark.parametrize(
    "database",
    [
        "local-cloud",
        pytest.param("dynamodb-local", marks=pytest.mark.dynamodb_local),
        pytest.param("dynalite", marks=pytest.mark.dynamodb_local),
    ],
    indirect=True,
    scope="session",
)
@pytest.mark.parametrize("name", GIVEN)
def test_what_dynamodb_does(request: pytest.FixtureRequest, database: Any, bench: Bench, name: str) -> None:
    """As AWS documents it, but for what is named."""
    if reason := EXCEPTIONS.get((database.name, name)):
        request.applymarker(pytest.mark.xfail(reason=reason))
    do, expected = GIVEN[name]
    assert do(bench) == expected


def test_a_token_is_known_for_ten_minutes(hasty_cloud: Any) -> None:
    """Of the cloud's own time; then it is as if it had never been used."""
    bench = Bench(hasty_cloud.admin, {"S": hasty_cloud.table()}, "k")
    assert token_twice(bench) == ("ok", "ok", "2")
