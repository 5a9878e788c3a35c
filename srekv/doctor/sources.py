"""Where the rules come from, for a reader who wants to see it himself."""

from __future__ import annotations

_ROUTE53 = "https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/"
_VPC = "https://docs.aws.amazon.com/vpc/latest/userguide/"
_EC2 = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/"

CHOOSES = f"{_ROUTE53}health-checks-how-route-53-chooses-records.html"
"""The table of truth of failover records (aws-facts 2.1)."""

DETERMINES = f"{_ROUTE53}dns-failover-determining-health-of-endpoints.html"
"""Intervals, thresholds, the 18 % rule, new checks (aws-facts 1.1)."""

VALUES = f"{_ROUTE53}health-checks-creating-values.html"
"""What each value of a check does: disabled, inverted (aws-facts 1.1)."""

CHECKERS = f"{_ROUTE53}dns-failover-router-firewall-rules.html"
"""Firewalls must let the checkers in (aws-facts 3)."""

PRIVATE = f"{_ROUTE53}dns-failover-private-hosted-zones.html"
"""Checkers are outside the VPC (aws-facts 2.2)."""

CONSIDERATIONS = f"{_ROUTE53}hosted-zone-private-considerations.html"
"""Overlapping zones, resolver rules, associations (aws-facts 2.2)."""

PROBLEMS = f"{_ROUTE53}dns-failover-problems.html"
"""Records without a check; both unhealthy (aws-facts 2.1)."""

DELETING = f"{_ROUTE53}health-checks-deleting.html"
"""What becomes of records whose check is deleted (aws-facts 1.2)."""

PRACTICES = f"{_ROUTE53}best-practices-dns.html"
"""TTLs of records with checks (aws-facts 2.1)."""

ACLS = f"{_VPC}vpc-network-acls.html"
"""Network ACLs keep no state; the lowest number that matches decides."""

DNS = f"{_VPC}vpc-dns.html"
"""The two DNS attributes (aws-facts 2.2)."""

ADDRESSES = f"{_EC2}elastic-ip-addresses-eip.html"
"""What a stop does to addresses (aws-facts 4.4); the quota (aws-facts 4.5)."""

TYPES = f"{_EC2}instance-discovery.html"
"""Which zones offer an instance type (aws-facts 4.2)."""

ZONES = "https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/availability-zones.html"
"""What an Availability Zone is a boundary of (aws-facts 9)."""

RESOLVED = "https://www.freedesktop.org/software/systemd/man/latest/systemd-resolved.service.html"
""".local and multicast DNS (aws-facts 2.8, aws-recorded D1-D10)."""

PERMISSIONS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"
"""How IAM decides (aws-facts 6)."""

AGENT = "https://docs.aws.amazon.com/systems-manager/latest/userguide/setup-instance-permissions.html"
"""What the SSM agent needs (aws-facts 4.9)."""

RETRIES = "https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html"
"""Time-outs and retries of clients (aws-facts 5)."""
