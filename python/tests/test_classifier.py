"""resnet_cpp: answers equal the program's, whatever way a picture comes; arrays; errors; threads.

Run by CTest (package.python_test) with RESNET, the program, and an installed package on the path."""
import array
import ast
import json
import mmap
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy
from PIL import Image

import resnet_cpp

sys.path.insert(0, os.path.join(os.environ["RESNET_SOURCE_DIR"], "tests", "cli"))
import pictures  # noqa: E402


class ClassifierTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pictures.small_model(cls.folder.name, "m.safetensors", ["cat", "dog", "häuser"])
        cls.model = resnet_cpp.Classifier.load(cls.path, threads=1)
        cls.picture = pictures.write(f"{cls.folder.name}/p.png", pictures.png(47, 40, 1))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_says_what_it_is(self):
        self.assertEqual(self.model.labels, ["cat", "dog", "häuser"])
        self.assertEqual(self.model.input_shape, (3, 32, 32))
        self.assertEqual(self.model.feature_count, 16)
        self.assertEqual(self.model.architecture, "resnet")
        self.assertRegex(resnet_cpp.__version__, r"^\d+\.\d+\.\d+$")

    def test_what_a_file_does_not_say_is_assumed_aloud_and_can_be_told(self):
        self.assertEqual(self.model.notes, [])
        path = f"{self.folder.name}/state_dict.pth"
        subprocess.run([os.environ["RESNET"], "convert", self.path, path], check=True, capture_output=True)
        plain = resnet_cpp.Classifier.load(path, threads=1)
        self.assertIn("stem_pool=none", plain.notes[0])
        self.assertIn("preprocessing", plain.notes[1])
        pooled = resnet_cpp.Classifier.load(path, threads=1, fields="stem_pool=max")
        self.assertNotIn("stem_pool", pooled.notes[0])
        batch = numpy.random.default_rng(0).standard_normal((1, 3, 32, 32), dtype=numpy.float32)
        self.assertFalse(numpy.allclose(plain.logits(batch), pooled.logits(batch)))
        backbone = resnet_cpp.Classifier.load(path, threads=1, head="none")
        self.assertEqual(backbone.labels, [])
        with self.assertRaises(resnet_cpp.Error) as raised:
            resnet_cpp.Classifier.load(path, take="ema")
        self.assertEqual(raised.exception.code, "not_found")
        with self.assertRaisesRegex(resnet_cpp.Error, "near it are stem_pool"):
            resnet_cpp.Classifier.load(path, fields="stem_pol=max")

    def test_classifies_what_the_program_classifies(self):
        done = subprocess.run([os.environ["RESNET"], "predict", self.path, self.picture, "--json", "--logits"],
                              capture_output=True, check=True)
        answer = json.loads(done.stdout)
        guesses = self.model.classify(self.picture)
        self.assertEqual([(g.index, g.label) for g in guesses], [(t["index"], t["class"]) for t in answer["top"]])
        for guess, expected in zip(guesses, answer["top"]):
            self.assertAlmostEqual(guess.probability, expected["probability"], 5)
        self.assertEqual(len(self.model.classify(self.picture, top=1)), 1)
        logits = self.model.logits(self.model.prepare(self.picture)[None])
        numpy.testing.assert_allclose(logits[0], answer["logits"], rtol=1e-4, atol=1e-5)

    def test_a_path_its_bytes_and_its_pixels_give_the_same(self):
        expected = self.model.prepare(self.picture)
        self.assertEqual((expected.shape, expected.dtype), ((3, 32, 32), numpy.float32))
        with open(self.picture, "rb") as file:
            encoded = file.read()
        pixels = numpy.asarray(Image.open(self.picture).convert("RGB"))
        for source in (pathlib.Path(self.picture), encoded, pixels, pixels.copy()):
            numpy.testing.assert_array_equal(self.model.prepare(source), expected)
        self.assertEqual(repr(self.model.classify(encoded)), repr(self.model.classify(self.picture)))

    def test_takes_any_buffer_as_a_file_or_as_pixels(self):
        expected = self.model.prepare(self.picture)
        encoded = pathlib.Path(self.picture).read_bytes()
        pixels = numpy.asarray(Image.open(self.picture).convert("RGB"))
        twice = bytes(byte for byte in encoded for _ in range(2))
        with open(self.picture, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            for source in (bytearray(encoded), memoryview(encoded), memoryview(bytearray(encoded)), array.array("B", encoded),
                           memoryview(encoded + b"more")[:-4], memoryview(twice)[::2], mapped, memoryview(pixels),
                           memoryview(pixels.tobytes()).cast("B", pixels.shape)):
                numpy.testing.assert_array_equal(self.model.prepare(source), expected, str(type(source)))
                self.assertEqual(repr(self.model.classify(source)), repr(self.model.classify(self.picture)))
        batch = numpy.random.default_rng(3).standard_normal((2, 3, 32, 32), dtype=numpy.float32)
        numpy.testing.assert_array_equal(self.model.logits(memoryview(batch)), self.model.logits(batch))
        self.fails("format", "picture", lambda: self.model.classify(bytearray(b"no picture")))
        self.fails("format", "empty", lambda: self.model.classify(memoryview(b"")))
        self.assertRaises(TypeError, self.model.classify, array.array("f", [1, 2]))

    def test_no_words_of_the_inside_reach_anybody(self):
        class Odd:
            def __init__(self, path):
                self.path = path

            def __fspath__(self):
                return self.path

        calls = [lambda odd=odd: self.model.classify(odd)
                 for odd in (Odd(3), Odd(None), Odd(b"/absent"), Odd("/a\0b"), "/a\0b", "\udcff", "\ud800", pathlib.Path, Odd, object(),
                             memoryview(numpy.zeros((2, 2, 2, 2), numpy.uint8)), numpy.zeros((2, 2), numpy.complex64),
                             numpy.array(["x"]), numpy.array(3, numpy.uint8), 2**70, float("nan"), {}, self.model)]
        calls += [lambda odd=odd: self.model.logits(odd) for odd in (None, "x", b"x", [[[[1.0]]]], numpy.zeros((1, 3, 0, 0)),
                                                                     numpy.zeros((1, 3, 8, 8), complex), bytearray(8))]
        calls += [lambda odd=odd: self.model.classify(self.picture, top=odd) for odd in (-1, 0, 2**40, "x", None, 1.5)]
        calls += [lambda odd=odd: self.model.heatmap(self.picture, index=odd) for odd in (-2, 2**31 - 1, 2**40, "x")]
        calls += [lambda odd=odd: resnet_cpp.Classifier.load(odd)
                  for odd in ("/a\0b", Odd(3), self.picture, self.folder.name, "x" * 5000, "/dev/null", "/proc/self/mem", b"x", None)]
        calls += [lambda odd=odd: resnet_cpp.Classifier.load(self.path, **odd)
                  for odd in ({"threads": 2**40}, {"threads": 1025}, {"architecture": "\udcff"}, {"preset": ""}, {"precision": "x\0y"})]
        for call in calls:
            with self.assertRaises((resnet_cpp.Error, TypeError, ValueError, OSError, MemoryError)) as raised:
                call()
            text = str(raised.exception)
            self.assertNotEqual(getattr(raised.exception, "code", ""), "internal", text)
            self.assertNotRegex(text, r"std::|bad_cast|bad_alloc|_M_|::at|basic_string|nlohmann|json\.exception|terminate")

    def test_takes_pixels_however_they_lie(self):
        pixels = numpy.asarray(Image.open(self.picture).convert("RGB"))
        flipped = pixels[::-1, ::-1]
        numpy.testing.assert_array_equal(self.model.prepare(flipped), self.model.prepare(flipped.copy()))
        channels_first = numpy.ascontiguousarray(pixels.transpose(2, 0, 1))
        numpy.testing.assert_array_equal(self.model.prepare(channels_first.transpose(1, 2, 0)),
                                         self.model.prepare(pixels))
        gray = resnet_cpp.Classifier.load(pictures.small_model(self.folder.name, "gray.safetensors", channels=1))
        numpy.testing.assert_array_equal(gray.prepare(pixels[:, :, 0]), gray.prepare(pixels[:, :, :1]))

    def test_batches(self):
        batch = numpy.random.default_rng(1).standard_normal((5, 3, 32, 32), dtype=numpy.float32)
        logits = self.model.logits(batch)
        self.assertEqual((logits.shape, logits.dtype), ((5, 3), numpy.float32))
        for one, row in zip(batch, logits):
            numpy.testing.assert_allclose(self.model.logits(one[None])[0], row, rtol=1e-4, atol=1e-5)
        numpy.testing.assert_array_equal(self.model.logits(batch.astype(numpy.float64)), logits)
        numpy.testing.assert_array_equal(self.model.logits(batch[::-1])[::-1], self.model.logits(batch[::-1].copy())[::-1])
        self.assertEqual(self.model.logits(batch[:, :, :20, :24].copy()).shape, (5, 3))
        self.assertEqual(self.model.logits(batch[:0]).shape, (0, 3))

    def test_features_are_what_the_last_layer_classifies(self):
        batch = numpy.random.default_rng(2).standard_normal((4, 3, 32, 32), dtype=numpy.float32)
        features = self.model.features(batch)
        self.assertEqual((features.shape, features.dtype), ((4, self.model.feature_count), numpy.float32))
        weights = safetensors(self.path)
        numpy.testing.assert_allclose(features @ weights["fc.weight"].T + weights["fc.bias"], self.model.logits(batch),
                                      rtol=1e-4, atol=1e-5)

    def test_heatmaps(self):
        best = self.model.classify(self.picture)[0].index
        heatmap = self.model.heatmap(self.picture)
        self.assertEqual((heatmap.shape, heatmap.dtype), ((16, 16), numpy.float32))
        self.assertGreaterEqual(heatmap.min(), 0)
        numpy.testing.assert_array_equal(self.model.heatmap(self.picture, index=best), heatmap)
        maps = [self.model.heatmap(self.picture, index=i) for i in range(3)]
        self.assertFalse(all(numpy.array_equal(maps[0], other) for other in maps[1:]))
        self.fails("invalid_argument", "3", lambda: self.model.heatmap(self.picture, index=3))

    def fails(self, code, text, call):
        with self.assertRaises(resnet_cpp.Error) as raised:
            call()
        self.assertEqual(raised.exception.code, code, raised.exception)
        self.assertIn(text, str(raised.exception))

    def test_weights_and_answers_that_are_not_finite(self):
        def changed(value):
            path = pathlib.Path(self.folder.name, "odd.safetensors")
            data = pathlib.Path(self.path).read_bytes()
            size = int.from_bytes(data[:8], "little")
            begin, end = json.loads(data[8:8 + size])["fc.weight"]["data_offsets"]
            values = numpy.full((end - begin) // 4, value, "<f4").tobytes()
            path.write_bytes(data[:8 + size + begin] + values + data[8 + size + end:])
            return path

        load = resnet_cpp.Classifier.load
        nan = changed(numpy.nan)
        self.fails("unsupported", "fc.weight (48 of 48)", lambda: load(nan))
        model = load(nan, allow_nonfinite=True)
        self.assertEqual(len(model.classify(self.picture)), 3)
        wild = load(changed(3e38))
        self.fails("unsupported", "answer has no meaning", lambda: wild.classify(self.picture))
        self.assertFalse(numpy.isfinite(wild.logits(wild.prepare(self.picture)[None])).all())  # as they are

    def test_errors(self):
        load = resnet_cpp.Classifier.load
        self.fails("not_found", "/absent.safetensors", lambda: load("/absent.safetensors"))
        self.fails("not_found", "resnet50", lambda: load(self.path, architecture="resnet5"))
        self.fails("mismatch", "layer1", lambda: load(self.path, architecture="resnet50"))
        self.fails("invalid_argument", "preset", lambda: load(self.path, preset="imagenet"))
        self.fails("invalid_argument", "fp33", lambda: load(self.path, precision="fp33"))
        self.fails("invalid_argument", "threads", lambda: load(self.path, threads=-1))
        self.fails("not_found", "/absent.jpg", lambda: self.model.classify("/absent.jpg"))
        self.fails("format", "picture", lambda: self.model.classify(b"no picture"))
        self.fails("invalid_argument", "top", lambda: self.model.classify(self.picture, top=0))
        self.fails("mismatch", "channels", lambda: self.model.classify(numpy.zeros((32, 32, 4), numpy.uint8)))
        self.fails("mismatch", "0x0", lambda: self.model.classify(numpy.zeros((0, 0, 3), numpy.uint8)))
        self.fails("mismatch", "channels", lambda: self.model.logits(numpy.zeros((1, 1, 32, 32), numpy.float32)))
        for wrong in (3, None, [1, 2], numpy.zeros((32, 32, 3), numpy.float32)):
            self.assertRaises(TypeError, self.model.classify, wrong)
        self.assertRaises(ValueError, self.model.classify, numpy.zeros(9, numpy.uint8))
        self.assertRaises(TypeError, self.model.logits, numpy.zeros((3, 32, 32), numpy.float32))

    def test_models_and_pictures_that_change(self):
        """What was loaded stays, or an error names the file; the process lives."""
        model = f"{self.folder.name}/large.safetensors"
        done = pictures.resnet("init", "--block", "basic", "--depths", "1,1", "--widths", "64,320", "--stem", "cifar",
                               "--classes", 3, "-o", model)
        self.assertEqual(done.returncode, 0, done.stderr)
        batch = numpy.zeros((6, 3, 32, 32), numpy.float32)
        cold, warm = (resnet_cpp.Classifier.load(model, preset="cifar") for _ in range(2))
        expected = warm.logits(batch)
        os.truncate(model, 1000)
        numpy.testing.assert_array_equal(warm.logits(batch), expected)
        self.fails("io", model, lambda: cold.logits(batch))
        picture = pictures.write(f"{self.folder.name}/large.png", pictures.png(2000, 1500))
        for delay in (0.001, 0.01, 0.03):
            pictures.write(picture, pictures.png(2000, 1500))
            timer = threading.Timer(delay, lambda: os.truncate(picture, 1000))
            timer.start()
            try:
                self.model.classify(picture)
            except resnet_cpp.Error as error:
                self.assertIn(picture, str(error))
            timer.join()

    def test_other_threads_run_meanwhile(self):
        """While one thread computes, Python code runs in another: the GIL is not held."""
        batch = numpy.zeros((64, 3, 192, 192), numpy.float32)
        worker = threading.Thread(target=lambda: self.model.logits(batch))
        ticks = 0
        worker.start()
        while worker.is_alive():
            time.sleep(0.001)
            ticks += 1
        worker.join()
        self.assertGreater(ticks, 10)

    def test_calls_from_many_threads_agree(self):
        sources = [pictures.png(40 + i, 50, i) for i in range(8)]
        expected = [repr(self.model.classify(source)) for source in sources]
        wrong = []

        def work():
            for _ in range(5):
                for source, answer in zip(sources, expected):
                    if repr(self.model.classify(source)) != answer:
                        wrong.append(source)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_type_stubs_come_with_the_package(self):
        folder = pathlib.Path(resnet_cpp.__file__).parent
        self.assertTrue((folder / "py.typed").exists())
        stub = ast.parse((folder / "_native.pyi").read_text())
        classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
        methods = {node.name: node for node in classes["Classifier"].body if isinstance(node, ast.FunctionDef)}
        for name in dir(resnet_cpp.Classifier):
            if not name.startswith("_"):
                self.assertIn(name, methods)
                self.assertIsNotNone(methods[name].returns, name)
        self.assertIn("Guess", classes)
        package = ast.parse((folder / "__init__.pyi").read_text())
        named = {node.name for node in package.body if isinstance(node, ast.ClassDef)}
        named |= {alias.asname for node in package.body if isinstance(node, ast.ImportFrom) for alias in node.names}
        named |= {node.targets[0].id for node in package.body if isinstance(node, ast.Assign)} - {"__all__"}
        named |= {node.target.id for node in package.body if isinstance(node, ast.AnnAssign)}
        self.assertEqual(named, set(resnet_cpp.__all__))


def safetensors(path):
    """The float32 tensors of a file by name."""
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    return {name: numpy.frombuffer(data[8 + size:][slice(*entry["data_offsets"])], numpy.float32).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__" and entry["dtype"] == "F32"}


if __name__ == "__main__":
    unittest.main()
