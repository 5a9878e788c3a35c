"""How a case is asked: by its call, by its changes, or, if it takes more than one step, by the function of its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from srekv.conformance.cases import resources
from srekv.conformance.cases.catalogue import Answer, Case
from srekv.conformance.cases.context import TAG, CaseContext, code_of, fill, success


def ask(case: Case, context: CaseContext) -> Answer:
    """Put the question of a case."""
    values = resources.Values(context)
    for call, params in fill(case.first, values):
        context.call_with_retries(call, **params)
    if case.changes:
        return _change(context, values["zone_id"], *fill(case.changes, values))
    if case.call:
        return context.ask(case.call, unknown_key=case.unknown_key, **fill(case.params, values))
    function: Callable[[CaseContext], Answer] = globals()[f"_{case.id.replace('-', '_')}"]
    return function(context)


def _change(context: CaseContext, zone_id: str, *changes: tuple[str, dict[str, Any]]) -> Answer:
    batch = resources.batch(*changes)
    return context.ask("route53.change_resource_record_sets", HostedZoneId=zone_id, ChangeBatch=batch)


def _zone_vpc_unknown(context: CaseContext) -> Answer:
    params = resources.zone_params(context)  # lists the VPCs, from which the layer knows that there is no other
    params["VPC"]["VPCId"] = "vpc-0123456789abcdef0"
    return context.ask("route53.create_hosted_zone", **params)


def _zone_reference_once(context: CaseContext) -> Answer:
    reference = context.name("ref")
    resources.new_zone(context, reference)
    return context.ask("route53.create_hosted_zone", **resources.zone_params(context, reference=reference))


def _zone_not_empty(context: CaseContext) -> Answer:
    zone_id, name = resources.new_zone(context)
    resources.new_record(context, zone_id, f"a.{name}")
    return context.ask("route53.delete_hosted_zone", Id=zone_id)


def _change_pending(context: CaseContext) -> Answer:
    answer = context.call_with_retries("route53.create_hosted_zone", **resources.zone_params(context))
    return success(answer, answer["ChangeInfo"]["Status"])


def _record_create_existing(context: CaseContext) -> Answer:
    zone_id, zone = resources.zone(context)
    return _change(context, zone_id, ("CREATE", resources.new_record(context, zone_id, f"exists.{zone}")))


def _record_delete_other_values(context: CaseContext) -> Answer:
    zone_id, zone = resources.zone(context)
    record = resources.new_record(context, zone_id, f"other.{zone}")
    return _change(context, zone_id, ("DELETE", {**record, "TTL": 60}))


def _record_values_most(context: CaseContext) -> Answer:
    zone_id, zone = resources.zone(context)
    values = [{"Value": f"10.0.{one // 256}.{one % 256}"} for one in range(401)]
    return _change(context, zone_id, ("CREATE", {"Name": f"many.{zone}", "ResourceRecords": values}))


def _create_check(context: CaseContext, reference: str, **more: Any) -> Answer:
    config = {**resources.CHECK, **more}
    return context.ask("route53.create_health_check", CallerReference=reference, HealthCheckConfig=config)


def _check_reference_other_config(context: CaseContext) -> Answer:
    reference = context.name("ref")
    resources.new_check(context, reference)
    return _create_check(context, reference, Port=8080)


def _check_reference_same_config(context: CaseContext) -> Answer:
    reference = context.name("ref")
    first = resources.new_check(context, reference)
    params = {"CallerReference": reference, "HealthCheckConfig": resources.CHECK}
    again = context.call_with_retries("route53.create_health_check", **params)
    return success(again, "same" if again["HealthCheck"]["Id"] == first else "another one")


def _check_reference_deleted(context: CaseContext) -> Answer:
    reference = context.name("ref")
    check = resources.new_check(context, reference)
    context.call_with_retries("route53.delete_health_check", HealthCheckId=check)
    return _create_check(context, reference)


def _check_defaults(context: CaseContext) -> Answer:
    answer = context.call_with_retries("route53.get_health_check", HealthCheckId=resources.check(context))
    check = answer["HealthCheck"]
    members = ("Inverted", "EnableSNI", "MeasureLatency", "FailureThreshold", "RequestInterval", "Regions")
    shown = {member: check["HealthCheckConfig"].get(member) for member in members}
    return success(answer, json.dumps({**shown, "HealthCheckVersion": check["HealthCheckVersion"]}, sort_keys=True))


def _check_deleted_in_use(context: CaseContext) -> Answer:
    zone_id, zone = resources.zone(context)
    check = resources.new_check(context)
    members = {"SetIdentifier": "az1", "Failover": "PRIMARY", "HealthCheckId": check}
    resources.new_record(context, zone_id, f"used.{zone}", **members)
    return context.ask("route53.delete_health_check", HealthCheckId=check)


def _user_data_limit(context: CaseContext) -> Answer:
    tags = [{"ResourceType": "instance", "Tags": context.tags}]
    data = {"ImageId": resources.image(context), "UserData": "#" * 16385}
    return context.ask("ec2.run_instances", **resources.INSTANCE, **data, TagSpecifications=tags)


def _release_by_address(context: CaseContext) -> Answer:
    return context.ask("ec2.release_address", PublicIp=resources.new_address(context)["PublicIp"])


def _table_creating(context: CaseContext) -> Answer:
    params = {"TableName": context.name("table"), "Tags": context.tags, **resources.KEY}
    answer = context.call_with_retries("dynamodb.create_table", **params)
    table = answer["TableDescription"]
    units = table["ProvisionedThroughput"]
    mode = table.get("BillingModeSummary", {}).get("BillingMode")
    shown = f"{table['TableStatus']} {mode} {units['ReadCapacityUnits']}/{units['WriteCapacityUnits']}"
    return success(answer, shown)


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
    absent = {
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    try:
        return success(context.call_with_retries("dynamodb.put_item", **params, **absent))
    except ClientError as error:
        text = f"{error.response['Error']['Message']} {json.dumps(error.response.get('Item'))}"
        return Answer(error.response["ResponseMetadata"]["HTTPStatusCode"], code_of(error), text)


def _item_key_length(context: CaseContext) -> Answer:
    return context.ask("dynamodb.put_item", TableName=resources.table(context), Item={"pk": {"S": "x" * 2049}})


def _new_alarm(context: CaseContext) -> Any:
    """An alarm as it is described, once it is."""
    name = context.name("alarm")
    context.call_with_retries(
        "cloudwatch.put_metric_alarm",
        AlarmName=name,
        Tags=context.tags,
        MetricName="Nothing",
        Namespace="srekv-conformance",
        Statistic="Minimum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="LessThanThreshold",
    )
    found: list[Any] = []

    def is_described() -> bool:
        found[:] = context.call("cloudwatch.describe_alarms", AlarmNames=[name])["MetricAlarms"]
        return bool(found)

    context.wait_until(f"alarm {name}", is_described)
    return {"AlarmName": name, **found[0]}


def _alarm_fresh(context: CaseContext) -> Answer:
    alarm = _new_alarm(context)
    return Answer(200, "", f"{alarm['StateValue']} {alarm['StateReason']}")


def _alarm_deleted_tags(context: CaseContext) -> Answer:
    alarm = _new_alarm(context)
    context.call_with_retries("cloudwatch.delete_alarms", AlarmNames=[alarm["AlarmName"]])
    answer = context.call_with_retries("cloudwatch.list_tags_for_resource", ResourceARN=alarm["AlarmArn"])
    return success(answer, f"{len(answer['Tags'])} tags")


def _tagging_last_page(context: CaseContext) -> Answer:
    filters = [{"Key": f"{TAG}:absent"}]
    answer = context.call_with_retries("resourcegroupstaggingapi.get_resources", TagFilters=filters)
    return success(answer, repr(answer.get("PaginationToken")))


def _launch_and_wait(context: CaseContext) -> str:
    instance = resources.new_instance(context)
    context.wait_for_instance(instance, "run", "running")
    return instance


def _release_in_use(context: CaseContext) -> Answer:
    address, instance = resources.new_address(context), _launch_and_wait(context)
    names = {"AllocationId": address["AllocationId"]}
    made = context.call_with_retries("ec2.associate_address", **names, InstanceId=instance)
    association = {"AssociationId": made["AssociationId"]}
    context.remove_later(f"association of {address['PublicIp']}", "ec2.disassociate_address", **association)
    return context.ask("ec2.release_address", **names)


def _client_token_mismatch(context: CaseContext) -> Answer:
    token = context.name("token")
    resources.new_instance(context, ClientToken=token)
    params = {**resources.INSTANCE, "ImageId": resources.image(context), "InstanceType": "t3.micro"}
    return context.ask("ec2.run_instances", **params, ClientToken=token)


def _group_in_use(context: CaseContext) -> Answer:
    _launch_and_wait(context)
    return context.ask("ec2.delete_security_group", GroupId=resources.group(context)[0])
