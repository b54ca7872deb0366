"""resnet serve --otlp: what a collector of OpenTelemetry gets, and that nobody waits for one that does not answer."""
import http.server
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import pictures
from pictures import resnet
from server import Server

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector:
    """Keeps what is posted to it, and answers with `status`."""

    def __init__(self):
        self.posts, self.status = [], 200
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.posts.append((self.path, self.headers["Content-Type"], json.loads(body)))
                self.send_response(collector.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def spans(self):
        return [span for _, _, body in list(self.posts) for group in body["resourceSpans"] for scope in group["scopeSpans"]
                for span in scope["spans"]]

    def wait(self, count):
        end = time.monotonic() + 20
        while len(self.spans()) < count and time.monotonic() < end:
            time.sleep(0.02)
        return self.spans()


def attributes(span):
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


class TracesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.model = pictures.small_model(cls.folder.name, "m.safetensors", ["cat", "dog"])
        cls.picture = pictures.png(40, 50, 3)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_spans(self):
        with Collector() as collector, Server(self.model, "--otlp", collector.url) as s:
            s.ask("POST", "/classify", self.picture, {"traceparent": PARENT})
            spans = collector.wait(5)
            self.assertEqual({(path, kind) for path, kind, _ in collector.posts}, {("/v1/traces", "application/json")})
            root, *phases = spans
            self.assertEqual((root["traceId"], root["parentSpanId"]), (PARENT[3:35], PARENT[36:52]))
            self.assertEqual((root["name"], root["kind"]), ("POST /classify", 2))
            self.assertEqual(attributes(root), {
                "http.request.method": "POST", "url.path": "/classify", "http.response.status_code": "200",
                "resnet.model": "m", "resnet.version": "1", "resnet.pictures": "1"})
            self.assertEqual([span["name"] for span in phases], ["queue", "decode", "infer", "encode"])
            begin, end = int(root["startTimeUnixNano"]), int(root["endTimeUnixNano"])
            self.assertLess(abs(time.time() - end / 1e9), 60)
            for span in phases:
                self.assertEqual((span["traceId"], span["parentSpanId"]), (root["traceId"], root["spanId"]))
                self.assertEqual(int(span["startTimeUnixNano"]), begin)
                begin = int(span["endTimeUnixNano"])
            self.assertLessEqual(begin, end)
            # Without a parent the request begins a trace; one that is not sampled is passed over.
            s.ask("POST", "/classify", self.picture, {"traceparent": PARENT[:-1] + "0"})
            s.ask("POST", "/v2/models/m/infer", b"{}")
            root = collector.wait(6)[5]
            self.assertNotIn("parentSpanId", root)
            self.assertEqual(attributes(root)["http.response.status_code"], "400")
            grpc = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-H", "Content-Type: application/grpc",
                                   "--data-binary", "@-", "-o", os.devnull,
                                   f"http://127.0.0.1:{s.port}/inference.GRPCInferenceService/ModelInfer"],
                                  input=bytes(5), capture_output=True, check=True)
            self.assertEqual(grpc.stderr, b"")
            end = time.monotonic() + 20
            while not any("rpc" in key for span in collector.spans()[5:] for key in attributes_of(span)) \
                    and time.monotonic() < end:
                time.sleep(0.02)
            named = [span for span in collector.spans() if span["name"] == "inference.GRPCInferenceService/ModelInfer"]
            self.assertEqual(named[0]["status"], {"code": 2})
            self.assertGreaterEqual(s.metric("resnet_traces_sent_total"), 2)
            self.assertEqual(s.metric("resnet_traces_dropped_total"), 0)

    def test_what_is_there_is_sent_at_the_end(self):
        with Collector() as collector, Server(self.model, "--otlp", collector.url) as s:
            s.json("POST", "/classify", self.picture)
            self.assertEqual(s.end(), 0)
            self.assertEqual(len(collector.spans()), 5)

    def test_collectors_that_do_not_take_them(self):
        with Collector() as collector, Server(self.model, "--otlp", collector.url) as s:
            for status in (500, 307):
                collector.status = status
                s.json("POST", "/classify", self.picture)
                self.dropped(s, 1 if status == 500 else 2)
            s.wait_for("traces are dropped: .*status 500")
            self.assertEqual({path for path, _, _ in collector.posts}, {"/v1/traces"})  # it follows nobody
            collector.status = 202
            s.json("POST", "/classify", self.picture)
            s.wait_for("traces are sent again")
            self.assertEqual(sum("traces are dropped" in line for line in s.lines), 1)

    def test_nobody_waits(self):
        """For a collector that takes a connection and says nothing, or is not there."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            with Server(self.model, "--otlp", f"http://127.0.0.1:{silent.getsockname()[1]}") as s:
                begun = time.monotonic()
                for _ in range(20):
                    s.json("POST", "/classify", self.picture)
                self.assertLess(time.monotonic() - begun, 10)
                self.dropped(s, 1)
                s.wait_for("it does not answer")
                s.json("POST", "/classify", self.picture)
                self.assertEqual(s.end(), 0)
            free = silent.getsockname()[1]
        with Server(self.model, "--otlp", f"http://127.0.0.1:{free}") as s:
            s.json("POST", "/classify", self.picture)
            s.wait_for("traces are dropped")

    def dropped(self, s, count):
        end = time.monotonic() + 20
        while s.metric('resnet_traces_dropped_total{reason="not_taken"}') < count and time.monotonic() < end:
            time.sleep(0.02)
        self.assertGreaterEqual(s.metric('resnet_traces_dropped_total{reason="not_taken"}'), count)

    def test_wrong_addresses(self):
        for url in ("localhost:4318", "https://localhost:4318", "http://"):
            done = resnet("serve", self.model, "--otlp", url)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--otlp", done.stderr.decode())
            self.assertEqual(done.stderr.count(b"\n"), 1)


def attributes_of(span):
    return attributes(span) if "attributes" in span else {}


if __name__ == "__main__":
    unittest.main()
