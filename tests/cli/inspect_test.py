"""resnet inspect on files that hold more than tensors: what it lists, and that nothing in them is executed."""
import json
import os
import subprocess
import tempfile
import unittest

import pictures

RESNET = os.environ["RESNET"]
FORMS = os.path.join(os.environ["RESNET_SOURCE_DIR"], "tests", "golden", "weights", "forms")


class Inspect(unittest.TestCase):
    def run_on(self, path, *flags):
        done = subprocess.run([RESNET, "inspect", path, *flags], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_file_of_everything(self):
        path = os.path.join(FORMS, "everything.pth")
        text = self.run_on(path)
        for line in ("format        torch-zip\n", "container     nested.0.0.weights: dict, 6 tensors\n", "value         best: 0.5\n",
                     "not read      when: datetime.date\n",
                     "not read      odd: torch.Tensor: its values are of the type torch.ComplexFloatStorage, which is not read\n"):
            self.assertIn(line, text)
        found = json.loads(self.run_on(path, "--json"))
        self.assertEqual(found["values"]["7"], {"a": [1, 2]})
        self.assertEqual(found["containers"][0], {"path": "nested.0.0.weights", "type": "dict", "tensors": 6})
        self.assertIn({"path": "optimizer", "type": "torch.optim.sgd.SGD", "why": None}, found["opaque"])
        self.assertIsNone(found["architecture"])

    def test_modules_and_scripts(self):
        for name, kind in (("module.pth", "torch.nn.modules.batchnorm.BatchNorm2d"),
                           ("traced.pt", "__torch__.torch.nn.modules.batchnorm.___torch_mangle_1.BatchNorm2d")):
            found = json.loads(self.run_on(os.path.join(FORMS, name), "--json"))
            self.assertEqual(found["values"]["bn.__class__"], kind)
            self.assertEqual([tensor["name"] for tensor in found["tensors"]][:2], ["conv.weight", "bn.weight"])
        self.assertIn("value         and ", self.run_on(os.path.join(FORMS, "module.pth")))

    def test_every_form(self):
        for name in sorted(os.listdir(FORMS)):
            if name == "README.md":
                continue
            found = json.loads(self.run_on(os.path.join(FORMS, name), "--json"))
            self.assertGreaterEqual(found["tensor_count"], 6, name)
            self.assertTrue(all(len(line) < 500 for line in self.run_on(os.path.join(FORMS, name)).splitlines()), name)

    def test_nothing_is_executed(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, program in (("a.pkl", b"cos\nsystem\n(X\x12\0\0\0touch %s/executedtR." % b"."),
                                  ("b.pkl", b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0etouch executed\x85R."),
                                  ("c.pkl", b"(dp0\nVa\n(S'touch executed'\nios\nsystem\ns.")):
                path = pictures.write(os.path.join(folder, name), program)
                subprocess.run([RESNET, "inspect", path], capture_output=True, cwd=folder)
            self.assertEqual(sorted(os.listdir(folder)), ["a.pkl", "b.pkl", "c.pkl"])

    def test_what_is_no_model(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, data, words in (("m.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
                                      ("m.pth", b"<!DOCTYPE html><html>", "an HTML page"), ("m.pth", b"", "is empty"),
                                      ("m.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file"), ("m.onnx", b"\x08\x07", "an ONNX model")):
                path = pictures.write(os.path.join(folder, name), data)
                done = subprocess.run([RESNET, "inspect", path], capture_output=True, text=True)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertLess(len(done.stderr), 500)


if __name__ == "__main__":
    unittest.main()
