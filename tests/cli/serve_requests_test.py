"""resnet serve: what the tests of other inference servers ask. Requests at the edges of the protocol, pictures side by side
in every mixture, models that come and go while they are asked, clients that do not wait, and memory over many requests."""
import base64
import http.client
import json
import os
import random
import shutil
import socket
import struct
import tempfile
import threading
import time
import unittest

import pictures
import server
from server import Server

MANY = 30_000 if os.environ.get("RESNET_TEST_ALL") else 3_000


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as link:
        return link.getsockname()[1]


class RequestsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = cls.folder.name
        cls.model = pictures.small_model(root, "m.safetensors", ["cat", "dog", "sea"])
        cls.picture = pictures.png(40, 50, 3)
        cls.server = Server(cls.model, "--queue", 500)
        cls.logits = {i: cls.server.json("POST", "/classify?logits", pictures.png(20 + i, 30, i))["logits"] for i in range(12)}

    @classmethod
    def tearDownClass(cls):
        assert cls.server.process.poll() is None, "the server has ended"
        cls.server.__exit__()
        cls.folder.cleanup()

    def document(self, *numbers, binary=False, **more):
        """A request for the logits of these pictures, and its bytes behind the JSON."""
        files = [pictures.png(20 + i, 30, i) for i in numbers]
        given = {"name": "image", "datatype": "BYTES", "shape": [len(files)]}
        if not binary:
            given["data"] = [base64.b64encode(file).decode() for file in files]
            return {"inputs": [given], "outputs": [{"name": "logits"}], **more}, b""
        given["parameters"] = {"binary_data_size": sum(len(file) + 4 for file in files)}
        return {"inputs": [given], "outputs": [{"name": "logits", "parameters": {"binary_data": True}}], **more}, server.packed(*files)

    def test_header_lengths(self):
        """The header that says where the JSON ends, wrong in every way; the connection goes on afterwards."""
        document, raw = self.document(1, binary=True)
        text = json.dumps(document).encode()
        link = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        for length in ("-1", "+5", "x", "", "1.5", "0x10", str(len(text) + len(raw) + 1), "99999999999999999999",
                       str(len(text) - 1), str(len(text) + 1), "1"):
            with self.subTest(length):
                link.request("POST", "/v2/models/m/infer", text + raw, {"Inference-Header-Content-Length": length})
                answer = link.getresponse()
                body = answer.read()
                self.assertEqual(answer.status, 400, body)
                self.assertIn("error", json.loads(body))
                link.request("POST", "/v2/models/m/infer", text + raw, {"Inference-Header-Content-Length": str(len(text))})
                answer = link.getresponse()
                body = answer.read()
                self.assertEqual(answer.status, 200, body)
                size = int(answer.headers["Inference-Header-Content-Length"])
                self.assertEqual(body[size:], struct.pack("<3f", *self.logits[1]))
        link.close()

    def test_bodies_that_are_no_request(self):
        for body in (b"", b"{", b"[]", b"null", b"1", b'"inputs"', b"{}", b'{"inputs": null}', b'{"inputs": {}}', b'{"inputs": [1]}',
                     b'{"inputs": [{}]}', b'{"inputs": [[]]}', b"\xef\xbb\xbf", b"\xff\xfe", b'{"inputs": []} x', b"{" * 1000,
                     b'{"inputs": [{"name": "\xff"}]}', b'{"inputs": [{"name": 7, "datatype": "BYTES", "shape": [1], "data": ["x"]}]}',
                     b'{"inputs": [{"name": "image", "datatype": "BYTES", "shape": "1", "data": ["x"]}]}',
                     b'{"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": "x"}]}',
                     b'{"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["*"]}]}',
                     b'{"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [["x"], ["y"]]}]}',
                     b'{"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3, 1, 1], "data": [1, "2", 3]}]}',
                     b'{"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3, 1, 1], "data": [1, null, 3]}]}',
                     b'{"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3, 1, 1], "data": [NaN, 1, 3]}]}',
                     b'{"inputs": [{"name": "input", "datatype": "FP32", "shape": [0, 3, 1, 1], "data": []}]}'):
            with self.subTest(body[:90]):
                status, headers, answer = self.server.ask("POST", "/v2/models/m/infer", body)
                self.assertIn(status, (400, 413), answer)
                self.assertEqual(headers["content-type"], "application/json")
                self.assertLess(len(json.loads(answer)["error"]), 400)

    def test_names_in_addresses(self):
        """A path leads nowhere else."""
        for path in ("/v2/models/..%2f..%2fetc%2fpasswd", "/v2/models/%00", "/v2/models/m%2fversions%2f1", "/v2/models/m/versions/01",
                     "/v2/models/m/versions/-1", "/v2/models/m/versions/2", "/v2/models/m/versions/99999999999999999999",
                     "/v2//models/m", "//v2", "/v2/models//infer", "/v2/models/m/../m", "/V2/models/m", "/v2/models/M", "/v2/models/%",
                     "/v2/models/%zz", "/../v2"):
            with self.subTest(path):
                status, _, answer = self.server.ask("GET", path)
                self.assertIn(status, (400, 404), answer)
                self.assertIn("error", json.loads(answer))

    def test_ids_and_outputs_come_back_as_asked(self):
        for number, wish in enumerate((["logits"], ["labels", "logits"], ["heatmap"], ["features", "labels"], [])):
            document, _ = self.document(number, id=f"request-{number} \u00e4\"\\")
            document["outputs"] = [{"name": name} for name in wish]
            answer = self.server.json("POST", "/v2/models/m/infer", document)
            self.assertEqual(answer["id"], f"request-{number} \u00e4\"\\")
            self.assertEqual([output["name"] for output in answer["outputs"]], wish or ["logits", "probabilities", "labels"])

    def test_pictures_side_by_side_in_every_mixture(self):
        """Forty threads send one to twelve pictures, in JSON or as bytes, right ones and wrong ones: each gets its own answer,
        and statistics count every picture once."""
        before = self.server.json("GET", "/v2/models/m/stats")["model_stats"][0]
        wrong, counts = [], {"pictures": 0, "requests": 0}
        lock = threading.Lock()

        def ask(seed):
            source = random.Random(seed)
            for turn in range(6):
                numbers = [source.randrange(12) for _ in range(source.choice((1, 1, 1, 2, 5, 12)))]
                binary = source.random() < 0.5
                document, raw = self.document(*numbers, binary=binary, id=f"{seed}-{turn}")
                broken = source.random() < 0.2
                if broken:
                    document["outputs"] = [{"name": "none"}]
                body, headers = server.infer_body(document, raw)
                status, got, answer = self.server.ask("POST", "/v2/models/m/infer", body, headers)
                size = int(got.get("inference-header-content-length", len(answer)))
                read = json.loads(answer[:size])
                expected = [value for number in numbers for value in self.logits[number]]
                if broken:
                    right = status == 400 and "no such output" in read["error"]
                elif binary:
                    right = answer[size:] == struct.pack(f"<{len(expected)}f", *expected) and read["id"] == f"{seed}-{turn}"
                else:
                    right = status == 200 and read["outputs"][0]["data"] == expected and read["id"] == f"{seed}-{turn}"
                with lock:
                    if not right:
                        wrong.append((numbers, status, answer[:200]))
                    elif not broken:
                        counts["pictures"] += len(numbers)
                        counts["requests"] += 1

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        after = self.server.json("GET", "/v2/models/m/stats")["model_stats"][0]
        self.assertEqual(after["inference_count"] - before["inference_count"], counts["pictures"])
        self.assertEqual(after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"],
                         counts["requests"])

    def test_clients_that_do_not_wait(self):
        """Half a request, or a whole one whose answer nobody reads: others are answered, and nothing stays behind."""
        whole = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(self.picture), self.picture)
        for cut in (1, 20, len(whole) // 2, len(whole) - 1, len(whole)):
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", self.server.port)) as link:
                    link.sendall(whole[:cut])
                    if cut % 2:  # a reset, rather than an end
                        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.assertEqual(self.server.ask("POST", "/classify", self.picture)[0], 200)
        end = time.monotonic() + 10
        while time.monotonic() < end and (self.server.metric("resnet_connections") > 1 or self.server.metric("resnet_request_bytes")):
            time.sleep(0.05)
        self.assertLessEqual(self.server.metric("resnet_connections"), 1)  # the one that asks
        self.assertEqual(self.server.metric("resnet_request_bytes "), 0)
        self.assertEqual(self.server.metric("nv_inference_pending_request_count"), 0)

    @unittest.skipIf(pictures.SANITIZED, "a sanitizer keeps memory")
    def test_memory_does_not_grow(self):
        """Requests of all kinds, wrong ones as well, on kept and on new connections."""
        document, raw = self.document(1, 2, binary=True)
        body, headers = server.infer_body(document, raw)
        kinds = [("POST", "/classify", self.picture, {}, 200), ("POST", "/v2/models/m/infer", body, headers, 200),
                 ("POST", "/v2/models/m/infer", body[:-9], headers, 400), ("POST", "/classify", b"x" * 50_000, {}, 400),
                 ("GET", "/v2/models/none", None, {}, 404), ("GET", "/metrics", None, {"Accept-Encoding": "gzip"}, 200)]

        def ask(count):
            link = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            for i in range(count):
                method, path, sent, more, wanted = kinds[i % len(kinds)]
                link.request(method, path, sent, more)
                answer = link.getresponse()
                answer.read()
                self.assertEqual(answer.status, wanted)
                if i % 50 == 0:
                    link.close()
            link.close()

        def turn():
            threads = [threading.Thread(target=ask, args=(MANY // 16,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return self.server.metric("process_resident_memory_bytes")

        sizes = [turn() for _ in range(4)]
        print(f"memory in turns of {MANY // 4} requests: {', '.join(f'{size / 1e6:.1f}' for size in sizes)} MB")
        self.assertLess(sizes[-1] - sizes[0], 2e6)


class ComingAndGoingTest(unittest.TestCase):
    def setUp(self):
        self.root = self.enterContext(tempfile.TemporaryDirectory())
        self.picture = pictures.png(40, 50, 3)
        self.token = pictures.write(f"{self.root}/token", b"word\n")
        self.admin = free_port()

    def version(self, number, classes, name="m"):
        os.makedirs(f"{self.root}/models/{name}/{number}")
        pictures.small_model(f"{self.root}/models/{name}/{number}", "model.safetensors", classes)

    def start(self, *more):
        return self.enterContext(Server("--models", f"{self.root}/models", "--admin-port", self.admin, "--admin-token-file", self.token,
                                        *more))

    def order(self, s, action, name="m", body=b""):
        return s.ask("POST", f"/v2/repository/models/{name}/{action}", body, {"Authorization": "Bearer word"}, self.admin)

    def test_folders_that_are_no_versions(self):
        self.version(1, ["a", "b"])
        for name in ("0", "-1", "01", "1.5", "x", "99999999999999999999", " 2", "2 "):
            os.makedirs(f"{self.root}/models/m/{name}")
            shutil.copy(f"{self.root}/models/m/1/model.safetensors", f"{self.root}/models/m/{name}/model.safetensors")
        os.makedirs(f"{self.root}/models/empty")
        pictures.write(f"{self.root}/models/notes.txt", b"a file beside the folders")
        s = self.start()
        self.assertEqual(s.json("GET", "/v2/models"), {"models": [{"name": "m", "version": "1", "state": "READY"}]})

    def test_unload_and_load_while_it_is_asked(self):
        """Every answer is of a whole model or says that there is none; the other model never notices."""
        self.version(1, ["a", "b"])
        self.version(1, ["x", "y"], "other")
        s = self.start("--queue", 500)
        wrong, seen, ending = [], set(), threading.Event()

        def ask(name, allowed, names):
            while not ending.is_set():
                status, _, answer = s.ask("POST", f"/classify?model={name}", self.picture)
                seen.add((name, status))
                if status not in allowed or status == 200 and {guess["class"] for guess in json.loads(answer)["top"]} != names:
                    wrong.append((name, status, answer[:200]))

        threads = [threading.Thread(target=ask, args=("m", {200, 400, 503}, {"a", "b"})) for _ in range(3)]
        threads += [threading.Thread(target=ask, args=("other", {200}, {"x", "y"}))]
        for thread in threads:
            thread.start()
        try:
            for _ in range(15):
                self.assertEqual(self.order(s, "unload")[0], 200)
                time.sleep(0.02)
                self.assertEqual(self.order(s, "load")[0], 200)
                self.assertEqual(s.json("GET", "/v2/models/m/ready"), {"name": "m", "ready": True})
        finally:
            ending.set()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])
        self.assertIn(("m", 200), seen)

    def test_orders_side_by_side(self):
        """Loads and unloads of many at a time end in the state of the last one, and the server goes on."""
        for name in ("m", "n", "o"):
            self.version(1, ["a", "b"], name)
        s = self.start()
        statuses = []
        threads = [threading.Thread(target=lambda action=action, name=name: statuses.append(self.order(s, action, name)[0]))
                   for action in ("load", "unload", "load") for name in ("m", "n", "o") for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLessEqual(set(statuses), {200}, statuses)
        for name in ("m", "n", "o"):
            self.assertEqual(self.order(s, "load", name)[0], 200)
            self.assertEqual(s.json("POST", f"/classify?model={name}", self.picture)["top"][0]["class"] in "ab", True)

    def test_a_load_that_fails_changes_nothing(self):
        self.version(1, ["a", "b"])
        s = self.start()
        path = f"{self.root}/models/m/1/model.safetensors"
        with open(path, "rb") as file:
            good = file.read()
        for broken in (b"", good[:100], good[:-1], b"\xff" * 100):
            pictures.write(path, broken)
            status, _, answer = self.order(s, "load")
            self.assertEqual(status, 400, answer)
            self.assertIn("m", json.loads(answer)["error"])
            self.assertEqual({guess["class"] for guess in s.json("POST", "/classify", self.picture)["top"]}, {"a", "b"})
        pictures.write(path, good)
        self.assertEqual(self.order(s, "load")[0], 200)

    def test_an_unload_waits_for_nobody(self):
        """Requests that are in are answered by the model that they came for."""
        made = pictures.resnet("init", "resnet50", "--classes", 10, "-o", f"{self.root}/slow.safetensors")
        self.assertEqual(made.returncode, 0, made.stderr)
        os.makedirs(f"{self.root}/models/m/1")
        os.rename(f"{self.root}/slow.safetensors", f"{self.root}/models/m/1/model.safetensors")
        s = self.start("--workers", 1)
        statuses = []
        threads = [threading.Thread(target=lambda: statuses.append(s.ask("POST", "/classify?model=m", self.picture)[0])) for _ in range(5)]
        for thread in threads:
            thread.start()
        while s.metric("nv_inference_pending_request_count") + s.metric("resnet_workers_busy") < 5 and len(statuses) < 5:
            time.sleep(0.005)
        self.assertEqual(self.order(s, "unload")[0], 200)
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [200] * 5)
        status, _, answer = s.ask("POST", "/classify?model=m", self.picture)
        self.assertEqual((status, json.loads(answer)), (400, {"error": "m: the model was unloaded"}))


if __name__ == "__main__":
    unittest.main()
