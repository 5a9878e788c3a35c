"""The thin client's connections: TLS, time-outs that bound the whole, connections that died meanwhile."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore import exceptions as aws
from botocore.httpsession import get_cert_path
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from srekv.app.wire import CONNECT_S, READ_S, Wire

pytestmark = pytest.mark.local

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Serve = Callable[[socket.socket], None]
Start = Callable[[Serve], int]
Call = Callable[[str, object], Wire]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def closing() -> Iterator[contextlib.ExitStack]:
    """Closes what a test opened, the last first."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(closing: contextlib.ExitStack) -> Start:
    """Runs a function with each connection in turn, on the port that it returns."""

    def start(handle: Serve) -> int:
        listener = closing.enter_context(socket.create_server(("127.0.0.1", 0)))

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock, contextlib.suppress(OSError):
                        handle(sock)

        accepting = threading.Thread(target=accept)
        accepting.start()
        closing.callback(accepting.join, 10)
        closing.callback(listener.shutdown, socket.SHUT_RDWR)
        return int(listener.getsockname()[1])

    return start


@pytest.fixture
def call(closing: contextlib.ExitStack) -> Call:
    """Makes clients of an endpoint, with a file of authorities."""
    return lambda url, authorities: closing.enter_context(contextlib.closing(Wire(url, str(authorities))))


def answer_all(sock: socket.socket) -> None:
    """Answer each request until the client goes."""
    while sock.recv(65536):
        sock.sendall(ANSWER)


def wrapped(certificate: Path, handle: Serve) -> Serve:
    """The same behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as secure:
            handle(secure)

    return serve


def test_tls(serve: Start, call: Call, certificate: Path) -> None:
    """Over TLS calls share a connection as well."""
    accepted: list[socket.socket] = []

    def count(sock: socket.socket) -> None:
        accepted.append(sock)
        answer_all(sock)

    wire = call(f"https://127.0.0.1:{serve(wrapped(certificate, count))}", certificate)
    assert [wire.ask(REQUEST).body for _ in range(3)] == [b"{}"] * 3
    assert len(accepted) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tls_is_verified(serve: Start, call: Call, certificate: Path, host: str) -> None:
    """An unknown authority, or a certificate for another name, ends the call before anything is sent."""
    seen: list[bytes] = []
    port = serve(wrapped(certificate, lambda sock: seen.append(sock.recv(100))))
    wire = call(f"https://{host}:{port}", certificate if host == "localhost" else get_cert_path(verify=True))
    with pytest.raises(aws.SSLError, match="certificate verify failed"):
        wire.ask(REQUEST)
    assert not any(seen)


@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_that_drips_is_late(
    serve: Start, call: Call, certificate: Path, secure: bool, closing: contextlib.ExitStack
) -> None:
    """The time-out is one for the whole answer, however often something comes."""
    over = threading.Event()

    def drip(sock: socket.socket) -> None:
        sock.recv(65536)
        for byte in ANSWER * 10:
            sock.send(bytes([byte]))
            if over.wait(0.1):
                return

    port = serve(wrapped(certificate, drip) if secure else drip)
    closing.callback(over.set)
    wire, began = call(f"http{'s' * secure}://127.0.0.1:{port}", certificate), time.monotonic()
    with pytest.raises(aws.ReadTimeoutError):
        wire.ask(REQUEST)
    assert READ_S - 0.1 < time.monotonic() - began < READ_S + 0.7


def test_a_handshake_that_never_ends(
    serve: Start, call: Call, certificate: Path, closing: contextlib.ExitStack
) -> None:
    """Connecting is bounded with TLS included."""
    over = threading.Event()

    def sleep(_: socket.socket) -> None:
        over.wait(20)

    wire = call(f"https://127.0.0.1:{serve(sleep)}", certificate)
    closing.callback(over.set)
    began = time.monotonic()
    with pytest.raises(aws.ConnectTimeoutError):
        wire.ask(REQUEST)
    assert CONNECT_S - 0.1 < time.monotonic() - began < CONNECT_S + 0.7


def test_a_connection_that_died_meanwhile(serve: Start, call: Call) -> None:
    """The server closed it after the answer without saying so: the next call notices and takes a new one."""
    gone = threading.Event()

    def once(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(ANSWER)
        sock.shutdown(socket.SHUT_RDWR)
        gone.set()

    wire = call(f"http://127.0.0.1:{serve(once)}", "")
    for _ in range(5):
        assert wire.ask(REQUEST).body == b"{}"
        assert gone.wait(10)
        gone.clear()


def test_a_large_answer_in_parts(serve: Start, call: Call) -> None:
    """An answer larger than what one read brings is put together; the connection is good for the next call."""
    body = b"v" * 3_000_000

    def large(sock: socket.socket) -> None:
        while sock.recv(65536):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            sock.sendall(body)

    wire = call(f"http://127.0.0.1:{serve(large)}", "")
    assert wire.ask(REQUEST).body == wire.ask(REQUEST).body == body


def test_threads_do_not_mix_answers(serve: Start, closing: contextlib.ExitStack) -> None:
    """Each thread gets the answer to its own request."""

    def echo(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            while data := sock.recv(65536):
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data))

    def apart(sock: socket.socket) -> None:
        echoing = threading.Thread(target=echo, args=(sock.dup(),))
        echoing.start()
        closing.callback(echoing.join, 10)

    wrong: list[bytes] = []

    def ask(number: int) -> None:
        for turn in range(50):
            message = b"%d/%d" % (number, turn)
            wrong.extend([message] if wire.ask(message).body != message else [])

    with contextlib.closing(Wire(f"http://127.0.0.1:{serve(apart)}", "")) as wire, ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(ask, number) for number in range(8)]
    assert all(asked.exception() is None for asked in asking)
    assert wrong == []
