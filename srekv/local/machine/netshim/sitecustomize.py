"""Loaded by every Python program in a machine: its network first, then what the host's sitecustomize would do."""

import runpy
import sys
from pathlib import Path

import machine_network  # type: ignore[import-not-found]  # found beside this file, at run time

machine_network.install()
_OTHER = machine_network.next_on_path("sitecustomize", Path(__file__).resolve().parent, sys.path)
if _OTHER is not None:
    runpy.run_path(_OTHER)
