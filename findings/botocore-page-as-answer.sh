#!/usr/bin/env bash
# Package: botocore 1.44.5 (PyPI)
# Behaviour: a web page with status 200, such as the login page of a network, passes as an answer. Where EC2 answers XML, a
#   page that is well-formed XML becomes an answer without members; where DynamoDB answers JSON, any page does, and the
#   program reads "there are none". The API's references have Reservations and TableNames in every answer, and of a page
#   that is no XML botocore makes a ResponseParserError.
# Output seen on 2026-11-30: ec2 XHTML: [], ec2 HTML: ResponseParserError, dynamodb HTML: []
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet botocore==1.44.5
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1

seen=$("$work/venv/bin/python" - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from botocore.session import get_session


class Page(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.server.page)))
        self.end_headers()
        self.wfile.write(self.server.page)

    def log_message(self, *_):
        pass


def members(service, operation, page):
    server.page = page
    client = get_session().create_client(service, endpoint_url=f"http://127.0.0.1:{server.server_port}")
    try:
        answer = getattr(client, operation)()
    except Exception as error:
        return type(error).__name__
    return sorted(answer.keys() - {"ResponseMetadata"})


server = HTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
XHTML, HTML = b"<html><body>Log in</body></html>", b"<!DOCTYPE html><html><body>Log in<br></body></html>"
print(
    f"ec2 XHTML: {members('ec2', 'describe_instances', XHTML)}, "
    f"ec2 HTML: {members('ec2', 'describe_instances', HTML)}, "
    f"dynamodb HTML: {members('dynamodb', 'list_tables', HTML)}"
)
PYTHON
)
echo "$seen"
[ "$seen" = "ec2 XHTML: [], ec2 HTML: ResponseParserError, dynamodb HTML: []" ]
