"""resnet serve behind nginx and haproxy: requests that two servers could read differently. Whatever a proxy makes of them,
the server answers no request that the proxy did not see (request smuggling), and the next client gets its own answer.
Skips, visibly, where a proxy is not installed."""
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import pictures
from server import Server

ROOT = os.environ["RESNET_SOURCE_DIR"]
NGINX = shutil.which("nginx") or next(filter(os.path.exists, ["/usr/sbin/nginx"]), None)  # not in everybody's PATH
HAPROXY = shutil.which("haproxy") or next(filter(os.path.exists, ["/usr/sbin/haproxy"]), None)

# Connections to the server are kept, so that what is left over on one would reach the next client.
NGINX_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error;
events {{ }}
http {{
  log_format seen 'seen=$http_traceparent';
  access_log {folder}/log seen;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream resnet {{ server 127.0.0.1:{server}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 64m; ignore_invalid_headers off; underscores_in_headers on;
    location / {{
      proxy_pass http://resnet; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
    }}
  }}
}}
"""


def trace(number):
    return f"00-{number:032x}-00f067aa0ba902b7-01"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as link:
        return link.getsockname()[1]


def request(number, picture):
    return (f"POST /classify HTTP/1.1\r\nHost: x\r\ntraceparent: {trace(number)}\r\nContent-Length: {len(picture)}\r\n\r\n".encode() +
            picture)


def attacks(picture):
    """Name and a function from the number that the outer request carries to its bytes; number + 1 is hidden in it."""
    def case(headers, body):
        return lambda number: (f"POST /classify HTTP/1.1\r\nHost: x\r\ntraceparent: {trace(number)}\r\n".encode() + headers +
                               b"\r\n" + body(request(number + 1, picture)))

    def whole(headers):  # the length of the body covers the hidden request; the coding says that there is no body
        return lambda number: case(b"%s" % headers.replace(b"LENGTH", b"%d" % (len(request(number + 1, picture)) + 5)),
                                   lambda hidden: b"0\r\n\r\n" + hidden)(number)

    chunked = b"Transfer-Encoding: chunked"
    end = lambda hidden: b"0\r\n\r\n" + hidden
    yield "length before coding", whole(b"Content-Length: LENGTH\r\n" + chunked + b"\r\n")
    yield "coding before length", whole(chunked + b"\r\nContent-Length: LENGTH\r\n")
    for name, coding in {
            "tab": b"Transfer-Encoding:\tchunked", "space": b"Transfer-Encoding : chunked", "capital": b"Transfer-Encoding: CHUNKED",
            "x": b"Transfer-Encoding: xchunked", "twice": chunked + b"\r\nTransfer-Encoding: identity",
            "list": b"Transfer-Encoding: chunked, identity", "turned list": b"Transfer-Encoding: identity, chunked",
            "quoted": b'Transfer-Encoding: "chunked"', "folded": b"Transfer-Encoding:\r\n chunked", "vertical": b"Transfer-Encoding:\x0bchunked",
            "underscore": b"Transfer_Encoding: chunked", "line feed": b"X: y\nTransfer-Encoding: chunked",
            "carriage return": b"X: y\rTransfer-Encoding: chunked", "nul": b"Transfer-Encoding: chunked\0",
            "leading": b" Transfer-Encoding: chunked"}.items():
        yield f"coding hidden: {name}", whole(b"Content-Length: LENGTH\r\n" + coding + b"\r\n")
    for name, length in {"twice": b"Content-Length: 0\r\nContent-Length: LENGTH", "list": b"Content-Length: 0, LENGTH",
                         "plus": b"Content-Length: +LENGTH", "underscore": b"Content-Length: 0\r\nContent_Length: LENGTH",
                         "hex": b"Content-Length: 0x0", "space": b"Content-Length : LENGTH", "minus": b"Content-Length: -1",
                         "overflow": b"Content-Length: 18446744073709551616", "zeros": b"Content-Length: 00000",
                         "line feed": b"X: y\nContent-Length: LENGTH"}.items():
        yield f"length: {name}", whole(length + b"\r\n")
    for name, text in {"bare line feeds": b"0\n\n", "extension with a line feed": b"0;a\nb\r\n\r\n", "spaces": b"0 \r\n\r\n",
                       "trailer": b"0\r\nContent-Length: 5\r\n\r\n", "overflow": b"10000000000000000\r\n", "minus": b"-0\r\n\r\n",
                       "hex": b"0x0\r\n\r\n", "short end": b"1\r\na\r\n0\r\n", "one line end": b"1\r\naX0\r\n\r\n",
                       "nothing": b"\r\n\r\n"}.items():
        yield f"chunk: {name}", case(chunked + b"\r\n", lambda hidden, text=text: text + hidden)
    yield "expectation", case(b"Expect: 100-continue\r\nContent-Length: 0\r\n", lambda hidden: hidden)
    yield "upgrade", case(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
                          b"Content-Length: 0\r\n", lambda hidden: hidden)
    yield "connection names the length", case(b"Connection: Content-Length\r\nContent-Length: 0\r\n", lambda hidden: hidden)
    yield "chunked in 1.0", lambda number: case(chunked + b"\r\n", end)(number).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    yield "GET with a body", lambda number: case(b"Content-Length: 5\r\n", end)(number).replace(b"POST /classify", b"GET /v2", 1)


def http2_attacks(picture):
    """The same over HTTP/2, which the proxy turns into HTTP/1.1."""
    def frame(kind, flags, payload, stream=1):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def field(name, value):  # a literal without index (RFC 7541, section 6.2.2), of any length
        def text(data):
            size = len(data)
            if size < 127:
                return bytes([size]) + data
            size, head = size - 127, b"\x7f"
            while size >= 128:
                head, size = head + bytes([128 + size % 128]), size // 128
            return head + bytes([size]) + data
        return b"\0" + text(name) + text(value)

    def case(fields, body=lambda hidden: hidden, path=b"/classify"):
        def make(number):
            hidden = request(number + 1, picture)
            block = (field(b":method", b"POST") + field(b":scheme", b"http") + field(b":path", path.replace(b"HIDDEN", hidden)) +
                     field(b":authority", b"x") + field(b"traceparent", trace(number).encode()))
            block += b"".join(field(name, value.replace(b"HIDDEN", hidden)) for name, value in fields)
            return (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, b"", 0) + frame(1, 4, block) + frame(0, 1, body(hidden)))
        return make

    yield "HTTP/2: length 0 before a body", case([(b"content-length", b"0")])
    yield "HTTP/2: a coding", case([(b"transfer-encoding", b"chunked")], lambda hidden: b"0\r\n\r\n" + hidden)
    yield "HTTP/2: two lengths", case([(b"content-length", b"0"), (b"content-length", b"5")])
    yield "HTTP/2: line ends in a value", case([(b"x", b"y\r\n\r\nHIDDEN")])
    yield "HTTP/2: a coding in a value", case([(b"x", b"y\r\ntransfer-encoding: chunked")], lambda hidden: b"0\r\n\r\n" + hidden)
    yield "HTTP/2: line ends in a name", case([(b"x: y\r\ntransfer-encoding", b"chunked")], lambda hidden: b"0\r\n\r\n" + hidden)
    yield "HTTP/2: line ends in the path", case([], path=b"/v2 HTTP/1.1\r\nHost: x\r\n\r\nHIDDEN")
    yield "HTTP/2: a space in the path", case([(b"content-length", b"0")], path=b"/v2 HTTP/1.1")


@unittest.skipIf(pictures.SANITIZED, "takes long beside a sanitizer")
class ProxyTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.picture = pictures.png(8, 8)
        model = pictures.small_model(self.folder, "m.safetensors", ["cat", "dog"])
        self.server = self.enterContext(Server(model, "--log", "requests"))
        self.port = free_port()

    def start(self, command):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = []
        reader = threading.Thread(target=lambda: self.said.extend(process.stdout))
        reader.start()

        def end():
            process.terminate()
            process.wait(20)
            reader.join()
            process.stdout.close()
        self.addCleanup(end)
        self.server.port = self.port  # from here on
        limit = time.monotonic() + 20
        while time.monotonic() < limit:
            try:
                if self.server.ask("GET", "/v2/health/ready")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        self.fail(f"the proxy does not answer: {self.said}")

    def answered(self):
        """The numbers of the requests that the server has logged."""
        return {int(re.search(r"00-(\w{32})-", line).group(1), 16) for line in list(self.server.log) if '"00-' in line}

    def attack(self, cases, proxy_log):
        reached = 0
        for index, (name, make) in enumerate(cases):
            number = 100 * (index + 1)
            with self.subTest(name):
                self.server.raw(make(number), wait=0.3)
                for victim in range(3):
                    status, _, answer = self.server.ask("GET", f"/v2/models/victim{number + victim}")
                    self.assertEqual(status, 404, answer)
                    self.assertIn(f"victim{number + victim}".encode(), answer)
                self.assertEqual(self.server.json("POST", "/classify", self.picture, {"traceparent": trace(number + 50)})["path"], "-")
                limit = time.monotonic() + 20
                while number + 50 not in (answered := self.answered()) and time.monotonic() < limit:
                    time.sleep(0.02)
                time.sleep(0.05)
                seen = {int(found, 16) for line in proxy_log() for found in re.findall(r"seen=00-(\w{32})-", line)}
                self.assertIn(number + 50, answered)
                self.assertEqual(answered - seen, set(), "answered, and the proxy never saw it")
                reached += number in answered or number + 1 in answered
        print(f"{index + 1} ambiguous requests, of {reached} a part came through as the proxy read it")

    @unittest.skipUnless(NGINX, "there is no nginx")
    def test_nginx(self):
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(NGINX_CONFIG.format(folder=self.folder, port=self.port, server=self.server.port))
        self.start([NGINX, "-c", path, "-e", f"{self.folder}/error"])

        def log():
            with open(f"{self.folder}/log", encoding="latin-1") as file:
                return file.readlines()
        self.attack(attacks(self.picture), log)

    @unittest.skipUnless(HAPROXY, "there is no haproxy")
    def test_haproxy(self):
        """With the configuration of deploy/, and lines that let us see what it sees."""
        with open(os.path.join(ROOT, "deploy", "haproxy", "haproxy.cfg"), encoding="utf-8") as file:
            text = file.read()
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}").replace("127.0.0.1:8001", f"127.0.0.1:{self.server.port}")
        text = re.sub(r".*127\.0\.0\.1:8002.*\n?", "", text)  # one server: all come to the same connections
        text = text.replace("  mode http\n", "  mode http\n  log stdout format raw local0\n  http-reuse always\n", 1)
        text = text.replace("frontend resnet\n", "frontend resnet\n  capture request header traceparent len 80\n"
                            '  log-format "seen=%[capture.req.hdr(0)]"\n', 1)
        path = os.path.join(self.folder, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.start([HAPROXY, "-db", "-f", path])
        self.attack([*attacks(self.picture), *http2_attacks(self.picture)], lambda: list(self.said))

    def test_without_a_proxy(self):
        """The same straight to the server, which goes on."""
        for index, (name, make) in enumerate([*attacks(self.picture), *http2_attacks(self.picture)]):
            with self.subTest(name):
                self.server.raw(make(100 * (index + 1)), wait=0.2)
                self.assertEqual(self.server.json("POST", "/classify", self.picture)["path"], "-")


if __name__ == "__main__":
    unittest.main()
