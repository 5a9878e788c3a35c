"""The architecture, held by reading the imports: who may use whom, what is pure, what `--help` may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "srekv"

ALLOWED = {
    "app": (set(), {"flask", "botocore", "prometheus_client", "werkzeug"}),
    "probe": (set(), set()),
    "errors": (set(), set()),
    "route53": (set(), set()),
    "config": ({"errors"}, set()),
    "service_models": (set(), {"botocore", "msgspec"}),
    "sessions": ({"service_models"}, {"boto3", "botocore"}),
    "provision": ({"config", "errors", "route53", "service_models", "sessions"}, {"boto3", "botocore", "mypy_boto3"}),
    "local": (
        {"config", "errors", "route53", "service_models"},
        {"moto", "dns", "botocore", "msgspec", "waitress", "werkzeug", "yaml"},
    ),
    "drill": ({"config", "errors", "route53", "provision.model"}, set()),
    "prices": (set(), set()),
    "check": ({"drill.events", "drill.model", "errors", "route53", "prices"}, {"msgspec"}),
    # the rules of Route 53's input and the form of errors are pure, and the same before any backend
    "conformance": (
        {"local.auth", "local.names", *(f"local.overlay.{one}" for one in ("checks", "errors", "records"))},
        {"boto3", "botocore"},
    ),
    "doctor": ({"config", "errors", "route53", "provision"}, {"botocore"}),
    "report": (
        {"drill.model", "check.model", "errors", "route53", "ui.text", "ui.visible"},
        {"rich", "jinja2", "markupsafe"},
    ),
    "__main__": ({"cli"}, set()),
    "cli": ({"commands", "config", "errors", "local.control", "ui"}, {"click"}),
    "commands": (
        {
            *("check", "config", "conformance", "doctor", "drill", "errors", "local.control", "local.database"),
            *("prices", "provision", "report", "sessions", "ui", "watch"),
        },
        {"boto3", "botocore", "click", "rich"},
    ),
    "ui": ({"config", "errors", "provision.model"}, {"click", "rich"}),
    "watch": ({"config", "drill", "errors", "provision.model", "ui.console", "ui.text"}, {"rich"}),
}
"""Package -> what it may import from srekv besides itself, and the third parties it owns."""

STANDALONE = {"app": (3, 8), "probe": (3, 8)}
"""Packages that travel to other machines, and the oldest Python they meet there."""

PURE = (
    *("config", "errors", "prices", "route53", "provision.model", "provision.engine.denial", "provision.permissions"),
    *("drill.events", "drill.model", "local.machine.unitfile", "local.model", "local.names", "local.resolver"),
    *("local.routing", "report.data"),
    *("watch.draw", "watch.events", "watch.model", "doctor.facts", "doctor.model"),
    *("doctor.reach", "doctor.rules", "doctor.rules_network", "doctor.rules_records", "check"),
)
"""Modules without a clock, sockets, processes or clients of their own."""

IMPURE = {"socket", "subprocess", "time", "threading", "asyncio", "boto3", "botocore", "urllib", "http", "os"}

READS_THE_ENVIRONMENT = ("cli", "app.__main__", "local.cloud", "local.supervisor", "local.control", "local.machine")
"""Entry points of processes. `local.control` hands the user's environment on to the processes that it starts; what
runs as `local.machine` is a machine's own process, with an environment that its supervisor made."""

