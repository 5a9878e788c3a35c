"""How often `up` and `down` make each mutating call; contract/test_crash.py holds the tables to that."""

UP = {
    "AddRoleToInstanceProfile": 1,
    "AllocateAddress": 2,
    "AssociateAddress": 2,
    "AuthorizeSecurityGroupIngress": 1,
    "ChangeResourceRecordSets": 1,
    "ChangeTagsForResource": 3,
    "CreateHealthCheck": 2,
    "CreateHostedZone": 1,
    "CreateInstanceProfile": 1,
    "CreateRole": 1,
    "CreateSecurityGroup": 1,
    "CreateTable": 1,
    "PutRolePolicy": 1,
    "RunInstances": 2,
    "UpdateContinuousBackups": 1,
}
"""A first `up` with the default settings."""

DOWN = {
    "ChangeResourceRecordSets": 1,
    "DeleteHealthCheck": 2,
    "DeleteHostedZone": 1,
    "DeleteInstanceProfile": 1,
    "DeleteRole": 1,
    "DeleteRolePolicy": 1,
    "DeleteSecurityGroup": 1,
    "DeleteTable": 1,
    "DisassociateAddress": 2,
    "ReleaseAddress": 2,
    "RemoveRoleFromInstanceProfile": 1,
    "TerminateInstances": 2,
}

UP_RICH = {"CreateKeyPair": 1, "PutDashboard": 1, "PutMetricAlarm": 3}
DOWN_RICH = {"DeleteAlarms": 3, "DeleteDashboards": 1, "DeleteKeyPair": 1}
"""What they make besides with `--alarms --create-key`."""
