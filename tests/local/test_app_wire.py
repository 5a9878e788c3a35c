"""The thin client's connections: TLS, time-outs that bound the whole, connections that died meanwhile."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
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
def serve() -> Iterator[Callable[[Serve], int]]:
    """Runs a function with each connection in turn, on the port that it returns."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(handle: Serve) -> int:
        listener = socket.create_server(("127.0.0.1", 0))

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock, contextlib.suppress(OSError):
                        handle(sock)

        listeners.append(listener)
        threads.append(threading.Thread(target=accept))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(10)


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


def test_tls(serve: Callable[[Serve], int], certificate: Path) -> None:
    """Over TLS calls share a connection as well."""
    accepted: list[socket.socket] = []

    def count(sock: socket.socket) -> None:
        accepted.append(sock)
        answer_all(sock)

    wire = Wire(f"https://127.0.0.1:{serve(wrapped(certificate, count))}", str(certificate))
    assert [wire.ask(REQUEST).body for _ in range(3)] == [b"{}"] * 3
    assert len(accepted) == 1
    wire.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tls_is_verified(serve: Callable[[Serve], int], certificate: Path, host: str) -> None:
    """An unknown authority, or a certificate for another name, ends the call before anything is sent."""
    seen: list[bytes] = []
    port = serve(wrapped(certificate, lambda sock: seen.append(sock.recv(100))))
    wire = Wire(f"https://{host}:{port}", str(certificate if host == "localhost" else get_cert_path(verify=True)))
    with pytest.raises(aws.SSLError, match="certificate verify failed"):
        wire.ask(REQUEST)
    assert not any(seen)


@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_that_drips_is_late(serve: Callable[[Serve], int], certificate: Path, secure: bool) -> None:
    """The time-out is one for the whole answer, however often something comes."""
    over = threading.Event()

    def drip(sock: socket.socket) -> None:
        sock.recv(65536)
        for byte in ANSWER * 10:
            sock.send(bytes([byte]))
            if over.wait(0.1):
                return

    port = serve(wrapped(certificate, drip) if secure else drip)
    wire, began = Wire(f"http{'s' * secure}://127.0.0.1:{port}", str(certificate)), time.monotonic()
    with pytest.raises(aws.ReadTimeoutError):
        wire.ask(REQUEST)
    over.set()
    assert READ_S - 0.1 < time.monotonic() - began < READ_S + 0.7


def test_a_handshake_that_never_ends(serve: Callable[[Serve], int], certificate: Path) -> None:
    """Connecting is bounded with TLS included."""
    over = threading.Event()

    def sleep(_: socket.socket) -> None:
        over.wait(20)

    wire = Wire(f"https://127.0.0.1:{serve(sleep)}", str(certificate))
    began = time.monotonic()
    with pytest.raises(aws.ConnectTimeoutError):
        wire.ask(REQUEST)
    over.set()
    assert CONNECT_S - 0.1 < time.monotonic() - began < CONNECT_S + 0.7


def test_a_connection_that_died_meanwhile(serve: Callable[[Serve], int]) -> None:
    """The server closed it after the answer without saying so: the next call notices and takes a new one."""
    gone = threading.Event()

    def once(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(ANSWER)
        sock.shutdown(socket.SHUT_RDWR)
        gone.set()

    wire = Wire(f"http://127.0.0.1:{serve(once)}", "")
    for _ in range(5):
        assert wire.ask(REQUEST).body == b"{}"
        assert gone.wait(10)
        gone.clear()
    wire.close()


def test_a_large_answer_in_parts(serve: Callable[[Serve], int]) -> None:
    """An answer larger than what one read brings is put together; the connection is good for the next call."""
    body = b"v" * 3_000_000

    def large(sock: socket.socket) -> None:
        while sock.recv(65536):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            sock.sendall(body)

    wire = Wire(f"http://127.0.0.1:{serve(large)}", "")
    assert wire.ask(REQUEST).body == wire.ask(REQUEST).body == body
    wire.close()


def test_threads_do_not_mix_answers() -> None:
    """Each thread gets the answer to its own request."""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo(sock: socket.socket) -> None:
        with sock:
            while data := sock.recv(65536):
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(listener.accept()[0],)).start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}", "")
    wrong: list[bytes] = []

    def ask(number: int) -> None:
        for turn in range(50):
            message = b"%d/%d" % (number, turn)
            wrong.extend([message] if wire.ask(message).body != message else [])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    wire.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    accepting.join(10)
    assert wrong == []
