"""Which of the records that share a name and a type Route 53 answers: the failover truth table, as a pure function.

| PRIMARY's check         | SECONDARY's check | answer                                                        |
|-------------------------|-------------------|---------------------------------------------------------------|
| healthy                 | any, or none      | PRIMARY                                                       |
| unhealthy               | healthy           | SECONDARY                                                     |
| unhealthy               | none              | SECONDARY, even if its endpoint is dead                       |
| unhealthy               | unhealthy         | PRIMARY: when nothing is healthy, everything counts as healthy |
| none, new or disabled   | any, or none      | PRIMARY: what nobody checks is healthy                        |
| unhealthy               | no such record    | PRIMARY                                                       |
| no such record          | any, or none      | SECONDARY                                                     |

Source: Route 53 Developer Guide, "How Amazon Route 53 chooses records when health checking is configured", and the
API reference of ResourceRecordSet.Failover. Route 53 refuses a non-alias PRIMARY without a check; the row is there
for whoever asks anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from srekv.local.model import Record


def choose(records: Sequence[Record], healthy: Callable[[str], bool]) -> tuple[Record, ...]:
    """The records to answer, in Route 53's order of preference.

    Args:
        records: every record of one name and one type.
        healthy: the verdict on a health check, by its id.

    Returns:
        One of a failover pair; of other records those that are healthy; never nothing for something.
    """
    candidates = tuple(record for record in records if _is_healthy(record, healthy)) or tuple(records)
    primary = tuple(record for record in candidates if record.failover == "PRIMARY")
    secondary = tuple(record for record in candidates if record.failover == "SECONDARY")
    return primary[:1] or secondary[:1] or candidates


def _is_healthy(record: Record, healthy: Callable[[str], bool]) -> bool:
    return record.health_check is None or healthy(record.health_check)
