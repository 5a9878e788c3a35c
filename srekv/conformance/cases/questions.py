"""Puts the cases to an account: each by its call, by its changes, or, if it takes more, by the function of its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import ClientError

from srekv.conformance.cases import resources
from srekv.conformance.cases.catalogue import Answer, Case
from srekv.conformance.cases.context import FAILURES, CaseContext, NotAskedError, code_of, fill, members, success

Verdict = Literal["ok", "differs", "not asked"]


@dataclass(kw_only=True)
class Outcome:
    """What came of a case.

    Attributes:
        seen: the answer; None when it was not asked.
        reason: why it was not asked.
        failed: it was to be asked and could not be.
        left: what the case made and could not remove.
    """

    case: Case
    verdict: Verdict = "not asked"
    seen: Answer | None = None
    reason: str = ""
    failed: bool = False
    left: tuple[str, ...] = ()


def put(case: Case, home: CaseContext) -> Outcome:
    """Put one case; what it made for itself is removed, what others share stays."""
    context = home.child(case.answers)
    outcome = Outcome(case=case)
    try:
        outcome.seen = seen = ask(case, context)
        outcome.verdict = "ok" if any(answer.matches(seen) for answer in case.answers) else "differs"
    except (*FAILURES, NotAskedError) as error:
        outcome.failed, outcome.reason = True, str(error)
        if isinstance(error, ClientError):
            message = error.response.get("Error", {}).get("Message", "")
            outcome.reason = f"{error.operation_name}: {code_of(error)}: {message}"
    finally:
        outcome.left = tuple(context.clear())
    return outcome


def put_all(
    cases: Iterable[Case], home: CaseContext, *, expensive: bool, report: Callable[[Outcome], None] = lambda _: None
) -> tuple[list[Outcome], list[str]]:
    """Put them all, then remove what they shared: the outcomes, and what could not be removed."""
    outcomes: list[Outcome] = []
    try:
        for case in cases:
            if case.expensive and not expensive:
                outcome = Outcome(case=case, reason="launches an instance: --expensive asks it")
            else:
                outcome = put(case, home)
            outcomes.append(outcome)
            report(outcome)
    finally:
        left = home.clear()
    return outcomes, [one for outcome in outcomes for one in outcome.left] + left


def ask(case: Case, context: CaseContext) -> Answer:
    """Put the question of a case."""
    values = resources.Values(context)
    for call, params in case.first:
        values.update(members(context.call_with_retries(call, **fill(params, values))))
    if case.changes:
        records = [(action, one if "Type" in one else {**resources.ADDRESS, **one}) for action, one in case.changes]
        changes = [{"Action": action, "ResourceRecordSet": fill(record, values)} for action, record in records]
        batch = {"HostedZoneId": values["zone_id"], "ChangeBatch": {"Changes": changes}}
        return context.ask("route53.change_resource_record_sets", **batch)
    if case.call:
        params = fill(case.params, values)
        return context.ask(case.call, shows=case.shows, unknown_key=case.unknown_key, **params)
    function: Callable[[CaseContext], Answer] = globals()[f"_{case.id.replace('-', '_')}"]
    return function(context)


def _check_reference_same_config(context: CaseContext) -> Answer:
    params = {"CallerReference": context.name(), "HealthCheckConfig": resources.CHECK}
    first, again = (context.call_with_retries("route53.create_health_check", **params) for _ in range(2))
    return success(again, "same" if again["HealthCheck"]["Id"] == first["HealthCheck"]["Id"] else "another one")


def _check_defaults(context: CaseContext) -> Answer:
    answer = context.call_with_retries("route53.get_health_check", HealthCheckId=resources.check(context))
    check = answer["HealthCheck"]
    members = ("Inverted", "EnableSNI", "MeasureLatency", "FailureThreshold", "RequestInterval", "Regions")
    shown = {member: check["HealthCheckConfig"].get(member) for member in members}
    return success(answer, json.dumps({**shown, "HealthCheckVersion": check["HealthCheckVersion"]}, sort_keys=True))


def _table_deleting(context: CaseContext) -> Answer:
    answer = context.call_with_retries("dynamodb.delete_table", TableName=resources.new_table(context))
    table = answer["TableDescription"]
    more = [member for member in ("KeySchema", "AttributeDefinitions", "CreationDateTime") if member in table]
    return success(answer, " ".join([table["TableStatus"], *more]))


def _table_protected(context: CaseContext) -> Answer:
    name = resources.new_table(context, DeletionProtectionEnabled=True)
    unprotected = {"TableName": name, "DeletionProtectionEnabled": False}
    context.remove_later(f"the protection of table {name}", "dynamodb.update_table", **unprotected)
    return context.ask("dynamodb.delete_table", TableName=name)


def _item_condition(context: CaseContext) -> Answer:
    params = {"TableName": resources.table(context), "Item": {"pk": {"S": "b6"}}}
    context.call_with_retries("dynamodb.put_item", **params)
    absent = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    try:
        return success(context.call_with_retries("dynamodb.put_item", **params, **absent))
    except ClientError as error:
        text = f"{error.response['Error']['Message']} {json.dumps(error.response.get('Item'))}"
        return Answer(error.response["ResponseMetadata"]["HTTPStatusCode"], code_of(error), text)


def _alarm_deleted_tags(context: CaseContext) -> Answer:
    name = resources.new_alarm(context)
    alarm = context.call("cloudwatch.describe_alarms", AlarmNames=[name])["MetricAlarms"][0]
    context.call_with_retries("cloudwatch.delete_alarms", AlarmNames=[name])
    answer = context.call_with_retries("cloudwatch.list_tags_for_resource", ResourceARN=alarm["AlarmArn"])
    return success(answer, f"{len(answer['Tags'])} tags")
