"""resnet serve beside load generators that others wrote: h2load and wrk lose no request over HTTP/1.1 and HTTP/2, with and
without TLS, and slowhttptest's slow headers, bodies and reads shut nobody out. A tool that is not installed is skipped,
visibly."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import pictures
from server import Server


def run(*command, seconds=120):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, check=False)
    return done.returncode, done.stdout + done.stderr


@unittest.skipIf(pictures.SANITIZED, "takes long beside a sanitizer")
class ToolsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = cls.folder.name
        cls.model = pictures.small_model(root, "m.safetensors", ["cat", "dog"])
        cls.picture = pictures.write(f"{root}/a.png", pictures.png(40, 50, 3))
        cls.tensor = pictures.write(f"{root}/t", bytes(4 * 3 * 32 * 32))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{root}/key", "-out",
                        f"{root}/cert", "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
        cls.server = Server(cls.model, "--queue", 1000)
        cls.secure = Server(cls.model, "--queue", 1000, "--tls-cert", f"{root}/cert", "--tls-key", f"{root}/key", scheme="https")

    @classmethod
    def tearDownClass(cls):
        for each in (cls.server, cls.secure):
            assert each.process.poll() is None, "the server has ended"
            each.__exit__()
        cls.folder.cleanup()

    def h2load(self, count, *options, secure=False, path="/classify", **expected):
        """Runs it; all requests are answered, with 2xx unless said otherwise."""
        address = f"https://localhost:{self.secure.port}" if secure else f"http://127.0.0.1:{self.server.port}"
        status, text = run("h2load", "-n", count, *options, address + path)
        self.assertEqual(status, 0, text)
        counts = re.search(r"requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, "
                           r"(\d+) timeout", text)
        self.assertIsNotNone(counts, text)
        good = expected.get("ok", count)
        self.assertEqual([int(number) for number in counts.groups()], [count] * 3 + [good, count - good, 0, 0], text)
        codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
        wanted = {"ok": count, "moved": 0, "wrong": 0, "refused": 0, **expected}
        self.assertEqual([int(number) for number in codes.groups()], list(wanted.values()), text)
        return text

    @unittest.skipUnless(shutil.which("h2load"), "there is no h2load (nghttp2-client)")
    def test_h2load(self):
        before = self.server.metric("nv_inference_request_success")
        self.h2load(2000, "-c", 20, "-m", 10, "-d", self.picture)
        self.h2load(2000, "-c", 20, "-d", self.picture, "--h1")
        self.h2load(2000, "-c", 2, "-m", 90, "-d", self.tensor, "-H", "inference-header-content-length: 0",
                    path="/v2/models/m/infer")
        self.assertEqual(self.server.metric("nv_inference_request_success") - before, 6000)

    @unittest.skipUnless(shutil.which("h2load"), "there is no h2load (nghttp2-client)")
    def test_h2load_many_short_ones(self):
        """More streams than the server takes at a time wait in the client; small windows and frames change nothing."""
        for options in (["-m", 100], ["-m", 1000], ["-w", 10, "-W", 10, "-m", 50], ["-f", 16384, "-t", 2]):
            self.h2load(20_000, "-c", 10, *options, path="/v2/health/live")
        self.h2load(1000, "-c", 10, "-m", 10, "-w", 8, path="/openapi.json")  # 42 KB through windows of 255 bytes
        self.h2load(500, "-c", 10, path="/nowhere", ok=0, wrong=500)

    @unittest.skipUnless(shutil.which("h2load"), "there is no h2load (nghttp2-client)")
    def test_h2load_tls(self):
        text = self.h2load(1000, "-c", 10, "-m", 10, "-d", self.picture, secure=True)
        self.assertIn("Application protocol: h2", text)
        text = self.h2load(1000, "-c", 10, "-d", self.picture, "-p", "http/1.1", secure=True)
        self.assertIn("TLSv1.3", text)

    @unittest.skipUnless(shutil.which("wrk"), "there is no wrk")
    def test_wrk(self):
        script = os.path.join(self.folder.name, "post.lua")
        with open(script, "w", encoding="ascii") as file:
            file.write('wrk.method = "POST"\nlocal f = io.open(arg_picture, "rb")\n'.replace("arg_picture", json.dumps(self.picture)) +
                       'wrk.body = f:read("*a")\nfunction response(status, headers, body)\n'
                       '  if not body:find(\'"top"\', 1, true) then error(body) end\nend\n')
        for port, scheme in ((self.server.port, "http"), (self.secure.port, "https")):
            for options, path in ((["-s", script], "/classify"), ([], "/v2/models/m"), ([], "/metrics")):
                status, text = run("wrk", "-t", 2, "-c", 40, "-d", 2, *options, f"{scheme}://127.0.0.1:{port}{path}")
                self.assertEqual(status, 0, text)
                self.assertGreater(int(re.search(r"(\d+) requests in", text).group(1)), 0, text)
                self.assertNotIn("Socket errors", text)
                self.assertNotIn("Non-2xx", text)
                self.assertNotIn("error", text.lower())

    @unittest.skipUnless(shutil.which("slowhttptest"), "there is no slowhttptest")
    def test_slowhttptest(self):
        """A thousand slow connections of each kind at a time; its own probe and a client of ours are served meanwhile."""
        url = f"http://127.0.0.1:{self.server.port}"
        large = f"{url}/openapi.json"
        kinds = {"headers": ["-H", "-u", f"{url}/v2"], "body": ["-B", "-s", 60_000, "-u", f"{url}/classify"],
                 "range": ["-R", "-u", large], "read": ["-X", "-k", 3, "-w", 10, "-y", 20, "-z", 32, "-n", 2, "-u", large]}
        results, threads = {}, []
        for name, options in kinds.items():
            command = ["slowhttptest", *options, "-c", 1000, "-r", 500, "-i", 2, "-l", 15, "-p", 3, "-x", 24, "-v", 1]
            threads.append(threading.Thread(target=lambda name=name, command=command: results.update({name: run(*command)})))
            threads[-1].start()
        asked, slowest = 0, 0.0
        with open(self.picture, "rb") as file:
            body = file.read()
        while any(thread.is_alive() for thread in threads):
            begun = time.monotonic()
            self.assertEqual(self.server.ask("POST", "/classify", body)[0], 200)
            slowest = max(slowest, time.monotonic() - begun)
            asked += 1
            time.sleep(0.05)
        for name, (_, text) in results.items():
            with self.subTest(name):
                plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
                self.assertIn("service available", plain)
                self.assertNotRegex(plain, r"service available:\s+NO")
        self.assertGreater(asked, 5)
        self.assertLess(slowest, 10)  # nobody waits until the slow ones have been ended
        print(f"slowhttptest: {asked} requests of others meanwhile, the slowest {1000 * slowest:.0f} ms")


if __name__ == "__main__":
    unittest.main()
