"""The error that overlay methods raise; moto writes it in the shape of its service."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class ApiError(ServiceException):
    """An answer with Error.Code and message; a class of our own, since moto finds codes in a class' own module."""
