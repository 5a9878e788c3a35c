"""Optional CloudWatch: an alarm for each health check, one for a throttled table, and a dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from srekv.errors import NotOursError
from srekv.provision.drift import difference
from srekv.provision.engine.answers import or_none
from srekv.provision.inventory.marks import each
from srekv.provision.naming import NODES, TITLE
from srekv.provision.queries import stack_of_alarm, stack_of_dashboard
from srekv.provision.step import Op, Ops, change, create, delete, leave
from srekv.provision.steps.base import StackStep
from srekv.provision.steps.health import HealthChecks

Alarm = dict[str, Any]


@dataclass(eq=False)
class Alarms(StackStep):
    """Three alarms and a dashboard when --alarms was given; looked for and removed in any case."""

    section = "CloudWatch"
    checking = "checking alarms and dashboard"
    checks: HealthChecks
    wanted_before: bool  # whether the stack was made with alarms

    def fit(self) -> None:
        """Refuse an alarm or a dashboard of our name that is another's."""
        if self.config.alarms:
            _ = self._at_first

    @cached_property
    def _at_first(self) -> tuple[dict[str, Alarm], str | None]:
        """The alarms by name and the dashboard's body when they were first asked for; all of them are ours."""
        # Found by name, an alarm counts as ours only with our tag, and a dashboard only with our first widget.
        body = self._dashboard_body()
        alarms = {alarm["AlarmName"]: (client, alarm) for client, alarm in self._present()}
        for name, (client, alarm) in alarms.items():
            if stack_of_alarm(client, alarm) != self.names.stack:
                raise self._foreign("alarm", name)
        if body is not None and stack_of_dashboard(body) != self.names.stack:
            raise self._foreign("dashboard", self.names.dashboard)
        return {name: alarm for name, (_, alarm) in alarms.items()}, body

    def ensure(self) -> Ops:
        """Put the whole of what is missing or differs (aws-facts 8), or remove what is no longer wanted."""
        if not self.config.alarms:
            if self.wanted_before:
                yield from self.destroy()
            return
        have, body = self._at_first
        for client, wanted in self._wanted():
            yield self._alarm_op(client, wanted, have.get(wanted["AlarmName"]))
        name, wanted_body = self.names.dashboard, self._dashboard()
        put = partial(self._put_dashboard, wanted_body)
        if body is None:
            yield create("dashboard", name, put)
        else:
            same = json.loads(body) == wanted_body
            yield leave("dashboard", name, name) if same else change("dashboard", name, name, "", put)

    def destroy(self) -> Ops:
        """Remove the alarms and the dashboard."""
        for client, alarm in self._present():
            name, state = alarm["AlarmName"], alarm.get("StateValue", "")
            if stack_of_alarm(client, alarm) == self.names.stack:
                yield delete("alarm", name, alarm["AlarmArn"], state, client.delete_alarms, AlarmNames=[name])
        name, body = self.names.dashboard, self._dashboard_body()
        if body is not None and stack_of_dashboard(body) == self.names.stack:
            call = self.run.clients.cloudwatch.delete_dashboards
            yield delete("dashboard", name, name, "present", call, DashboardNames=[name])

    def _wanted(self) -> Iterator[tuple[Any, Alarm]]:
        """Each alarm with the client of its Region: Route 53 publishes its metrics in one only (aws-facts 8)."""
        for node in NODES:
            yield self.run.clients.cloudwatch_global, self._check_alarm(node)
        yield self.run.clients.cloudwatch, self._throttle_alarm()

    def _present(self) -> Iterator[tuple[Any, Alarm]]:
        """The alarms of our names that there are."""
        names: dict[Any, list[str]] = {}
        for client, wanted in self._wanted():
            names.setdefault(client, []).append(wanted["AlarmName"])
        for client, mine in names.items():
            listed = each(client, "describe_alarms", "MetricAlarms", AlarmNames=mine)
            yield from ((client, one) for one in listed if one["AlarmName"] in mine)

    def _foreign(self, kind: str, name: str) -> NotOursError:
        return NotOursError(
            f"the {kind} {name} exists and is not this stack's",
            why=f"it does not name the stack {self.names.stack}",
            next_step="choose another stack name (--stack NAME), rename it, or leave --alarms out",
        )

    def _dashboard_body(self) -> str | None:
        """Whether it is there the listing tells: of an absent one GetDashboard has no error that endpoints agree on."""
        name, client = self.names.dashboard, self.run.clients.cloudwatch
        listed = each(client, "list_dashboards", "DashboardEntries", DashboardNamePrefix=name)
        if name not in {one["DashboardName"] for one in listed}:
            return None
        answer = or_none(client.get_dashboard, DashboardName=name)
        return str(answer["DashboardBody"]) if answer else None

    def _check_alarm(self, node: str) -> Alarm:
        return {
            "AlarmName": self.names.alarm(f"{node}-unhealthy"),
            "AlarmDescription": f"Route 53 sees {self.names.instance(node)} unhealthy",
            "Namespace": "AWS/Route53",
            "MetricName": "HealthCheckStatus",
            "Dimensions": [{"Name": "HealthCheckId", "Value": self.checks.check_id.get(node, "")}],
            "Statistic": "Minimum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "LessThanThreshold",
        }

    def _throttle_alarm(self) -> Alarm:
        def events(number: str, metric: str) -> dict[str, Any]:
            dimensions = [{"Name": "TableName", "Value": self.names.table}]
            source = {"Namespace": "AWS/DynamoDB", "MetricName": metric, "Dimensions": dimensions}
            return {"Id": number, "ReturnData": False, "MetricStat": {"Metric": source, "Period": 60, "Stat": "Sum"}}

        return {
            "AlarmName": self.names.alarm("table-throttled"),
            "AlarmDescription": f"DynamoDB throttles requests to {self.names.table}",
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

    def _alarm_op(self, client: Any, want: Alarm, have: Alarm | None) -> Op:
        name = want["AlarmName"]
        if have and _covers(have, want):
            return leave("alarm", name, have["AlarmArn"])

        def put() -> str:
            client.put_metric_alarm(**want, Tags=self.names.tags(name))
            return str(name)

        if have is None:
            return create("alarm", name, put)
        wrong = {key: value for key, value in want.items() if not _covers(have.get(key), value)}
        return change("alarm", name, have["AlarmArn"], difference(have, wrong), put)

    def _put_dashboard(self, body: object) -> str:
        name = self.names.dashboard
        self.run.clients.cloudwatch.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body))
        return name

    def _dashboard(self) -> dict[str, Any]:
        table = self.names.table
        checks = [
            ["AWS/Route53", "HealthCheckStatus", "HealthCheckId", self.checks.check_id.get(node, ""), {"label": node}]
            for node in NODES
        ]
        metrics = ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "WriteThrottleEvents")
        requests = [["AWS/DynamoDB", metric, "TableName", table] for metric in metrics]
        title = {"markdown": TITLE + self.names.stack}
        return {
            "widgets": [
                {"type": "text", "x": 0, "y": 0, "width": 24, "height": 1, "properties": title},
                _chart("Health checks", checks, region=self.run.clients.global_region, x=0, stat="Minimum"),
                _chart(f"Table {table}", requests, region=self.config.region, x=12, stat="Sum"),
            ]
        }


def _chart(title: str, metrics: list[list[Any]], *, region: str, x: int, stat: str) -> dict[str, Any]:
    """One line chart, half the dashboard's 24 columns wide."""
    shown = {"title": title, "metrics": metrics, "region": region, "period": 60, "stat": stat, "view": "timeSeries"}
    return {"type": "metric", "x": x, "y": 1, "width": 12, "height": 6, "properties": shown}


def _covers(have: Any, want: Any) -> bool:
    """Whether everything wanted is so; what the service adds by itself does not count."""
    if isinstance(want, dict):
        return isinstance(have, dict) and all(_covers(have.get(key), value) for key, value in want.items())
    if isinstance(want, list):
        return isinstance(have, list) and len(have) == len(want) and all(map(_covers, have, want))
    return bool(have == want)
