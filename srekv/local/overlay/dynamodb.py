"""DynamoDB as moto has it, with AWS's words for a protected table."""

from __future__ import annotations

from moto.core.responses import ActionResult
from moto.dynamodb.responses import DynamoHandler

from srekv.local.overlay.api_error import ApiError


class DynamoDb(DynamoHandler):
    """Tables and items."""

    def delete_table(self) -> ActionResult:
        """Row B5."""
        table = self.dynamodb_backend.tables.get(self.body["TableName"])
        if table is not None and table.deletion_protection_enabled:
            raise ApiError(
                "ValidationException",
                "Resource cannot be deleted as it is currently protected against deletion. "
                "Disable deletion protection first.",
            )
        return super().delete_table()
