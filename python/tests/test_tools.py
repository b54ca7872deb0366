"""resnet_cpp on sets of pictures, and a model in other forms: answers equal the program's, PyTorch's and ONNX Runtime's.

Run by CTest (package.python_test) with RESNET, the program, and an installed package on the path."""
import importlib.util
import io
import json
import os
import site
import subprocess
import sys
import tempfile
import unittest

import numpy
from PIL import Image

import resnet_cpp

sys.path.insert(0, os.path.join(os.environ["RESNET_SOURCE_DIR"], "tests", "cli"))
import pictures  # noqa: E402

CLASSES = ["cat", "cow", "dog"]


def needs(module):
    return unittest.skipUnless(importlib.util.find_spec(module), f"this Python has no {module}")


class ToolsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.folder = cls.place.name
        cls.path = pictures.small_model(cls.folder, "m.safetensors", CLASSES)
        cls.model = resnet_cpp.load(cls.path, threads=1)
        cls.photos = os.path.join(cls.folder, "photos")
        for index, name in enumerate(CLASSES):
            os.makedirs(os.path.join(cls.photos, name))
            for i in range(4 + index):
                pictures.write(os.path.join(cls.photos, name, f"{i}.png"), pictures.png(40 + i, 44, 7 * i + index))

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def test_evaluates_as_the_program_does(self):
        done = subprocess.run([os.environ["RESNET"], "eval", self.path, self.photos, "--json"], capture_output=True, check=True)
        expected = json.loads(done.stdout)
        result = self.model.evaluate(self.photos)
        self.assertEqual(result.pictures, 15)
        self.assertEqual((result.pictures, result.skipped, result.top1, result.top5),
                         (expected["images"], 0, expected["top1"], expected["top5"]))
        self.assertAlmostEqual(result.loss, expected["loss"], 5)
        self.assertEqual([(c.label, c.pictures) for c in result.classes], [("cat", 4), ("cow", 5), ("dog", 6)])
        self.assertEqual(result.confusion.sum(axis=1).tolist(), [4, 5, 6])
        self.assertEqual(numpy.trace(result.confusion) / 15, result.top1)
        self.assertEqual(result.notes, [])
        self.assertEqual(self.model.evaluate(self.photos, limit=6).pictures, 6)
        self.assertEqual(self.model.evaluate(self.folder, only="photos").pictures, 15)
        self.assertIn("pictures=15", repr(result))
        self.assertIn("cat", result._repr_html_())

    def test_progress_is_told_and_can_end_the_work(self):
        seen = []
        self.model.evaluate(self.photos, batch=4, progress=lambda done, of: seen.append((done, of)))
        self.assertEqual(seen[-1], (15, 15))
        self.assertEqual(sorted(seen), seen)

        def stop(done, of):
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            self.model.evaluate(self.photos, progress=stop)
        with self.assertRaises(KeyboardInterrupt):
            self.model.quantize(self.photos, os.path.join(self.folder, "never.safetensors"), progress=stop)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "never.safetensors")))

    def test_quantizes(self):
        out = os.path.join(self.folder, "int8.safetensors")
        made = self.model.quantize(self.photos, out, min_agreement=0)
        self.assertEqual((made.pictures, made.int8_layers), (15, made.layers))
        self.assertEqual(made.model.precision, "int8")
        self.assertEqual(made.model.labels, CLASSES)
        self.assertIn("15 pictures", repr(made))
        picture = os.path.join(self.photos, "cat", "0.png")
        self.assertEqual(repr(resnet_cpp.load(out).classify(picture)), repr(made.model.classify(picture)))
        with self.assertRaisesRegex(resnet_cpp.Error, "int8"):
            made.model.state_dict()
        with self.assertRaisesRegex(resnet_cpp.Error, "int8"):
            made.model.quantize(self.photos, out)

    @needs("onnxruntime")
    def test_exports_onnx(self):
        import onnxruntime

        out = os.path.join(self.folder, "m.onnx")
        self.assertIsNone(self.model.export_onnx(out))
        batch = self.some_batch()
        answer = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"]).run(None, {"input": batch})[0]
        numpy.testing.assert_allclose(answer, self.model.logits(batch), rtol=1e-4, atol=1e-5)

    @needs("torch")
    def test_becomes_a_module_of_pytorch(self):
        import torch

        batch = self.some_batch()
        for fields in ("", "stem_pool=max_ceil activation=leaky_relu", "stem_pool=max strides=1,1 antialias=blur", "shortcut=average_pool"):
            with self.subTest(fields):
                path = os.path.join(self.folder, "other.safetensors")
                options = []
                for name, value in (field.split("=") for field in fields.split()):
                    options += ["--" + name.replace("_", "-"), value]
                done = pictures.resnet("init", "--block", "bottleneck", "--depths", "1,2", "--widths", "8,16", "--stem", "cifar",
                                       "--classes", 3, *options, "-o", path)
                self.assertEqual(done.returncode, 0, done.stderr)
                model = resnet_cpp.load(path, threads=1)
                module = model.to_torch()
                with torch.no_grad():
                    numpy.testing.assert_allclose(module(torch.from_numpy(batch)).numpy(), model.logits(batch), rtol=1e-4, atol=1e-4)
                self.assertFalse(module.training)
                self.assertEqual(list(module.state_dict()), list(model.state_dict()))

    def test_weights(self):
        weights = self.model.state_dict()
        self.assertEqual(weights["fc.weight"].shape, (3, 16))
        self.assertEqual(weights["fc.weight"].dtype, numpy.float32)
        batch = self.some_batch()
        numpy.testing.assert_allclose(self.model.features(batch) @ weights["fc.weight"].T + weights["fc.bias"],
                                      self.model.logits(batch), rtol=1e-4, atol=1e-5)

    def test_says_what_it_is(self):
        self.assertEqual(repr(self.model), "<resnet_cpp.Classifier resnet, 3 classes, input 3x32x32, fp32>")
        self.assertIn("layer1.0.conv1", self.model.summary())
        self.assertIn("<table>", self.model._repr_html_())
        self.assertEqual(self.model.precision, "fp32")

    def test_pictures_of_pil_and_lists(self):
        path = os.path.join(self.photos, "cow", "1.png")
        picture = Image.open(path)
        numpy.testing.assert_array_equal(self.model.prepare(picture), self.model.prepare(path))
        self.assertEqual(repr(self.model.classify(picture)), repr(self.model.classify(path)))
        palette = picture.convert("P")
        numpy.testing.assert_array_equal(self.model.prepare(palette), self.model.prepare(numpy.asarray(palette.convert("RGB"))))
        turned = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        picture.save(turned, "JPEG", quality=95, exif=exif)
        opened = Image.open(io.BytesIO(turned.getvalue()))
        numpy.testing.assert_allclose(self.model.prepare(opened), self.model.prepare(turned.getvalue()), atol=0.05)
        both = self.model.classify([path, picture], top=2)
        self.assertEqual([len(guesses) for guesses in both], [2, 2])
        self.assertEqual(repr(both[0]), repr(both[1]))
        self.assertEqual(self.model.classify([]), [])
        batch = self.model.prepare([path, picture])
        self.assertEqual(batch.shape, (2, 3, 32, 32))
        numpy.testing.assert_array_equal(batch[1], self.model.prepare(path))
        gray = resnet_cpp.load(pictures.small_model(self.folder, "gray.safetensors", channels=1))
        self.assertEqual(gray.prepare(picture).shape, (1, 32, 32))
        with self.assertRaisesRegex(resnet_cpp.Error, "absent"):
            self.model.classify([path, "/absent.png"])

    def test_an_array_without_a_batch_axis_is_told_the_way_out(self):
        with self.assertRaisesRegex(TypeError, r"add a batch axis: array\[None\]"):
            self.model.logits(self.model.prepare(os.path.join(self.photos, "cat", "0.png")))
        with self.assertRaisesRegex(TypeError, "2 axes; a batch has 4"):
            self.model.features(numpy.zeros((3, 3), numpy.float32))

    def test_errors(self):
        for call in (lambda: self.model.evaluate("/absent"), lambda: self.model.evaluate(self.path),
                     lambda: self.model.evaluate(self.photos, only="absent"), lambda: self.model.evaluate(self.photos, limit=0),
                     lambda: self.model.quantize(self.photos, os.path.join(self.folder, "m.onnx")),
                     lambda: self.model.quantize(self.photos, "/absent/m.safetensors"),
                     lambda: self.model.export_onnx("/absent/m.onnx"), lambda: self.model.evaluate(self.photos, batch=0)):
            with self.assertRaises(resnet_cpp.Error) as raised:
                call()
            self.assertNotEqual(raised.exception.code, "internal", raised.exception)

    @needs("mypy")
    def test_stubs_fit_how_the_package_is_used(self):
        program = os.path.join(self.folder, "use.py")
        with open(program, "w") as file:
            file.write("import resnet_cpp\n"
                       "model = resnet_cpp.load('m.safetensors', threads=1)\n"
                       "label: str = model.classify('a.jpg')[0].label\n"
                       "many: list[list[resnet_cpp.Guess]] = model.classify(['a.jpg', b''])\n"
                       "share: float = model.evaluate('photos', limit=3).top1\n"
                       "other: resnet_cpp.Classifier = model.quantize('photos', 'int8.safetensors').model\n"
                       "model.export_onnx('m.onnx')\n"
                       "try:\n    pass\nexcept resnet_cpp.Error as error:\n    code: str = error.code\n")

        place = os.path.dirname(os.path.dirname(resnet_cpp.__file__))
        path = {} if place in site.getsitepackages() else {"MYPYPATH": place}

        def check():
            return subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.path.join(self.folder, "mypy"), program],
                                  capture_output=True, text=True, check=False, cwd=self.folder,
                                  env={**os.environ, **path})

        done = check()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(program, "a") as file:
            file.write("wrong: int = model.classify('a.jpg')[0].label\n")
        self.assertEqual(check().returncode, 1)

    @staticmethod
    def some_batch():
        return numpy.random.default_rng(5).standard_normal((2, 3, 32, 32), dtype=numpy.float32)


if __name__ == "__main__":
    unittest.main()
