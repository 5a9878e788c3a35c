"""HTTP/1.1 over kept-alive sockets to one server, with bounds in time; failures are botocore's exceptions."""

import re
import select
import socket
import ssl
import struct
import time
from collections import deque
from typing import Any, Deque, NamedTuple, Optional
from urllib.parse import urlsplit

from botocore import exceptions as aws

CONNECT_S, READ_S = 1.0, 1.5  # that connecting, TLS included, and a whole answer may take

_STATUS = re.compile(rb"HTTP/1\.([01]) ([2-5]\d\d)[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\s", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\s", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close\s", re.IGNORECASE)
_KEEP = re.compile(rb"\r\nconnection: *keep-alive\s", re.IGNORECASE)
_PART, _LONGEST_HEAD = 1 << 18, 1 << 16
_LATE = (socket.timeout, BlockingIOError)  # a socket's time is up; the kernel's own time-outs show as the second


class Answer(NamedTuple):
    """An HTTP answer, its head up to the last line's end; after the `last` one the server closes."""

    status: int
    head: bytes
    body: bytes
    last: bool


class Wire:
    """Asks the server at `url`, on as many connections as there are threads asking."""

    def __init__(self, url: str, authorities: str) -> None:
        parts = urlsplit(url)
        self._url = url if parts.path else url + "/"  # as botocore's errors have it
        self._host, self._port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context(cafile=authorities) if parts.scheme == "https" else None
        self._idle: Deque[_Link] = deque()

    def ask(self, message: bytes) -> Answer:
        """The answer to a whole request.

        Raises:
            EndpointConnectionError, ConnectTimeoutError: the server certainly did not get the whole of it.
            SSLError: TLS failed.
            ReadTimeoutError, ConnectionClosedError: it may have got it.
        """
        link = self._kept()
        if link is None or not link.send(message):
            link = self._fresh()
            if not link.send(message):
                raise aws.EndpointConnectionError(endpoint_url=self._url)
        try:
            answer = link.receive()
        except _LATE:
            link.sock.close()
            raise aws.ReadTimeoutError(endpoint_url=self._url) from None
        except (OSError, ValueError):
            link.sock.close()
            raise aws.ConnectionClosedError(endpoint_url=self._url) from None
        if answer.last:
            link.sock.close()
        else:
            self._idle.append(link)
        return answer

    def close(self) -> None:
        """Hang up; nobody asks any more."""
        while self._idle:
            self._idle.pop().sock.close()

    def _kept(self) -> "Optional[_Link]":
        """The connection used last that the server has not closed."""
        while True:
            try:
                link = self._idle.pop()
            except IndexError:
                return None
            if not link.poll(0):
                return link
            link.sock.close()

    def _fresh(self) -> "_Link":
        try:
            return _Link(self._connect())
        except _LATE:
            raise aws.ConnectTimeoutError(endpoint_url=self._url) from None
        except ssl.SSLError as error:
            raise aws.SSLError(endpoint_url=self._url, error=error) from None
        except OSError:
            raise aws.EndpointConnectionError(endpoint_url=self._url) from None

    def _connect(self) -> Any:
        """A socket to the first address that takes us; raises OSError."""
        end, failure = time.monotonic() + CONNECT_S, OSError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(self._host, self._port, 0, socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.settimeout(max(0.01, end - time.monotonic()))
                sock.connect(address)
                sock.settimeout(max(0.01, end - time.monotonic()))
                return self._tls.wrap_socket(sock, server_hostname=self._host) if self._tls else sock
            except OSError as error:
                failure = error
                sock.close()
        raise failure


class _Link:
    """A connection; the first wait of a plain one is timed by the kernel, which saves two calls a request."""

    __slots__ = ("_data", "_end", "_timeout", "poll", "sock")
    _data: bytes

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self._timeout = READ_S if isinstance(sock, ssl.SSLSocket) else None
        sock.settimeout(self._timeout)
        wait = struct.pack("ll", int(READ_S), int(READ_S % 1 * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
        polling = select.poll()
        polling.register(sock, select.POLLIN)
        self.poll = polling.poll

    def send(self, message: bytes) -> bool:
        """Whether the whole of it was handed over; else the server cannot have it, and this is closed."""
        try:
            self.sock.sendall(message)
        except OSError:
            self.sock.close()
            return False
        return True

    def receive(self) -> Answer:
        """The next answer; raises OSError, or ValueError for what is no HTTP."""
        self._end = time.monotonic() + READ_S
        self._data = self.sock.recv(_PART)
        while b"\r\n\r\n" not in self._data:
            if not self._data or len(self._data) > _LONGEST_HEAD:
                raise ValueError("no HTTP head")
            self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        head += b"\r\n"
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if not status:
            raise ValueError("no HTTP status")
        last = _CLOSE.search(head) is not None or (status[1] == b"0" and not _KEEP.search(head))
        if length:
            body = self._take(int(length[1]))
        elif _CHUNKED.search(head):
            body = self._chunks()
        else:
            raise ValueError("no length")  # an end of the connection could be an accident
        if self.sock.gettimeout() != self._timeout:
            self.sock.settimeout(self._timeout)
        return Answer(int(status[2]), head, body, last or bool(self._data))

    def _take(self, size: int) -> bytes:
        while len(self._data) < size:
            self._more()
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._data:
                self._more()
            line, _, self._data = self._data.partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            body += self._take(size)
            if self._take(2) != b"\r\n":
                raise ValueError("no end of a chunk")
            if not size:
                return body

    def _more(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout
        self.sock.settimeout(left)
        part = self.sock.recv(_PART)
        if not part:
            raise ConnectionResetError
        self._data += part
