"""resnet serve: the protocol over REST, /classify, models and versions, metrics and logs; answers are those of predict."""
import base64
import gzip
import json
import os
import re
import struct
import tarfile
import tempfile
import time
import unittest
import zlib

import pictures
import server
from pictures import resnet
from server import Server

FLOATS = 3 * 32 * 32


class ServeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = cls.folder.name
        cls.classes = ["cat", "dog", "sea, deep"]
        cls.model = pictures.small_model(root, "m.safetensors", cls.classes)
        cls.picture = pictures.png(40, 50, 3)
        cls.path = pictures.write(f"{root}/a.png", cls.picture)
        cls.server = Server(cls.model, "--log", "requests")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()
        cls.folder.cleanup()

    def predicted(self, *arguments):
        done = resnet("predict", self.model, "--json", "--threads", 1, *arguments, "-", stdin=self.picture)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def infer(self, document, *tensors, status=200, headers=None):
        body, own = server.infer_body(document, *tensors)
        got, answered, answer = self.server.ask("POST", "/v2/models/m/infer", body, {**own, **(headers or {})})
        self.assertEqual(got, status, answer[:300])
        length = int(answered.get("inference-header-content-length", len(answer)))
        return json.loads(answer[:length]), answer[length:]

    def image(self, **more):
        return {"name": "image", "datatype": "BYTES", "shape": [1],
                "parameters": {"binary_data_size": len(self.picture) + 4}, **more}

    def test_health_and_metadata(self):
        s = self.server
        self.assertEqual(s.json("GET", "/v2/health/live"), {"live": True})
        self.assertEqual(s.json("GET", "/v2/health/ready"), {"ready": True})
        self.assertEqual(s.json("GET", "/v2/models/m/ready"), {"name": "m", "ready": True})
        self.assertEqual(s.json("GET", "/v2")["name"], "resnet")
        self.assertEqual(s.json("GET", "/v2/models"), {"models": [{"name": "m", "version": "1", "state": "READY"}]})
        data = s.json("GET", "/v2/models/m/versions/1")
        self.assertEqual(data["inputs"][0], {"name": "input", "datatype": "FP32", "shape": [-1, 3, 32, 32]})
        self.assertEqual([t["name"] for t in data["outputs"]],
                         ["logits", "probabilities", "labels", "features", "heatmap"])
        self.assertEqual(s.json("POST", "/v2/repository/index"),
                         [{"name": "m", "version": "1", "state": "READY", "reason": ""}])
        self.assertEqual(s.json("GET", "/openapi.json").get("info", {}).get("title"), "resnet serve")

    def test_classify_is_predict(self):
        for headers, body in [({}, self.picture), self.form()]:
            line = self.server.json("POST", "/classify?top=3&logits", body, headers)
            line["path"] = "-"
            self.assertEqual(line, self.predicted("--top", 3, "--logits"))
        self.assertEqual(len(self.server.json("PUT", "/classify?top=1", self.picture)["top"]), 1)

    def form(self):
        body = (b"--b0\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n"
                b"--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n"
                b"Content-Type: image/png\r\n\r\n" + self.picture + b"\r\n--b0--\r\n")
        return {"Content-Type": "multipart/form-data; boundary=b0"}, body

    def test_all_inputs_give_the_same(self):
        tensor = f"{self.folder.name}/t.npy"
        done = resnet("preprocess", self.path, "-o", tensor, "--model", self.model)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(tensor, "rb") as file:
            values = file.read()[-4 * FLOATS:]
        wanted = self.predicted("--logits")["logits"]
        numbers = list(struct.unpack(f"<{FLOATS}f", values))
        shape = [1, 3, 32, 32]
        nested = [[[numbers[(c * 32 + y) * 32:(c * 32 + y + 1) * 32] for y in range(32)] for c in range(3)]]
        inputs = {
            "binary": ({"name": "input", "datatype": "FP32", "shape": shape,
                        "parameters": {"binary_data_size": len(values)}}, values),
            "flat": ({"name": "input", "datatype": "FP32", "shape": shape, "data": numbers}, b""),
            "nested": ({"name": "input", "datatype": "FP32", "shape": shape, "data": nested}, b""),
            "file": (self.image(), server.packed(self.picture)),
            "base64": ({"name": "image", "datatype": "BYTES", "shape": [1],
                        "data": [base64.b64encode(self.picture).decode()]}, b""),
        }
        for kind, (tensor, raw) in inputs.items():
            with self.subTest(kind):
                got, _ = self.infer({"id": "7", "inputs": [tensor], "outputs": [{"name": "logits"}]}, raw)
                self.assertEqual((got["id"], got["model_name"], got["model_version"]), ("7", "m", "1"))
                self.assertEqual(got["outputs"][0]["data"], wanted)
        for body in (self.picture, values):  # the body is the tensor
            got = self.server.json("POST", "/v2/models/m/infer", body, {"Inference-Header-Content-Length": "0"})
            self.assertEqual(got["outputs"][0]["data"], wanted)

    def test_pixels(self):
        pixels = bytes(range(256)) * 12
        resized = {"name": "pixels", "datatype": "UINT8", "shape": [1, 32, 32, 3]}
        first, _ = self.infer({"inputs": [{**resized, "data": list(pixels)}]})
        second, _ = self.infer({"inputs": [{**resized, "parameters": {"binary_data_size": len(pixels)}}]}, pixels)
        self.assertEqual(first, second)
        self.assertEqual([o["name"] for o in first["outputs"]], ["logits", "probabilities", "labels"])

    def test_outputs(self):
        wishes = [{"name": "probabilities", "parameters": {"classification": 2}}, {"name": "labels"},
                  {"name": "features", "parameters": {"binary_data": True}}, {"name": "heatmap"}]
        got, raw = self.infer({"inputs": [self.image()], "outputs": wishes, "parameters": {"top": 2}},
                              server.packed(self.picture))
        best, labels, features, heatmap = got["outputs"]
        top = self.predicted("--top", 2)["top"]
        self.assertEqual(best["shape"], [1, 2])
        self.assertEqual([t.split(":")[1:] for t in best["data"]], [[str(g["index"]), g["class"]] for g in top])
        self.assertEqual(labels["data"], [g["class"] for g in top])
        self.assertEqual(features["parameters"]["binary_data_size"], len(raw))
        self.assertEqual(len(raw), 4 * features["shape"][1])
        self.assertEqual(len(heatmap["data"]), heatmap["shape"][1] * heatmap["shape"][2])

    def test_many_pictures_are_answered_as_one_by_one(self):
        others = [pictures.png(30 + i, 45, i) for i in range(5)]
        many, _ = self.infer({"inputs": [{**self.image(), "shape": [5], "parameters": {"binary_data_size":
                              sum(len(o) + 4 for o in others)}}], "outputs": [{"name": "logits"}]}, server.packed(*others))
        alone = []
        for other in others:
            alone += self.server.json("POST", "/classify?logits", other)["logits"]
        self.assertEqual(many["outputs"][0]["data"], alone)

    def test_compressed_bodies(self):
        body, own = server.infer_body({"inputs": [self.image()]}, server.packed(self.picture))
        plain = self.server.ask("POST", "/v2/models/m/infer", body, own)[2]
        for coding, packer in (("gzip", gzip.compress), ("deflate", zlib.compress)):
            got = self.server.ask("POST", "/v2/models/m/infer", packer(body), {**own, "Content-Encoding": coding})
            self.assertEqual(got[2], plain)
            status, headers, text = self.server.ask("GET", "/metrics", headers={"Accept-Encoding": coding})
            self.assertEqual((status, headers["content-encoding"]), (200, coding))
            unpacked = gzip.decompress(text) if coding == "gzip" else zlib.decompress(text)
            self.assertIn(b"nv_inference_count", unpacked)
        for bad, why in ((b"no gzip", "broken"), (gzip.compress(body)[:-9], "cut short"),
                         (gzip.compress(body) + b"x", "follow")):
            status, _, answer = self.server.ask("POST", "/v2/models/m/infer", bad, {**own, "Content-Encoding": "gzip"})
            self.assertEqual(status, 400)
            self.assertIn(why, answer.decode())
        bomb = gzip.compress(bytes(200_000_000))
        self.assertEqual(self.server.ask("POST", "/v2/models/m/infer", bomb, {"Content-Encoding": "gzip"})[0], 413)

    def test_errors_name_their_place(self):
        cases = [
            ({"inputs": []}, b"", "inputs: 0 are given"),
            ({"inputs": [self.image(name="imge")]}, server.packed(self.picture), "no such input"),
            ({"inputs": [self.image()], "outputs": [{"name": "x"}]}, server.packed(self.picture), "no such output"),
            ({"inputs": [self.image(shape=[])]}, server.packed(self.picture), "[] has 0 dimensions, not 1"),
            ({"inputs": [self.image(shape=[2])]}, server.packed(self.picture), "image: 1 values"),
            ({"inputs": [self.image()]}, server.packed(b"x" * len(self.picture)), "image[0]"),
            ({"inputs": [self.image()]}, b"\xff\xff\xff\xff" + self.picture, "element 0 is cut short"),
            ({"inputs": [self.image()]}, server.packed(self.picture) + b"1", "belong to no input"),
            ({"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3, 32, 32], "data": [1, 2]}]}, b"",
             "2 values, but the shape"),
            ({"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3, 32, 31], "data": [1, 2]}]}, b"",
             "[1,3,32,31] is not [N,3,32,32]"),
            ({"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 3, 32, 32], "data": [1]}]}, b"", "FP32"),
            ({"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 4, 2, 2], "data": [0] * 16}]}, b"",
             "[1,4,2,2] is not"),
            ({"inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 3, 2, 2], "data": [0]}]}, b"", "input: -1"),
            ({"inputs": [{"name": "input", "datatype": "FP32", "shape": [1.5, 3, 2, 2], "data": [0]}]}, b"",
             "whole number"),
            ({"inputs": [{"name": "pixels", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 2, 256]}]}, b"",
             "256 is not 0 to 255"),
        ]
        for document, raw, text in cases:
            with self.subTest(text):
                status = 413 if "input: -1" in text or "inputs: 0" in text else 400
                status = 400 if "inputs: 0" in text else status
                answer, _ = self.infer(document, raw, status=status)
                self.assertIn(text, answer["error"])
        deep = b'{"inputs":' + b"[" * 40 + b"]" * 40 + b"}"
        for body, status, text in ((b"{", 400, "no JSON at byte"), (deep, 413, "deeper than 32"), (b"", 400, "no JSON"),
                                   (b'{"inputs":[{"shape":[1],"data":[1e999]}]}', 400, "no JSON")):
            got, _, answer = self.server.ask("POST", "/v2/models/m/infer", body)
            self.assertEqual((got, text in answer.decode()), (status, True), answer)
        for method, path, status in (("GET", "/v2/models/none", 404), ("GET", "/v2/models/m/versions/2", 404),
                                     ("POST", "/v2/models/none/infer", 404), ("GET", "/v2/models/m/infer", 405),
                                     ("GET", "/nothing", 404), ("DELETE", "/v2", 405), ("GET", "/classify", 405),
                                     ("POST", "/classify", 400), ("POST", "/classify?top=0", 400),
                                     ("POST", "/classify?top=%zz", 400), ("POST", "/classify?model=x", 404),
                                     ("POST", "/v2/repository/models/m/unload", 404)):
            got, _, answer = self.server.ask(method, path, b"" if method == "POST" else None)
            self.assertEqual(got, status, (path, answer))
            self.assertIn("error", json.loads(answer))

    def test_metrics_and_statistics(self):
        before = self.server.metric("nv_inference_request_success")
        self.server.json("POST", "/classify", self.picture)
        self.assertEqual(self.server.metric("nv_inference_request_success"), before + 1)
        _, headers, text = self.server.ask("GET", "/metrics")
        self.assertTrue(headers["content-type"].startswith("text/plain; version=0.0.4"))
        families = {}
        for line in text.decode().splitlines():
            if line.startswith("# TYPE "):
                name, kind = line.split()[2:]
                self.assertNotIn(name, families)
                families[name] = kind
            elif not line.startswith("#"):
                name = re.match(r"[a-z_]+", line).group()
                family = re.sub(r"_(bucket|sum|count)$", "", name) if re.sub(r"_(bucket|sum|count)$", "", name) in families else name
                self.assertIn(family, families)
                float(line.rsplit(" ", 1)[1])
        stats, = self.server.json("GET", "/v2/models/m/stats")["model_stats"]
        self.assertGreater(stats["inference_stats"]["success"]["count"], 0)
        self.assertEqual(self.server.json("GET", "/v2/models/stats")["model_stats"][0]["name"], "m")

    def test_log_is_a_line_a_request(self):
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        _, headers, _ = self.server.ask("POST", "/classify?x=%22%0A", self.picture, {"traceparent": trace})
        self.assertEqual(headers["traceparent"], trace)
        end = time.monotonic() + 10  # the line stands before the answer, but another thread reads it
        while not any(trace in line for line in list(self.server.log)) and time.monotonic() < end:
            time.sleep(0.01)
        lines = [json.loads(line) for line in list(self.server.log) if trace in line]
        self.assertEqual(len(lines), 1)
        self.assertEqual((lines[0]["status"], lines[0]["model"], lines[0]["path"]), (200, "m", "/classify"))

    def test_input_drift(self):
        """A gauge, and one warning where pictures are prepared otherwise than in training."""
        trained = os.path.join(os.environ["RESNET_SOURCE_DIR"], "models", "resnet20-cifar10.safetensors")
        data = os.path.join(os.environ.get("RESNET_TEST_DATA", "/absent"), "data", "cifar10-jpeg.tar.gz")
        if not os.path.exists(data):
            self.skipTest("pictures like those of the training are in RESNET_TEST_DATA")
        shown = []
        with tarfile.open(data) as archive:
            for member in archive:
                if member.name.endswith(".jpg"):
                    shown.append(archive.extractfile(member).read())
                if len(shown) == 6400:
                    break
        wrong = f"{self.folder.name}/wrong.safetensors"
        done = resnet("convert", trained, "-o", wrong, "--mean", "0,0,0", "--std", "0.004,0.004,0.004")
        self.assertEqual(done.returncode, 0, done.stderr)
        with Server(f"right={trained}", f"wrong={wrong}", "--check") as s:
            for body in shown[::100]:
                for name in ("right", "wrong"):
                    s.json("POST", f"/classify?model={name}", body)
            right = s.metric('resnet_input_drift{model="right",version="1"}')
            self.assertGreater(s.metric('resnet_input_drift{model="wrong",version="1"}'), 100 * right)
            s.wait_for("wrong: what comes in is not prepared as in training")
            self.assertFalse(any(line.startswith("resnet: right: what comes in") for line in s.lines))

    def test_wrong_usage(self):
        for arguments, status, text in ((["serve"], 2, "name a model"), (["serve", "absent.pt"], 1, "absent.pt"),
                                        (["serve", self.model, "--tls-cert", "x"], 2, "--tls-key"),
                                        (["serve", self.model, "--admin-port", "1"], 2, "--admin-token-file"),
                                        (["serve", self.model, self.model], 1, "second model"),
                                        (["serve", f"b/ad={self.model}"], 1, "name"),
                                        (["serve", self.path, "--port", "0"], 1, "a.png"),
                                        (["serve", self.model, "--port", str(self.server.port)], 1, "listen")):
            done = resnet(*arguments)
            self.assertEqual(done.returncode, status, (arguments, done.stderr))
            self.assertIn(text, done.stderr.decode())
            self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
