#!/usr/bin/env bash
# Package: localemu 1.3.2 (PyPI)
# Behaviour: the package states "Requires-Python: >=3.10", and pip installs it there. Several of its modules have type
#   parameter lists (PEP 695), which are syntax since Python 3.12: on 3.10 and 3.11 the server starts, reports its services
#   as available, and answers each call with InternalError: invalid syntax.
# Output seen on 2026-11-30: requires >=3.10, 9 modules are no Python 3.11
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-deps localemu==1.3.2

seen=$("$work/venv/bin/python" - <<'PYTHON'
import ast
import importlib.metadata

package = importlib.metadata.distribution("localemu")


def is_python_311(text: str) -> bool:
    try:
        ast.parse(text, feature_version=(3, 11))
    except SyntaxError:
        return False
    return True


sources = [one for one in package.files or () if one.suffix == ".py"]
newer = [one for one in sources if not is_python_311(one.read_text(encoding="utf-8"))]
print(f"requires {package.metadata['Requires-Python']}, {len(newer)} modules are no Python 3.11")
PYTHON
)
echo "$seen"
[ "$seen" = "requires >=3.10, 9 modules are no Python 3.11" ]