HEAVY = {
    *("boto3", "botocore", "moto", "msgspec", "flask", "prometheus_client", "rich", "dns", "waitress", "werkzeug"),
    *("yaml", "asyncio"),
}


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name below srekv, and what it imports."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """Its text, parsed when a test asks: every process of a parallel run collects all tests."""
        return ast.parse(self.path.read_text())

    @property
    def package(self) -> str:
        """The first part of the name: the row of the table that holds for it."""
        return self.name.partition(".")[0]

    @property
    def imports(self) -> Iterator[str]:
        """Every module named in an import statement, inside functions too.

        `from srekv.local import control` imports srekv.local.control if that is a module.
        """
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: relative import"
                base = node.module or ""
                modules = [name for alias in node.names if _is_module(name := f"{base}.{alias.name}")]
                yield from modules
                if len(modules) < len(node.names):
                    yield base


def _is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return name.startswith("srekv.") and (path.with_suffix(".py").exists() or (path / "__init__.py").exists())


def _modules() -> Iterator[Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            yield Module(name, path)


MODULES = tuple(_modules())
STDLIB = sys.stdlib_module_names


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_imports_follow_the_table(module: Module) -> None:
    """Each module imports from srekv, and from others, only what its package may."""
    ours, theirs = ALLOWED[module.package]
    for name in module.imports:
        top, _, rest = name.partition(".")
        if top == "srekv":
            own = not rest or rest.partition(".")[0] == module.package
            assert own or any(rest == one or rest.startswith(f"{one}.") for one in ours), name
        elif top not in STDLIB and not _is_local_script(module, name):
            assert any(name == one or name.startswith((f"{one}.", f"{one}_")) for one in theirs), name


def _is_local_script(module: Module, name: str) -> bool:
    """The network shim of a machine is found beside the file that imports it: it runs outside the package."""
    return (module.path.parent / f"{name}.py").exists()


def test_nothing_is_unpacked_without_a_limit() -> None:
    """A few kB unpack to a GiB: gzip's, zlib's, bz2's and lzma's own functions know no limit and are not called."""
    called = {
        f"{module.name}: {ast.unparse(node.func)}"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (
            (node.func.attr == "decompress" and len(node.args) < 2)
            or ast.unparse(node.func) in {"gzip.open", "bz2.open", "lzma.open"}
        )
    }
    assert called == set()


def test_styled_text_is_ours() -> None:
    """Only srekv.ui.text makes rich's text: there control characters become escapes (the console's are strings)."""
    users = {one.name for one in MODULES if "rich.text" in one.imports}
    assert users == {"ui.text", "ui.console"}


@pytest.mark.parametrize("package", sorted(STANDALONE))
def test_what_travels_parses_on_old_machines(package: str) -> None:
    """The service and the probe parse on the oldest Python they meet; that they stand alone is in the table."""
    for module in MODULES:
        if module.package == package:
            ast.parse(module.path.read_text(), feature_version=STANDALONE[package])


@pytest.mark.parametrize(
    "module",
    [one for one in MODULES if one.name in PURE or one.package in PURE],
    ids=lambda module: module.name,
)
def test_pure_modules_do_nothing_by_themselves(module: Module) -> None:
    """No socket, process, clock, client or environment is imported where only values go in and out."""
    assert not {imported.partition(".")[0] for imported in module.imports} & IMPURE


def test_the_environment_is_read_at_the_entrance_only() -> None:
    """`os.environ` appears in the entry points of processes, nowhere else."""
    readers = {
        module.name
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert {name for name in readers if not name.startswith(READS_THE_ENVIRONMENT)} == set()


@pytest.mark.parametrize("package", ["provision", "drill"])
def test_nobody_asks_which_target_it_is(package: str) -> None:
    """Provisioning and drills know an endpoint and a Region, never the target's name: one code path for both."""
    for module in MODULES:
        if module.package == package:
            asked = [
                node for node in ast.walk(module.tree) if isinstance(node, ast.Attribute) and node.attr == "target"
            ]
            assert asked == [], module.name


def test_no_import_circle() -> None:
    """Following imports, those inside functions and for types alone too, never leads back to where it started."""
    edges = {module.name: {name.removeprefix("srekv.") for name in module.imports} for module in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name in done:
            return
        for other in sorted(edges.get(name, ())):
            visit(other, (*path, name))
        done.add(name)

    for name in sorted(edges):
        visit(name, ())


def loaded(script: str) -> set[str]:
    """The modules that a Python has loaded which has run a script."""
    script += "\nimport sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.split())


def test_help_loads_nothing_heavy() -> None:
    """`srekv --help` imports Click and the standard library: none of what its commands need."""
    modules = loaded("from srekv.cli import main_group; main_group.main(['--help'], standalone_mode=False)")
    assert "click" in modules
    assert not {name.partition(".")[0] for name in modules} & HEAVY


def test_a_local_cloud_starts_before_botocore_is_imported() -> None:
    """`srekv up` imports what calls AWS, and what drills and watches, while the local cloud starts or not at all."""
    modules = loaded("import srekv.commands.up")
    assert "srekv.local.control" in modules
    assert not modules & {"boto3", "botocore", "srekv.doctor", "srekv.drill", "srekv.watch"}


def test_a_policy_loads_nothing_that_calls() -> None:
    """`srekv policy` loads neither boto3 nor what draws: there is nothing in the process that could make a call."""
    modules = loaded("from srekv.cli import main_group; main_group.main(['policy'], standalone_mode=False)")
    assert not modules & {"boto3", "botocore", "rich", "moto"}
