#!/usr/bin/env bash
# Package: dnspython 2.9.2 (PyPI)
# Behaviour: dns.message.make_response() makes "a response skeleton" with EDNS where the query has EDNS, and leaves the DO
#   bit out of it. RFC 3225, section 3: the DO bit of the query MUST be copied in the response. A name server built on it
#   has to set the bit itself.
# Output seen on 2026-11-30: query DO, response EDNS without flags
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet dnspython==2.9.2

seen=$("$work/venv/bin/python" - <<'PYTHON'
import dns.flags
import dns.message

query = dns.message.make_query("www.example.com", "A", want_dnssec=True)
response = dns.message.make_response(query)
assert response.edns == 0
shown = dns.flags.edns_to_text(response.ednsflags) or "without flags"
print(f"query {dns.flags.edns_to_text(query.ednsflags)}, response EDNS {shown}")
PYTHON
)
echo "$seen"
[ "$seen" = "query DO, response EDNS without flags" ]
