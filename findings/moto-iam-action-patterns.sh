#!/usr/bin/env bash
# Package: moto 5.2.5 (PyPI)
# Behaviour: IAM compares actions without regard to case and takes "?" for one character (IAM User Guide, "IAM JSON policy
#   elements: Action"). moto's evaluation of policies does neither, so that it refuses what AWS allows.
# Output seen on 2026-11-30:
#   dynamodb:GetItem by dynamodb:GetItem: PERMITTED
#   dynamodb:GetItem by DynamoDB:getitem: NEUTRAL
#   dynamodb:GetItem by dynamodb:GetIte?: NEUTRAL
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'moto[iam]==5.2.5'

seen=$("$work/venv/bin/python" - <<'PYTHON'
import json

from moto.iam.access_control import IAMPolicy

for pattern in ("dynamodb:GetItem", "DynamoDB:getitem", "dynamodb:GetIte?"):
    document = {"Statement": [{"Effect": "Allow", "Action": pattern, "Resource": "*"}]}
    answer = IAMPolicy(json.dumps(document)).is_action_permitted("dynamodb:GetItem", "*")
    print(f"dynamodb:GetItem by {pattern}: {answer.name}")
PYTHON
)
echo "$seen"
[ "$seen" = "dynamodb:GetItem by dynamodb:GetItem: PERMITTED
dynamodb:GetItem by DynamoDB:getitem: NEUTRAL
dynamodb:GetItem by dynamodb:GetIte?: NEUTRAL" ]
