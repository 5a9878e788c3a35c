"""Optional CloudWatch: an alarm for each health check, one for a throttled table, and a dashboard."""

from __future__ import annotations

import json
from functools import cached_property, partial
from typing import Any

from srekv.errors import NotOursError
from srekv.provision.drift import difference
from srekv.provision.engine.answers import found, gone
from srekv.provision.engine.run import Op, Ops, Run, Step, leave
from srekv.provision.inventory.marks import each
from srekv.provision.model import Resource
from srekv.provision.naming import NODES, STACK_TAG, TITLE, tag_map
from srekv.provision.steps.health import HealthChecks
from srekv.provision.steps.table import Table


class Alarms:
    """Three alarms and a dashboard when --alarms was given; looked for and removed in any case.

    They are found by name, so an alarm counts as ours only with our tag. A dashboard takes tags at its creation only
    (aws-facts 8) and is told by its first widget, which names the stack.
    """

    section = "CloudWatch"

    def __init__(self, run: Run, checks: HealthChecks, table: Table, *, wanted_before: bool) -> None:
        """`wanted_before`: whether the stack was made with alarms."""
        self._run = run
        self._wanted_before = wanted_before
        self._checks = checks
        self.needs: tuple[Step, ...] = (checks, table)

    def observe(self) -> tuple[Resource, ...]:
        """Our alarms and our dashboard."""
        resources = [
            Resource(kind="alarm", id=alarm["AlarmArn"], name=alarm["AlarmName"], state=alarm.get("StateValue", ""))
            for _, alarm in self._ours()
        ]
        if self._is_our_dashboard(self._dashboard_body()):
            name = self._run.names.dashboard
            resources.append(Resource(kind="dashboard", id=name, name=name, state="present"))
        return tuple(resources)

    def fit(self) -> None:
        """Refuse an alarm or a dashboard of our name that is another's."""
        if self._run.config.alarms:
            _ = self._at_first

    @cached_property
    def _at_first(self) -> tuple[dict[str, dict[str, Any]], str | None]:
        """The alarms by name and the dashboard's body when they were first asked for; all of them are ours."""
        alarms, body = {}, self._dashboard_body()
        for client, names in ((self._global, self._check_alarms), (self._regional, [self._table_alarm])):
            for alarm in self._present(client, names):
                if not self._is_our_alarm(client, alarm):
                    raise self._foreign("alarm", alarm["AlarmName"])
                alarms[alarm["AlarmName"]] = alarm
        if body is not None and not self._is_our_dashboard(body):
            raise self._foreign("dashboard", self._run.names.dashboard)
        return alarms, body

    def ensure(self) -> Ops:
        """Put what is missing or differs, or remove what is no longer wanted.

        PutMetricAlarm and PutDashboard replace the whole (aws-facts 8).
        """
        if not self._run.config.alarms:
            if self._wanted_before:
                yield from self.destroy()
            return
        checks, table = [self._check_alarm(node) for node in NODES], [self._throttle_alarm()]
        have, body = self._at_first
        for client, wanted in ((self._global, checks), (self._regional, table)):
            for alarm in wanted:
                yield self._alarm_op(client, alarm, have.get(alarm["AlarmName"]))
        yield self._dashboard_op(body)

    def settle(self) -> Ops:
        """Nothing to wait for: a new check's first data takes minutes (aws-facts 8)."""
        return iter(())

    def destroy(self) -> Ops:
        """Remove the alarms and the dashboard."""
        for client, alarm in self._ours():
            name = alarm["AlarmName"]
            yield Op(
                kind="alarm",
                name=name,
                id=alarm["AlarmArn"],
                action="delete",
                call=partial(gone, client.delete_alarms, AlarmNames=[name]),
            )
        if self._is_our_dashboard(self._dashboard_body()):
            name = self._run.names.dashboard
            yield Op(
                kind="dashboard",
                name=name,
                id=name,
                action="delete",
                call=lambda: gone(self._regional.delete_dashboards, DashboardNames=[name]),
            )

    @property
    def _global(self) -> Any:
        return self._run.clients.cloudwatch_global

    @property
    def _regional(self) -> Any:
        return self._run.clients.cloudwatch

    @property
    def _check_alarms(self) -> list[str]:
        return [self._run.names.alarm(f"{node}-unhealthy") for node in NODES]

    @property
    def _table_alarm(self) -> str:
        return self._run.names.alarm("table-throttled")

    def _present(self, client: Any, names: list[str]) -> list[dict[str, Any]]:
        listed = each(client, "describe_alarms", "MetricAlarms", AlarmNames=names)
        return [one for one in listed if one["AlarmName"] in names]

    def _ours(self) -> list[tuple[Any, dict[str, Any]]]:
        """Our alarms, each with the client of its Region."""
        return [
            (client, alarm)
            for client, names in ((self._global, self._check_alarms), (self._regional, [self._table_alarm]))
            for alarm in self._present(client, names)
            if self._is_our_alarm(client, alarm)
        ]

    def _is_our_alarm(self, client: Any, alarm: dict[str, Any]) -> bool:
        answer = found(client.list_tags_for_resource, ResourceARN=alarm["AlarmArn"])
        return tag_map((answer or {}).get("Tags")).get(STACK_TAG) == self._run.config.stack

    def _is_our_dashboard(self, body: str | None) -> bool:
        widgets = json.loads(body).get("widgets", []) if body else []
        return bool(widgets) and widgets[0].get("properties") == {"markdown": self._title}

    @property
    def _title(self) -> str:
        return TITLE + self._run.config.stack

    def _foreign(self, kind: str, name: str) -> NotOursError:
        return NotOursError(
            f"the {kind} {name} exists and is not this stack's",
            why=f"it does not name the stack {self._run.config.stack}",
            next_step="choose another stack name (--stack NAME), rename it, or leave --alarms out",
        )

    def _dashboard_body(self) -> str | None:
        """Whether it is there the listing tells: of an absent one GetDashboard has no error that endpoints agree on."""
        name = self._run.names.dashboard
        listed = each(self._regional, "list_dashboards", "DashboardEntries", DashboardNamePrefix=name)
        if name not in {one["DashboardName"] for one in listed}:
            return None
        answer = found(self._regional.get_dashboard, DashboardName=name)
        return str(answer["DashboardBody"]) if answer else None

    def _check_alarm(self, node: str) -> dict[str, Any]:
        return {
            "AlarmName": self._run.names.alarm(f"{node}-unhealthy"),
            "AlarmDescription": f"Route 53 sees {self._run.names.instance(node)} unhealthy",
            "Namespace": "AWS/Route53",
            "MetricName": "HealthCheckStatus",
            "Dimensions": [{"Name": "HealthCheckId", "Value": self._checks.check_id.get(node, "")}],
            "Statistic": "Minimum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "LessThanThreshold",
        }

    def _throttle_alarm(self) -> dict[str, Any]:
        def events(number: str, metric: str) -> dict[str, Any]:
            dimensions = [{"Name": "TableName", "Value": self._run.names.table}]
            source = {"Namespace": "AWS/DynamoDB", "MetricName": metric, "Dimensions": dimensions}
            return {"Id": number, "ReturnData": False, "MetricStat": {"Metric": source, "Period": 60, "Stat": "Sum"}}

        return {
            "AlarmName": self._table_alarm,
            "AlarmDescription": f"DynamoDB throttles requests to {self._run.names.table}",
            "Metrics": [
                events("reads", "ReadThrottleEvents"),
                events("writes", "WriteThrottleEvents"),
                {"Id": "throttled", "Expression": "FILL(reads, 0) + FILL(writes, 0)", "ReturnData": True},
            ],
            "EvaluationPeriods": 1,
            "Threshold": 0.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }

    def _alarm_op(self, client: Any, want: dict[str, Any], have: dict[str, Any] | None) -> Op:
        name = want["AlarmName"]
        if have and _covers(have, want):
            return leave("alarm", name, have["AlarmArn"])
        tags = self._run.names.tags(name)

        def put() -> str:
            client.put_metric_alarm(**want, Tags=tags)
            return str(name)

        detail = _difference(have, want) if have else ""
        return Op(kind="alarm", name=name, action="change" if have else "create", detail=detail, call=put)

    def _dashboard_op(self, have: str | None) -> Op:
        name, body = self._run.names.dashboard, self._dashboard()
        if have is not None and json.loads(have) == body:
            return leave("dashboard", name, name)

        def put() -> str:
            self._regional.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body))
            return name

        return Op(kind="dashboard", name=name, action="create" if have is None else "change", call=put)

    def _dashboard(self) -> dict[str, Any]:
        table, region = self._run.names.table, self._run.config.region
        checks = [
            ["AWS/Route53", "HealthCheckStatus", "HealthCheckId", self._checks.check_id.get(node, ""), {"label": node}]
            for node in NODES
        ]
        requests = [
            ["AWS/DynamoDB", metric, "TableName", table]
            for metric in ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "WriteThrottleEvents")
        ]
        return {
            "widgets": [
                {"type": "text", "x": 0, "y": 0, "width": 24, "height": 1, "properties": {"markdown": self._title}},
                _widget("Health checks", checks, region=self._run.clients.global_region, x=0, statistic="Minimum"),
                _widget(f"Table {table}", requests, region=region, x=12, statistic="Sum"),
            ]
        }


def _widget(title: str, metrics: list[list[Any]], *, region: str, x: int, statistic: str) -> dict[str, Any]:
    """One line chart, half the dashboard's 24 columns wide."""
    properties = {
        "title": title,
        "metrics": metrics,
        "region": region,
        "period": 60,
        "stat": statistic,
        "view": "timeSeries",
    }
    return {"type": "metric", "x": x, "y": 1, "width": 12, "height": 6, "properties": properties}


def _difference(have: dict[str, Any], want: dict[str, Any]) -> str:
    """The fields that are not as wanted, for a person."""
    return difference(have, {key: value for key, value in want.items() if not _covers(have.get(key), value)})


def _covers(have: Any, want: Any) -> bool:
    """Whether everything wanted is so; what the service adds by itself does not count."""
    if isinstance(want, dict):
        return isinstance(have, dict) and all(_covers(have.get(key), value) for key, value in want.items())
    if isinstance(want, list):
        return isinstance(have, list) and len(have) == len(want) and all(map(_covers, have, want))
    return bool(have == want)
