#!/usr/bin/env bash
# Package: DynamoDB Local, the jar inside amplify-dynamodb-simulator 2.9.30 (npm; needs java), boto3 1.43.106 (PyPI)
# Behaviour: a number that an update has added up, and one inside a map, keep their zeros: 0.1 + 0.9 is 1.0, {"a": 0.10} is
#   0.10. A number that is put as an attribute of its own is trimmed, as DynamoDB documents it of all numbers ("Leading
#   and trailing zeroes are trimmed"). Who compares texts sees another value than on AWS.
# Output seen on 2026-11-30: 0.1 1.0 0.10
set -euo pipefail

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
archive=$(npm pack --silent --pack-destination "$work" amplify-dynamodb-simulator@2.9.30)
tar -xzf "$work/$archive" -C "$work" package/emulator
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet boto3==1.43.106
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1

# Its own main class listens on every address; Jetty's takes this file.
cat >"$work/loopback.xml" <<'XML'
<?xml version="1.0"?>
<!DOCTYPE Configure PUBLIC "-//Jetty//Configure//EN" "http://www.eclipse.org/jetty/configure_9_3.dtd">
<Configure id="server" class="org.eclipse.jetty.server.Server">
  <Call name="addConnector"><Arg><New class="org.eclipse.jetty.server.ServerConnector">
    <Arg name="server"><Ref refid="server"/></Arg>
    <Set name="host">127.0.0.1</Set>
    <Set name="port"><Property name="port"/></Set>
  </New></Arg></Call>
  <Set name="handler"><New class="com.amazonaws.services.dynamodbv2.local.server.LocalDynamoDBServerHandler">
    <Arg><New class="com.amazonaws.services.dynamodbv2.local.server.LocalDynamoDBRequestHandler">
      <Arg type="int">0</Arg><Arg type="boolean">true</Arg><Arg/><Arg type="boolean">true</Arg><Arg type="boolean">false</Arg>
    </New></Arg>
    <Arg>*</Arg>
  </New></Set>
</Configure>
XML
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
emulator=$work/package/emulator
java "-Djava.library.path=$emulator/DynamoDBLocal_lib" -cp "$emulator/DynamoDBLocal.jar:$emulator/DynamoDBLocal_lib/*" \
  org.eclipse.jetty.xml.XmlConfiguration "port=$port" "$work/loopback.xml" >/dev/null 2>&1 &
server=$!
for _ in $(seq 150); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  sleep 0.2
done

seen=$("$work/venv/bin/python" - "http://127.0.0.1:$port" <<'PYTHON'
import sys

import boto3

KEY = {"name": {"S": "a"}}
dynamodb = boto3.client("dynamodb", endpoint_url=sys.argv[1])
dynamodb.create_table(
    TableName="numbers",
    KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
    BillingMode="PAY_PER_REQUEST",
)
item = KEY | {"plain": {"N": "0.10"}, "sum": {"N": "0.1"}, "map": {"M": {"a": {"N": "0.10"}}}}
dynamodb.put_item(TableName="numbers", Item=item)
dynamodb.update_item(
    TableName="numbers",
    Key=KEY,
    UpdateExpression="ADD #sum :x",
    ExpressionAttributeNames={"#sum": "sum"},
    ExpressionAttributeValues={":x": {"N": "0.9"}},
)
found = dynamodb.get_item(TableName="numbers", Key=KEY)["Item"]
print(found["plain"]["N"], found["sum"]["N"], found["map"]["M"]["a"]["N"])
PYTHON
)
echo "0.10 put, 0.1 + 0.9 added up, 0.10 in a map: $seen"
[ "$seen" = "0.1 1.0 0.10" ]
