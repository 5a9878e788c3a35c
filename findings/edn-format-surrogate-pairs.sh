#!/usr/bin/env bash
# Package: edn_format 0.8.0 (PyPI)
# Behaviour: a character outside the Basic Multilingual Plane, written as two \u escapes in a string, is read as two lone
#   surrogates. Clojure's reader, whose notation this is, reads one character, and so do JSON readers. The string has the
#   wrong length, differs from the same string unescaped, and cannot be encoded or printed.
# Output seen on 2026-11-30: 2 characters, equal False, UnicodeEncodeError
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet edn_format==0.8.0

seen=$("$work/venv/bin/python" - <<'PYTHON'
import edn_format

escaped = edn_format.loads(r'"\ud83d\ude00"')
plain = edn_format.loads('"\U0001f600"')
try:
    escaped.encode()
    encoded = "encoded"
except UnicodeEncodeError as error:
    encoded = type(error).__name__
print(f"{len(escaped)} characters, equal {escaped == plain}, {encoded}")
PYTHON
)
echo "a string of one character, escaped as a surrogate pair: $seen"
[ "$seen" = "2 characters, equal False, UnicodeEncodeError" ]
