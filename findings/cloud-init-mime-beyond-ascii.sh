#!/usr/bin/env bash
# Package: cloud-init 22.4.2 (apt: Debian 12)
# Behaviour: a part of a MIME message that is UTF-8 as it stands, without a Content-Transfer-Encoding, is damaged. cloud-init
#   parses the message as text; Python's email package hands an "e acute" back as the one byte E9, which cloud-init then
#   cannot write as UTF-8: a script with that letter in a comment is not there at boot. The same text by itself, or in
#   base64 inside the message, is fine.
# Output seen on 2026-11-30: by itself '#é', in base64 '#é', as it stands '#\udce9'
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download --quiet --quiet cloud-init)
dpkg -x "$work"/cloud-init_22.4.2-*.deb "$work/root"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyyaml==6.0.2 jinja2==3.1.6 configobj==5.0.9 requests==2.32.3 jsonpatch==1.33 jsonschema==4.23.0

seen=$(cd "$work" && PYTHONPATH="$work/root/usr/lib/python3/dist-packages" "$work/venv/bin/python" - <<'PYTHON'
import base64

from cloudinit import user_data, util

head = "MIME-Version: 1.0\nContent-Type: text/x-shellscript\n"
encoded = base64.b64encode("#é".encode()).decode()
shown = [
    repr(util.fully_decoded_payload(user_data.convert_string(data)))
    for data in ("#é", f"{head}Content-Transfer-Encoding: base64\n\n{encoded}", f"{head}\n#é")
]
print("by itself {}, in base64 {}, as it stands {}".format(*shown))
PYTHON
)
echo "$seen"
[ "$seen" = "by itself '#é', in base64 '#é', as it stands '#\\udce9'" ]
