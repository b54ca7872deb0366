"""resnet serve: who comes first, and what a request may say about itself."""
import base64
import gzip
import json
import os
import tempfile
import threading
import time
import unittest

import pictures
from pictures import resnet
from server import Server


class QueueTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.picture = pictures.png(40, 50, 3)
        cls.slow = os.path.join(cls.folder.name, "slow.safetensors")
        done = resnet("init", "resnet50", "-o", cls.slow, "--classes", 10)
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def request(self, parameters, extra=""):
        image = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(self.picture).decode()]}
        return json.dumps({"inputs": [image], "outputs": [{"name": "labels"}], "parameters": parameters, "id": extra})

    def test_answers_do_not_depend_on_load(self):
        """A lone request takes all processors, one of many takes one: the bits are those of one thread."""
        path = pictures.write(os.path.join(self.folder.name, "a.png"), self.picture)
        done = resnet("predict", self.slow, path, "--json", "--logits", "--threads", 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        wanted = json.loads(done.stdout)["logits"]
        with Server(self.slow, "--workers", 2) as s:
            got = [s.json("POST", "/classify?logits", self.picture)["logits"] for _ in range(2)]

            def ask():
                got.append(s.json("POST", "/classify?logits", self.picture)["logits"])

            threads = [threading.Thread(target=ask) for _ in range(5)]
            for thread in threads:
                thread.start()
                time.sleep(0.03)
            for thread in threads:
                thread.join()
            self.assertEqual(got, [wanted] * 7)

    def test_priorities(self):
        """Those of a parameter and of a header: lower numbers first, and in their order those of one number."""
        with Server(self.slow, "--workers", 1) as s:
            order = []

            def ask(name, parameters, headers):
                s.json("POST", "/v2/models/slow/infer", self.request(parameters), headers)
                order.append(name)

            asked = [("first", {}, {}), ("second", {}, {}), ("last", {"priority": 3}, {}), ("soon", {"priority": -5}, {}),
                     ("sooner", {}, {"X-Request-Priority": "-6"}),
                     ("header", {"priority": -100}, {"X-Request-Priority": "2"})]
            threads = [threading.Thread(target=self.fill, args=(s,))]
            threads += [threading.Thread(target=ask, args=each) for each in asked]
            for i, thread in enumerate(threads):
                thread.start()
                if i == 0:
                    self.until(lambda: s.metric("resnet_workers_busy") == 1)
                else:
                    self.until(lambda least=i: s.metric("nv_inference_pending_request_count") >= least)
            for thread in threads:
                thread.join()
            self.assertEqual(order, ["sooner", "soon", "first", "second", "header", "last"])

    def until(self, condition):
        end = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)

    def fill(self, s):
        """Keeps the only worker busy for a while."""
        tensor = {"name": "pixels", "datatype": "UINT8", "shape": [64, 1, 1, 3], "data": [0] * 192}
        s.json("POST", "/v2/models/slow/infer", {"inputs": [tensor]})

    def test_priorities_that_are_none(self):
        with Server(self.slow, "--workers", 1) as s:
            seen_late = "cannot be seen in time"
            for body, headers, text in ((self.request({"priority": 101}), {}, "priority: 101 is not -100 to 100"),
                                        (self.request({"priority": 1.5}), {}, "no whole number"),
                                        (self.request({"priority": "high"}), {}, "no whole number"),
                                        (self.request({"priority": 1}, "x" * 20_000), {}, seen_late),
                                        (gzip.compress(self.request({"priority": 1}).encode()),
                                         {"Content-Encoding": "gzip"}, seen_late)):
                answer = s.json("POST", "/v2/models/slow/infer", body, headers, status=400)
                self.assertIn(text, answer["error"])
            late = {"X-Request-Priority": "1"}
            s.json("POST", "/v2/models/slow/infer", self.request({"priority": 1}, "x" * 20_000), late)

    def test_other_codings(self):
        with Server(self.slow, "--workers", 1) as s:
            for path in ("/classify", "/v2/models/slow/infer"):
                for coding in ("br", "zstd", "gzip, gzip"):
                    status, headers, answer = s.ask("POST", path, self.picture, {"Content-Encoding": coding})
                    self.assertEqual((status, headers["accept-encoding"]), (415, "gzip, deflate, identity"))
                    self.assertIn("gzip, deflate and identity are read here", answer.decode())


if __name__ == "__main__":
    unittest.main()
