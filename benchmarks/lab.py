"""The lab's own program, to the letter but for the address and the Region; the port is its argument."""

# ruff: noqa: ANN201, D103 - as the lab has it

import json
import sys

import boto3
from flask import Flask, request

app = Flask(__name__)
ddb = boto3.resource("dynamodb", region_name="us-east-1")
table = ddb.Table("SREKeyValue")


@app.route("/write")
def write():
    key = request.args.get("key")
    value = request.args.get("value")
    table.put_item(Item={"key": key, "value": value})
    return json.dumps({"status": "written"}), 200


@app.route("/read")
def read():
    key = request.args.get("key")
    resp = table.get_item(Key={"key": key})
    return json.dumps(resp.get("Item", {})), 200


@app.route("/health")
def health():
    return "OK", 200


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]))
