"""botocore's data (service models, endpoints), read faster: each file once in a process, by a fast JSON parser.

botocore parses EC2's model, 4 MB, into ordered dictionaries with the standard library, in every session again; moto
makes a session for nearly every list of Regions. That was half a second of a local cloud's start and a tenth of a
second of every command.
"""

from __future__ import annotations

import contextlib
import gzip
import os
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec
from botocore.loaders import JSONFileLoader, Loader


class FileLoader(JSONFileLoader):
    """Parses a file once in a process; what it returns belongs to every session, as a session's data to its clients.

    moto adds errors that AWS's models lack to the shapes of those that it serves; no client asks for them.
    """

    def load_file(self, file_path: str) -> Any:
        """The data of a file, named without its suffix; None without such a file."""
        return _parse(file_path)


class ServiceModels(Loader):
    """Finds models as botocore does, and lists the services without opening a folder for each of them.

    Args:
        data_path: more folders to search, as in AWS_DATA_PATH.
    """

    FILE_LOADER_CLASS = FileLoader

    def __init__(self, data_path: str | None) -> None:
        paths = data_path.split(os.pathsep) if data_path else []
        super().__init__([str(Path(os.path.expandvars(path)).expanduser()) for path in paths])

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - the file itself is asked for next
        """The names of all services."""
        return self._services

    @cached_property
    def _services(self) -> list[str]:
        folders = [Path(path) for path in self.search_paths if Path(path).is_dir()]
        return sorted({service.name for folder in folders for service in folder.iterdir()})


@cache
def _parse(file_path: str) -> Any:
    for suffix, open_file in ((".json", open), (".json.gz", gzip.open)):
        with contextlib.suppress(FileNotFoundError), open_file(f"{file_path}{suffix}", "rb") as file:
            return msgspec.json.decode(file.read())
    return None
