"""resnet quantize and --precision: the int8 file, what runs it, what is refused."""
import json
import os
import tarfile
import tempfile
import unittest

import pictures
from pictures import resnet

NAMES = ["dog", "cat", "cow"]


class QuantizeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = root = cls.temporary.name
        cls.model = pictures.small_model(root, "m.safetensors", NAMES)
        for i in range(24):
            pictures.write(f"{root}/data/train/{NAMES[i % 3]}/{i:02}.png", pictures.png(36, 44, i))
        cls.int8 = f"{root}/int8.safetensors"
        done = resnet("quantize", cls.model, f"{root}/data", "-o", cls.int8, "--json", "--min-agreement", 0)
        assert done.returncode == 0, done.stderr
        cls.report = json.loads(done.stdout)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def ok(self, *arguments):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def fails(self, status, text, *arguments):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr.decode())
        self.assertEqual(done.stderr.count(b"\n"), 1)

    def logits(self, model, *options):
        lines = self.ok("predict", model, "--json", "--logits", *options, f"{self.root}/data").splitlines()
        return [json.loads(line)["logits"] for line in lines]

    def test_report(self):
        report = self.report
        self.assertEqual(report["images"], 24)
        self.assertGreaterEqual(report["agreement"], 0.8)
        self.assertEqual([layer["name"] for layer in report["layers"]],
                         ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv1", "layer2.0.downsample.0",
                          "layer2.0.conv2", "fc"])
        for layer in report["layers"]:
            self.assertEqual(layer["precision"], "int8")
            self.assertGreater(layer["output_sqnr_db"], 15, layer)
            self.assertGreater(layer["weight_sqnr_db"], 30, layer)
        self.assertEqual(report["layers"][-1]["method"], "")
        self.assertLess(report["layers"][4]["low"], 0)  # a projection gives negative values too

    def test_export_keeps_the_numbers(self):
        fp32, int8 = f"{self.root}/fp32.onnx", f"{self.root}/int8.onnx"
        self.assertIn("int8.onnx: resnet, int8, opset 13,", self.ok("export", self.int8, int8, "--int8"))
        described = json.loads(self.ok("export", self.int8, int8, "--int8", "--json"))
        self.assertEqual(described["precision"], "int8")
        self.assertEqual(described["size_bytes"], os.path.getsize(int8))
        self.assertIn("int8, opset", self.ok("export", self.int8, int8))
        self.assertIn("fp32, opset", self.ok("export", self.int8, fp32, "--fp32"))
        self.assertLess(os.path.getsize(int8), os.path.getsize(fp32))
        self.fails(1, "the weights are not int8", "export", self.model, int8, "--int8")

    def test_the_file_is_an_ordinary_one(self):
        inspected = json.loads(self.ok("inspect", self.int8, "--json"))
        tensors = {tensor["name"]: tensor for tensor in inspected["tensors"]}
        self.assertIsNone(inspected["problem"])
        self.assertEqual(tensors["layer1.0.conv1.weight"]["dtype"], "I8")
        self.assertEqual(tensors["layer1.0.conv1.weight_scale"]["shape"], [8])
        self.assertEqual(tensors["input.output_zero_point"]["dtype"], "U8")
        self.ok("summary", self.int8)
        copy = f"{self.root}/copy.safetensors"
        self.ok("convert", self.int8, copy)
        self.assertEqual(self.logits(copy), self.logits(self.int8))

    def test_precisions(self):
        exact, int8 = self.logits(self.model), self.logits(self.int8)
        rounded = self.logits(self.int8, "--precision", "fp32")
        self.assertEqual(self.logits(self.int8, "--precision", "int8"), int8)
        self.assertEqual(self.logits(self.int8, "--precision", "auto"), int8)
        self.assertNotEqual(rounded, int8)
        scale = max(abs(value) for row in exact for value in row)
        for other, limit in ((int8, 0.2), (rounded, 0.1)):
            worst = max(abs(a - b) for row, other_row in zip(exact, other) for a, b in zip(row, other_row))
            self.assertLess(worst / scale, limit)
        evaluation = json.loads(self.ok("eval", self.int8, f"{self.root}/data/train", "--json"))
        self.assertEqual(evaluation["images"], 24)

    def test_bench(self):
        for arguments in ([self.int8], ["resnet20", "--precision", "int8", "--size", 16]):
            report = json.loads(self.ok("bench", *arguments, "--batch", 1, "--threads", 1, "--profile", "--json"))
            self.assertEqual(report["runs"][0]["precision"], "int8")
            layers = report["runs"][0]["layers"]
            self.assertTrue(all("int8" in layer["algorithm"] for layer in layers if layer["macs"]), layers)

    def test_layers_stay_until_the_answers_do(self):
        done = json.loads(self.ok("quantize", self.model, f"{self.root}/data/train", "-o", f"{self.root}/strict.safetensors",
                                  "--json", "--min-agreement", 1))
        self.assertEqual(done["agreement"], 1)
        plain = self.ok("quantize", self.model, f"{self.root}/data", "--only", "train", "--limit", 9, "-o",
                        f"{self.root}/plain.safetensors", "--verbose")
        self.assertIn("of 9 pictures", plain)
        self.assertIn("layer2.0.downsample.0", plain)

    def test_archives_are_calibrated_on(self):
        archive = f"{self.root}/data.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(f"{self.root}/data/train", "train")
        done = self.ok("quantize", self.model, archive, "--only", "train", "-o", f"{self.root}/tar.safetensors", "--json",
                       "--min-agreement", 0)
        self.assertEqual(json.loads(done)["images"], 24)

    def test_back_to_floating_point(self):
        self.ok("convert", self.int8, f"{self.root}/back.pth")
        same = self.logits(self.int8, "--precision", "fp32")
        back = self.logits(f"{self.root}/back.pth", "--size", 32, "--resize", 32, "--interpolation", "bilinear", "--mean",
                           "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")
        for row, other in zip(same, back):
            for a, b in zip(row, other):
                self.assertAlmostEqual(a, b, places=4)

    def test_refusals(self):
        self.fails(1, "'resnet quantize' makes a model", "predict", self.model, "--precision", "int8",
                   f"{self.root}/data/train/dog/00.png")
        self.fails(1, "int8 already", "quantize", self.int8, f"{self.root}/data", "-o", f"{self.root}/x.safetensors")
        self.fails(2, ".safetensors", "quantize", self.model, f"{self.root}/data", "-o", f"{self.root}/x.pth")
        self.fails(2, "fp16", "predict", self.model, "--precision", "fp16", f"{self.root}/data")
        self.fails(1, "no such", "quantize", self.model, f"{self.root}/nowhere", "-o", f"{self.root}/x.safetensors")
        self.assertFalse(os.path.exists(f"{self.root}/x.safetensors"))
        os.environ["RESNET_ISA"] = "avx2"
        try:
            done = resnet("predict", self.model, "--precision", "bf16", f"{self.root}/data/train/dog/00.png")
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"AVX-512 BF16", done.stderr)
        finally:
            del os.environ["RESNET_ISA"]


if __name__ == "__main__":
    unittest.main()
