"""Errors end in the way out: what people get wrong at first is told with what to say instead."""
import json
import os
import tempfile
import unittest

import pictures
from pictures import resnet

SHIPPED = os.path.join(os.environ["RESNET_SOURCE_DIR"], "models", "resnet20-cifar10.safetensors")
NAMES = ["cat", "dog", "ship"]


class WaysOutTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = root = cls.temporary.name
        cls.bare = pictures.small_model(root, "bare.safetensors")
        cls.model = pictures.small_model(root, "m.safetensors", NAMES)
        cls.jpeg = pictures.write(f"{root}/p.jpg", pictures.flat_jpeg(50, 40))
        for part in ("train", "val"):
            for name in NAMES:
                pictures.write(f"{root}/set/{part}/{name}/1.png", pictures.png(32, 32))
                pictures.write(f"{root}/odd/{part}/{name}/1.png", pictures.png(32, 32))
        pictures.write(f"{root}/odd/more/1.png", pictures.png(32, 32))
        cls.png = pictures.write(f"{root}/32.png", pictures.png(32, 32))

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def fails(self, text, *arguments, status=1):
        done = resnet(*arguments, cwd=self.root)
        self.assertEqual(done.returncode, status, done.stderr)
        last = done.stderr.decode().splitlines()[-1]
        self.assertIn(text, last)
        return last

    def test_a_picture_of_another_size(self):
        self.fails("50x40 pixels, but 32x32 are expected and nothing is resized; --resize 32 would", "predict", self.bare,
                   self.jpeg, "--preset", "cifar")
        done = resnet("predict", self.bare, self.jpeg, "--preset", "cifar", "--resize", "32")
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_onnx_is_exported(self):
        self.fails("ONNX is written by `resnet export m.safetensors -o x.onnx`", "convert", "m.safetensors", "x.onnx")
        onnx = pictures.write(f"{self.root}/given.onnx", b"\x08\x07\x12\x07pytorch" + bytes(20))
        self.fails("`resnet export` writes ONNX", "convert", onnx, "-o", "x.safetensors")

    def test_a_name_has_no_weights(self):
        for command in (["predict", "resnet18", self.png], ["eval", "resnet18", "set"], ["export", "resnet18", "-o", "x.onnx"],
                        ["compare", "resnet18", "resnet50", "set"], ["explain", "resnet18", self.png],
                        ["check", "resnet18"], ["quantize", "resnet18", "set", "-o", "x.safetensors"]):
            said = self.fails("resnet18: is the name of a network, not a file of weights", *command)
            self.assertIn("resnet init resnet18 -o resnet18.safetensors", said)

    def test_parts_of_a_set(self):
        for model in (self.model, self.bare):
            self.fails("its folders train and val are parts of a set, not classes: --only val takes one", "eval", model, "odd")
        for command in (["eval", self.model, "set"], ["quantize", self.model, "set", "-o", f"{self.root}/q.safetensors"]):
            done = resnet(*command, cwd=self.root)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("set consists of train and val", done.stderr.decode())
            self.assertIn("--only val takes one", done.stderr.decode())

    def test_a_picture_or_a_model_is_no_data(self):
        for command in (["eval", self.model, self.jpeg], ["compare", self.model, self.model, self.jpeg],
                        ["quantize", self.model, self.jpeg, "-o", f"{self.root}/q.safetensors"]):
            self.fails("p.jpg: is a single JPEG picture: data are a folder of folders", *command)
        self.fails("32.png: is a single PNG picture", "eval", self.model, self.png)
        self.fails("is a model, not pictures: the model comes first", "eval", self.root, self.model)

    def test_class_names_as_they_come(self):
        listed = ",".join(NAMES)
        file = pictures.write(f"{self.root}/names.txt", "\n".join(NAMES).encode())
        expected = resnet("predict", self.model, self.png, "--json").stdout
        for given in (listed, file, "cat, dog ,ship"):
            done = resnet("predict", self.bare, self.png, "--json", "--classes", given, "--preset", "cifar")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual([guess["class"] for guess in json.loads(done.stdout)["top"]],
                             [guess["class"] for guess in json.loads(expected)["top"]])
        done = resnet("convert", self.bare, "-o", f"{self.root}/named.safetensors", "--classes", listed)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"dog", resnet("predict", f"{self.root}/named.safetensors", self.png, "--preset", "cifar").stdout)
        self.fails("2 class names, but the model has 3 classes", "predict", self.bare, self.png, "--classes", "a,b")
        self.fails("absent.txt: cannot open: No such file", "predict", self.bare, self.png, "--classes", "absent.txt")

    def test_options_of_other_programs(self):
        for option, said in (("--batch-size", "`resnet predict --help-all` lists them"), ("--topk", "; that is --top here"),
                             ("-k", "; that is --top here"), ("--imgsz=64", "; that is --size here"),
                             ("--workers", "; that is --threads here"), ("--fp16", "; that is --precision bf16 here"),
                             ("--names", "; that is --classes here"), ("--device", "; everything runs on the processor"),
                             ("--model", "; it stands without an option"), ("--thread", "; did you mean --threads?"),
                             ("-v", "; `resnet predict --help-all` lists them")):
            self.fails(f"no option '{option}'{'' if said[0] == ';' else '; '}{said}", "predict", self.model, self.png, option,
                       status=2)
        self.fails("no option '--split'; that is --only here", "eval", self.model, "set", "--split", "val", status=2)
        self.fails("no option '--batch-size'; that is --batch here", "bench", "resnet20", "--batch-size", "4", status=2)

    def test_a_file_that_is_not_there(self):
        self.fails("m.safetensor: cannot open: No such file or directory; did you mean m.safetensors?", "predict", "m.safetensor",
                   self.png)
        self.fails("33.png: there is no such file or directory; did you mean 32.png?", "predict", self.model, "33.png")
        self.fails("sets: there is no such file or directory; did you mean set?", "eval", self.model, "sets", "--only", "val")
        self.fails("; this is an address: download it first", "predict", self.model, "https://example.org/cat.jpg")
        self.fails("; no name of a file is like this pattern", "predict", self.model, "*.tiff")
        for path in ("nothing like this", "/absent/very/deep.png"):
            self.assertTrue(self.fails(path, "predict", self.model, path).endswith("no such file or directory"))
        done = resnet("predict", self.model, self.png, "--mean", "0.5", "0.25", cwd=self.root)
        self.assertIn("0.25: there is no such file or directory; the numbers of a list have commas between them", done.stderr.decode())

    def test_outputs_of_another_kind(self):
        self.fails("a.jpg: the name must end in .svg or .png", "draw", "resnet20", "-o", "a.jpg", status=2)
        self.fails("heat.png: --out names a folder", "explain", self.model, self.png, "-o", "heat.png", status=2)
        self.assertFalse(os.path.exists(f"{self.root}/heat.png") or os.path.exists(f"{self.root}/a.jpg"))
        self.fails("`resnet export` makes ONNX", "quantize", self.model, "set", "-o", "q.onnx", status=2)
        self.fails("`resnet features MODEL PICTURES -o photos.npy` makes one", "similar", self.png, self.png)

    def test_classes_that_the_model_has_not(self):
        self.fails("the model has no 'submarine'; it has cat, dog, ship", "explain", self.model, self.png, "--class", "submarine")
        self.fails("the model has no 'shop'; did you mean 'ship'?", "explain", self.model, self.png, "--class", "shop")
        for name in ("arrow", "heart", "ring"):
            pictures.write(f"{self.root}/shapes/{name}/1.png", pictures.png(32, 32))
        self.fails("it was trained on 'cat', 'dog', 'ship': `resnet train --from` trains it on others", "eval", self.model, "shapes")


if __name__ == "__main__":
    unittest.main()
