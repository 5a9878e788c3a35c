"""One Route 53 health check for each node, on its Elastic IP, path /health.

30 s x 3 with a TTL of 300 can never meet the lab's "wait about 30 s" (aws-facts 10 d): the defaults are 10 s x 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine
from srekv.provision.drift import difference
from srekv.provision.engine.answers import code_of, gone
from srekv.provision.engine.generation import REFERENCES, used_up
from srekv.provision.engine.run import Op, Ops, Run, Step, cannot, leave
from srekv.provision.inventory.existing import Existing
from srekv.provision.inventory.marks import route53_tags
from srekv.provision.model import Resource
from srekv.provision.naming import NODES, REGION_TAG, lost_tags
from srekv.provision.steps.addresses import Addresses

PATH = "/health"


class HealthChecks:
    """The two checks; `check_id` is there after ensure.

    Found by their CallerReference, because a crash between creation and tagging leaves an untagged one (aws-facts 1.2).
    """

    section = "Route 53"

    def __init__(self, run: Run, existing: Existing, addresses: Addresses) -> None:
        self._run = run
        self._existing = existing
        self._route53 = run.clients.route53
        self._addresses = addresses
        self.needs: tuple[Step, ...] = (addresses,)
        self.check_id: dict[str, str] = {}
        self.created: set[str] = set()
        """The nodes whose check this run has made."""
        self.changed: set[str] = set()
        """The nodes whose check this run has changed: what its checkers said before was about something else."""

    def observe(self) -> tuple[Resource, ...]:
        """Every check that carries one of our references."""
        return tuple(
            Resource(kind="health check", id=check["Id"], name=self._run.names.check(node), state="present")
            for node in NODES
            for check in self._existing.fresh_checks().get(node, ())
        )

    def limits(self) -> Ops:
        """The request interval cannot change."""
        for node, checks in self._existing.checks.items():
            yield from self._limit(node, checks[0])

    def _limit(self, node: str, check: Mapping[str, Any]) -> Ops:
        have, want = check["HealthCheckConfig"]["RequestInterval"], self._run.config.interval
        if have != want:
            yield cannot(
                "health check",
                self._run.names.check(node),
                check["Id"],
                field="RequestInterval",
                have=have,
                want=want,
                next_step=CommandLine("srekv down") + ", then up with the new --interval; or use another --stack",
            )

    def regions(self) -> set[str]:
        """Where the checks say that their stack is."""
        return {tags.get(REGION_TAG, "") for tags in self._tags().values()} - {""}

    def ensure(self) -> Ops:
        """Create, repair, and tag."""
        ours, tags = self._existing.checks, self._tags()
        for node in NODES:
            checks = ours.get(node, ())
            for surplus in checks[1:]:
                yield self._delete_op(node, surplus["Id"])
            if checks:
                self.check_id[node] = checks[0]["Id"]
                yield from self._repair(node, checks[0], tags.get(checks[0]["Id"], {}))
            else:
                yield Op(
                    kind="health check",
                    name=self._run.names.check(node),
                    action="create",
                    detail=f"http://{self._addresses.public[node]}:{self._run.config.port}{PATH}",
                    call=partial(self._create, node),
                )

    def settle(self) -> Ops:
        """Nothing to wait for here: `up` waits for observations at its end."""
        return iter(())

    def destroy(self) -> Ops:
        """Delete every check of ours; the records that name them are gone by now (aws-facts 1.2)."""
        for node, checks in self._existing.fresh_checks().items():
            for check in checks:
                yield self._delete_op(node, check["Id"])

    def _tags(self) -> dict[str, dict[str, str]]:
        ids = [check["Id"] for checks in self._existing.checks.values() for check in checks]
        return route53_tags(self._route53, "healthcheck", ids)

    def _wanted(self, node: str) -> dict[str, Any]:
        config = self._run.config
        return {
            "IPAddress": self._addresses.public.get(node, ""),
            "Port": config.port,
            "ResourcePath": PATH,
            "FailureThreshold": config.threshold,
            "Inverted": False,
            "Disabled": False,
        }

    def _create(self, node: str) -> str:
        """Create it with this life's next unused reference; the same reference returns the same check (R41)."""
        config: Any = {"Type": "HTTP", "RequestInterval": self._run.config.interval, **self._wanted(node)}
        for ordinal in range(REFERENCES):
            reference = self._run.generation.reference(node, ordinal)
            try:
                answer = self._route53.create_health_check(CallerReference=reference, HealthCheckConfig=config)
            except ClientError as error:
                if code_of(error) != "HealthCheckAlreadyExists":
                    raise
                if self._took(node):
                    return self.check_id[node]
                continue
            self.check_id[node] = answer["HealthCheck"]["Id"]
            self.created.add(node)
            self._tag(node, self.check_id[node])
            return self.check_id[node]
        raise used_up("health check", self._run.names.check(node))

    def _took(self, node: str) -> bool:
        """Take and repair the node's check that another run has made; False if the reference was a deleted one's."""
        name = self._run.names.check(node)
        checks = self._run.sought(self.section, name, lambda: self._existing.fresh_checks().get(node))
        if not checks:
            return False
        self.check_id[node] = checks[0]["Id"]
        for op in [*self._limit(node, checks[0]), *self._repair(node, checks[0], {})]:
            if op.refusal:
                raise op.refusal
            if op.call:
                op.call()
        return True

    def _tag(self, node: str, check_id: str) -> None:
        tags: Any = self._run.placed_tags(self._run.names.check(node))
        self._route53.change_tags_for_resource(ResourceType="healthcheck", ResourceId=check_id, AddTags=tags)

    def _repair(self, node: str, check: Mapping[str, Any], tags: Mapping[str, str]) -> Ops:
        name, have = self._run.names.check(node), check["HealthCheckConfig"]
        refused = list(self._limit(node, check))
        yield from refused
        wrong = {key: value for key, value in self._wanted(node).items() if have.get(key, False) != value}
        if wrong:
            yield Op(
                kind="health check",
                name=name,
                id=check["Id"],
                action="change",
                detail=difference(have, wrong),
                call=lambda: self._update(node, check["Id"], wrong),
            )
        lost = lost_tags(tags, self._run.placed_tags(name))
        if lost:
            yield Op(
                kind="health check",
                name=name,
                id=check["Id"],
                action="change",
                detail=lost,
                call=lambda: self._tag(node, check["Id"]),
            )
        if not wrong and not lost and not refused:
            yield leave("health check", name, check["Id"])

    def _update(self, node: str, check_id: str, fields: Mapping[str, Any]) -> None:
        self.changed.add(node)
        self._route53.update_health_check(HealthCheckId=check_id, **fields)

    def _delete_op(self, node: str, check_id: str) -> Op:
        return Op(
            kind="health check",
            name=self._run.names.check(node),
            id=check_id,
            action="delete",
            call=lambda: gone(self._route53.delete_health_check, HealthCheckId=check_id),
        )
