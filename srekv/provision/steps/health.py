"""One Route 53 health check for each node, on its Elastic IP, path /health.

30 s x 3 with a TTL of 300 can never meet the lab's "wait about 30 s" (aws-facts 10 d): the defaults are 10 s x 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.provision.drift import difference
from srekv.provision.engine.answers import code_of
from srekv.provision.engine.generation import REFERENCES, used_up
from srekv.provision.inventory.marks import Described, route53_tags
from srekv.provision.naming import NODES, REGION_TAG
from srekv.provision.step import Op, Ops, anew, cannot, change, change_or_leave, create, delete, retag
from srekv.provision.steps.addresses import Addresses
from srekv.provision.steps.base import StackStep

KIND = "health check"
PATH = "/health"


@dataclass(eq=False)
class HealthChecks(StackStep):
    """The two checks, found by their CallerReference: a crash may leave an untagged one (aws-facts 1.2)."""

    section = "Route 53"
    addresses: Addresses
    check_id: dict[str, str] = field(default_factory=dict, init=False)  # after ensure, by node
    created: set[str] = field(default_factory=set, init=False)  # the nodes whose check this run has made
    changed: set[str] = field(default_factory=set, init=False)  # or changed: reports from before are no proof

    def limits(self) -> Ops:
        """The request interval cannot change."""
        for node, checks in self.existing.checks.items():
            yield from self._limit(node, checks[0])

    def _limit(self, node: str, check: Described) -> Ops:
        have, want = check["HealthCheckConfig"]["RequestInterval"], self.config.interval
        if have != want:
            what = (KIND, self.names.check(node), check["Id"])
            yield cannot(*what, field="RequestInterval", have=have, want=want, next_step=anew("--interval"))

    def regions(self) -> set[str]:
        """Where the checks say that their stack is."""
        return {tags.get(REGION_TAG, "") for tags in self._tags().values()} - {""}

    def ensure(self) -> Ops:
        """Create, repair, and tag."""
        ours, tags = self.existing.checks, self._tags()
        for node in NODES:
            checks = ours.get(node, ())
            for surplus in checks[1:]:
                yield self._delete_op(node, surplus["Id"])
            if checks:
                self.check_id[node] = checks[0]["Id"]
                drift = self._drift(node, checks[0], tags.get(checks[0]["Id"], {}))
                yield from change_or_leave(KIND, self.names.check(node), checks[0]["Id"], drift)
            else:
                url = f"http://{self.addresses.public[node]}:{self.config.port}{PATH}"
                yield create(KIND, self.names.check(node), partial(self._create, node), url)

    def destroy(self) -> Ops:
        """Delete every check of ours; the records that name them are gone by now (aws-facts 1.2)."""
        for node, checks in self.existing.fresh_checks().items():
            for check in checks:
                yield self._delete_op(node, check["Id"])

    def _delete_op(self, node: str, check_id: str) -> Op:
        name = self.names.check(node)
        return delete(KIND, name, check_id, "present", self.route53.delete_health_check, HealthCheckId=check_id)

    def _tags(self) -> dict[str, dict[str, str]]:
        ids = [check["Id"] for checks in self.existing.checks.values() for check in checks]
        return route53_tags(self.route53, "healthcheck", ids)

    def _wanted(self, node: str) -> dict[str, Any]:
        return {
            "IPAddress": self.addresses.public.get(node, ""),
            "Port": self.config.port,
            "ResourcePath": PATH,
            "FailureThreshold": self.config.threshold,
            "Inverted": False,
            "Disabled": False,
        }

    def described(self, node: str) -> Described:
        """A node's check as Route 53 describes it, once it is ensured."""
        config = {"RequestInterval": self.config.interval, **self._wanted(node)}
        return {"Id": self.check_id[node], "HealthCheckConfig": config}

    def _create(self, node: str) -> str:
        """Create it with this life's next unused reference; the same reference returns the same check (R41)."""
        config: Any = {"Type": "HTTP", "RequestInterval": self.config.interval, **self._wanted(node)}
        for ordinal in range(REFERENCES):
            reference = self.run.generation.reference(node, ordinal)
            try:
                answer = self.route53.create_health_check(CallerReference=reference, HealthCheckConfig=config)
            except ClientError as error:
                if code_of(error) != "HealthCheckAlreadyExists":
                    raise
                if self._adopt(node):
                    return self.check_id[node]
                continue
            self.check_id[node] = answer["HealthCheck"]["Id"]
            self.created.add(node)
            self._tag(node, self.check_id[node])
            return self.check_id[node]
        raise used_up(KIND, self.names.check(node))

    def _adopt(self, node: str) -> bool:
        """Take and repair the node's check that another run has made; False if the reference was a deleted one's."""
        checks = self.poll_briefly(self.names.check(node), lambda: self.existing.fresh_checks().get(node))
        if not checks:
            return False
        self.check_id[node] = checks[0]["Id"]
        for op in self._drift(node, checks[0], {}):
            if op.refusal:
                raise op.refusal
            if op.call:
                op.call()
        return True

    def _tag(self, node: str, check_id: str) -> None:
        tags = self.run.placed_tags(self.names.check(node))
        self.route53.change_tags_for_resource(ResourceType="healthcheck", ResourceId=check_id, AddTags=tags)

    def _drift(self, node: str, check: Described, tags: Mapping[str, str]) -> Ops:
        have, what = check["HealthCheckConfig"], (KIND, self.names.check(node), check["Id"])
        yield from self._limit(node, check)
        wrong = {key: value for key, value in self._wanted(node).items() if have.get(key, False) != value}
        if wrong:
            yield change(*what, difference(have, wrong), self._update, node=node, check_id=check["Id"], fields=wrong)
        wanted = self.run.placed_tags(self.names.check(node))
        yield from retag(what, tags, wanted, self._tag, node=node, check_id=check["Id"])

    def _update(self, node: str, check_id: str, fields: Mapping[str, Any]) -> None:
        self.changed.add(node)
        self.route53.update_health_check(HealthCheckId=check_id, **fields)
