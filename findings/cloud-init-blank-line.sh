#!/usr/bin/env bash
# Package: cloud-init 22.4.2 (apt: Debian 12)
# Behaviour: a blank line before the first line of user data changes nothing for a cloud-config and everything for a script.
#   cloud-init recognises both (it strips blanks first) and writes the script as it came; the kernel then refuses it
#   (ENOEXEC), because its first two bytes are not "#!". The instance boots without an error that EC2 would show.
# Output seen on 2026-11-30: text/cloud-config text/x-shellscript; with a blank line: Exec format error. Missing #! in script?
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download --quiet --quiet cloud-init)
dpkg -x "$work"/cloud-init_22.4.2-*.deb "$work/root"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyyaml==6.0.2 jinja2==3.1.6 configobj==5.0.9 requests==2.32.3 jsonpatch==1.33 jsonschema==4.23.0

seen=$(cd "$work" && PYTHONPATH="$work/root/usr/lib/python3/dist-packages" "$work/venv/bin/python" - <<'PYTHON'
import pathlib

from cloudinit import handlers, subp

print(*(handlers.type_from_starts_with(text) for text in ("\n#cloud-config\n", "\n#!/bin/sh\n")), end="; ")
script = pathlib.Path("part-001")
for blank in ("", "\n"):
    script.write_text(f"{blank}#!/bin/sh\ntrue\n")
    script.chmod(0o700)
    try:
        subp.subp([str(script.absolute())])
    except subp.ProcessExecutionError as error:
        assert blank
        print("with a blank line:", str(error).splitlines()[0])
PYTHON
)
echo "$seen"
[ "$seen" = "text/cloud-config text/x-shellscript; with a blank line: Exec format error. Missing #! in script?" ]
