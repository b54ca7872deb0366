"""resnet serve beside clients that mean no good: broken, doubled, endless and slow requests; no answer is given twice, and
others are served meanwhile."""
import json
import re
import socket
import struct
import tempfile
import threading
import time
import unittest

import pictures
import server
from server import Server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    """Of HTTP/2 (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


SETTINGS = frame(4, 0, 0)
GET_HEALTH = bytes([0x82, 0x86, 0x04, 15]) + b"/v2/health/live" + bytes([0x01, 1]) + b"x"  # :method, :scheme, :path, host


def frames(data):
    """Kind, stream and payload of each whole frame."""
    while len(data) >= 9:
        length = int.from_bytes(data[:3], "big")
        yield data[3], int.from_bytes(data[5:9], "big"), data[9:9 + length]
        data = data[9 + length:]


class HostileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.model = pictures.small_model(cls.folder.name, "m.safetensors", ["cat", "dog"])
        cls.picture = pictures.png(40, 50, 3)
        cls.server = Server(cls.model, "--request-memory", 80)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.process.poll() is None, "the server has ended"
        cls.server.__exit__()
        cls.folder.cleanup()

    def statuses(self, data):
        """Of all answers to these bytes."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.server.raw(data, wait=5))]

    def test_one_reading_alone(self):
        """What two servers could read differently is refused, and nothing behind it is answered."""
        hidden = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        head = b"POST /classify HTTP/1.1\r\nHost: x\r\n"
        cases = {
            "both lengths": (head + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, 400),
            "both, turned": (head + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden, 400),
            "two lengths": (head + b"Content-Length: 0\r\nContent-Length: 41\r\n\r\n" + hidden, 400),
            "list of lengths": (head + b"Content-Length: 0, 41\r\n\r\n" + hidden, 400),
            "signed length": (head + b"Content-Length: +0\r\n\r\n" + hidden, 400),
            "length with text": (head + b"Content-Length: 0x0\r\n\r\n" + hidden, 400),
            "huge length": (head + b"Content-Length: 99999999999999999999999\r\n\r\n" + hidden, 400),
            "other coding": (head + b"Transfer-Encoding: xchunked\r\n\r\n" + hidden, 501),
            "coding twice": (head + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, 400),
            "chunked is not last": (head + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + hidden, 501),
            "gzip, chunked": (head + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden, 501),
            "space before colon": (head + b"Content-Length : 0\r\n\r\n" + hidden, 400),
            "chunked in 1.0": (b"POST /classify HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, 501),
            "bad chunk size": (head + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + hidden, 400),
            "chunk overflow": (head + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + hidden, 400),
            "no host": (b"GET /v2 HTTP/1.1\r\n\r\n" + hidden, 400),
            "two hosts": (b"GET /v2 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + hidden, 400),
            "bare line ends": (b"GET /v2 HTTP/1.1\nHost: a\n\n" + hidden, 505),
            "control in header": (b"GET /v2 HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n" + hidden, 400),
            "control in target": (b"GET /v2\x01 HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, 400),
            "another version": (b"GET /v2 HTTP/1.2\r\nHost: a\r\n\r\n" + hidden, 505),
            "no HTTP": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + hidden, 400),
            "headers": (b"GET /v2 HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17_000 + b"\r\n\r\n" + hidden, 431),
            "long target": (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, 431),
            "expectation": (head + b"Expect: more\r\nContent-Length: 1\r\n\r\n1" + hidden, 417),
            "large body": (head + b"Content-Length: 64000001\r\n\r\n" + hidden, 413),
        }
        for name, (data, status) in cases.items():
            with self.subTest(name):
                self.assertEqual(self.statuses(data), [status])

    def test_requests_in_a_row(self):
        """Sent ahead, they are answered in their order; a body counts as what its length says."""
        ask = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        post = b"POST /v2/repository/index HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(ask), ask)
        last = b"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = self.server.raw(ask + post + ask * 50 + last)
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 53)
        self.assertEqual(answer.count(b'{"live":true}'), 51)
        self.assertTrue(answer.endswith(b'{"ready":true}'))

    def test_byte_by_byte(self):
        body = b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\n\r\n" + self.picture + b"\r\n--b--"
        head = (b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        chunked = b"".join(b"7;x=y\r\n" + body[i:i + 7] + b"\r\n" for i in range(0, len(body) // 7 * 7, 7))
        rest = body[len(body) // 7 * 7:]
        data = head + chunked + (b"%x\r\n%s\r\n" % (len(rest), rest) if rest else b"") + b"0\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.port)) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(data)):
                link.send(data[i:i + 1])
            self.assertIn(b'"path":"a.png"', server.receive_all(link))

    def test_too_many_chunks(self):
        head = b"POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.assertEqual(self.statuses(head + b"1\r\na\r\n" * 66_000), [413])

    def test_expect_continue(self):
        with socket.create_connection(("127.0.0.1", self.server.port)) as link:
            link.sendall(b"POST /classify HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(self.picture))
            self.assertEqual(link.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            link.sendall(self.picture)
            self.assertIn(b"200 OK", server.receive_all(link))

    def test_bytes_are_bounded(self):
        """Bodies that were announced and do not come fill the budget; others are refused at once, and told why."""
        head = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.port)) as link:
            link.sendall(head)
            time.sleep(0.3)
            begun = time.monotonic()
            self.assertEqual(self.statuses(head), [503])
            self.assertLess(time.monotonic() - begun, 4)
            self.assertEqual(self.server.ask("POST", "/classify", self.picture)[0], 200)
        self.assertGreaterEqual(self.server.metric('resnet_refused_total{reason="bytes"}'), 1)
        time.sleep(0.3)  # the link has gone, and so is what it held
        self.assertLess(self.server.metric("resnet_request_bytes "), 60_000_000)

    def test_slow_clients_end(self):
        """Headers that come byte by byte have ten seconds; others are served meanwhile."""
        slow = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(50)]
        for link in slow:
            link.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n")
        begun = time.monotonic()
        ended = []

        def trickle(link):
            try:
                while time.monotonic() - begun < 20:
                    link.sendall(b"X: y\r\n")
                    link.settimeout(0.5)
                    try:
                        if not link.recv(1000):
                            break
                    except TimeoutError:
                        continue
            except OSError:
                pass
            ended.append(time.monotonic() - begun)

        threads = [threading.Thread(target=trickle, args=(link,)) for link in slow]
        for thread in threads:
            thread.start()
        while time.monotonic() - begun < 5:
            self.assertEqual(self.server.ask("POST", "/classify", self.picture)[0], 200)
        for thread in threads:
            thread.join()
        for link in slow:
            link.close()
        self.assertLess(max(ended), 18)
        self.assertGreater(min(ended), 8)

    def test_http2_in_pieces(self):
        data = PREFACE + SETTINGS + frame(1, 5, 1, GET_HEALTH)
        with socket.create_connection(("127.0.0.1", self.server.port)) as link:
            for i in range(len(data)):
                link.send(data[i:i + 1])
            link.settimeout(2)
            got = server.receive_all(link)
        self.assertIn(b'{"live":true}', got)

    def test_http2_rapid_reset(self):
        """Streams that are opened and reset at once end the connection (CVE-2023-44487)."""
        data = PREFACE + SETTINGS
        for i in range(2000):
            stream = 2 * i + 1
            data += frame(1, 4, stream, GET_HEALTH) + frame(3, 0, stream, struct.pack(">I", 8))
        got = self.server.raw(data, wait=5)
        ends = [payload for kind, _, payload in frames(got) if kind == 7]
        self.assertTrue(ends, "no GOAWAY")
        self.assertEqual(int.from_bytes(ends[-1][4:8], "big"), 11)  # ENHANCE_YOUR_CALM

    def test_http2_floods(self):
        """Endless CONTINUATIONs, pings, settings and empty frames end the connection, and take no memory meanwhile."""
        before = self.server.metric("process_resident_memory_bytes")
        empty_data = frame(1, 4, 1, GET_HEALTH) + frame(0, 0, 1) * 200_000
        for flood in (frame(1, 0, 1, GET_HEALTH) + frame(9, 0, 1, b"\0\1x\1y" * 1000) * 2000,
                      frame(6, 0, 0, bytes(8)) * 100_000, frame(4, 0, 0, struct.pack(">HI", 4, 65535)) * 100_000,
                      frame(8, 0, 0, struct.pack(">I", 1)) * 100_000, empty_data):
            try:
                self.server.raw(PREFACE + SETTINGS + flood, wait=2)
            except (ConnectionError, BrokenPipeError):
                pass
            self.assertEqual(self.server.json("GET", "/v2/health/live"), {"live": True})
        self.assertLess(self.server.metric("process_resident_memory_bytes"), before + 40e6)

    def test_http2_headers_are_bounded(self):
        block = b"".join(b"\x00\x7f\x81\x01" + b"n" * 256 + b"\x7f\x81\x01" + b"v" * 256 for _ in range(40))
        data = PREFACE + SETTINGS + frame(1, 1, 1, GET_HEALTH + block[:14_000]) + frame(9, 4, 1, block[14_000:])
        got = self.server.raw(data, wait=2)
        self.assertNotIn(b'{"live":true}', got)

    def test_log_lines_stay_lines(self):
        with Server(self.model, "--log", "requests") as other:
            other.ask("POST", "/classify?%0a%0d{}", self.picture, {"X-Forwarded-For": "x"})
            other.raw(b"POST /classify?\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" %
                      (len(self.picture), self.picture))
            other.ask("POST", "/classify", self.picture)
            other.end()
            time.sleep(0.2)
            for line in other.log:
                self.assertEqual(json.loads(line)["path"], "/classify")


if __name__ == "__main__":
    unittest.main()
