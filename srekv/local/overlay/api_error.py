"""The error that overlay methods raise; moto writes it in the shape of its service."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class ApiError(ServiceException):
    """An answer with Error.Code and message.

    A class of our own: moto looks codes up in the service whose module defines the class.

    Args:
        code: the Error.Code that a client sees.
        message: its text.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
