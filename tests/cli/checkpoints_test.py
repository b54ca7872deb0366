"""Files that do not describe themselves: what is found in them, what is assumed of them and said, and what changes it."""
import json
import os
import re
import struct
import tempfile
import unittest

import pictures
from pictures import resnet

SMALL = ("--block", "basic", "--depths", "1,1", "--widths", "8,16", "--classes", "5", "--stem", "cifar", "--shortcut",
         "projection", "--seed", "1")


def hugging_face(name):
    """Names of transformers' ResNet for torchvision's."""
    for pattern, replacement in (
            (r"^conv1\.", "resnet.embedder.embedder.convolution."), (r"^bn1\.", "resnet.embedder.embedder.normalization."),
            (r"^fc\.", "classifier.1."), (r"downsample\.0", "shortcut.convolution"), (r"downsample\.1", "shortcut.normalization")):
        name = re.sub(pattern, replacement, name)
    name = re.sub(r"\.conv(\d)\.", lambda m: f".layer.{int(m[1]) - 1}.convolution.", name)
    name = re.sub(r"\.bn(\d)\.", lambda m: f".layer.{int(m[1]) - 1}.normalization.", name)
    return re.sub(r"^layer(\d)\.", lambda m: f"resnet.encoder.stages.{int(m[1]) - 1}.layers.", name)


class CheckpointsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        done = resnet("init", *SMALL, "-o", cls.path("m.safetensors"))
        assert done.returncode == 0, done.stderr
        cls.picture = pictures.write(cls.path("p.png"), pictures.png(32, 32))
        with open(cls.path("m.safetensors"), "rb") as file:
            size, = struct.unpack("<Q", file.read(8))
            cls.header = json.loads(file.read(size))
            cls.data = file.read()
        del cls.header["__metadata__"]

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    def foreign(self, name, rename, copies=("",)):
        """The network's tensors alone under new names; several of it behind several prefixes."""
        header = {prefix + rename(tensor): place for prefix in copies for tensor, place in self.header.items()}
        if len(copies) > 1:  # each tensor has bytes of its own
            data = self.data * len(copies)
            for i, prefix in enumerate(copies):
                for tensor, place in self.header.items():
                    begin, end = place["data_offsets"]
                    shift = i * len(self.data)
                    header[prefix + rename(tensor)] = {**place, "data_offsets": [begin + shift, end + shift]}
        else:
            data = self.data
        text = json.dumps(header).encode()
        with open(self.path(name), "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + data)
        return self.path(name)

    def run_well(self, *arguments):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, 0, (arguments, done.stderr))
        return done.stdout.decode(), done.stderr.decode()

    def logits(self, model, *flags):
        out, error = self.run_well("predict", model, self.picture, "--json", "--logits", "--preset", "cifar", *flags)
        return json.loads(out)["logits"], error

    def test_other_names_give_the_same_answer(self):
        expected, said = self.logits(self.path("m.safetensors"))
        self.assertEqual(said, "")
        found, said = self.logits(self.foreign("hf.safetensors", hugging_face))
        self.assertEqual(found, expected)
        self.assertEqual(said.count("\n"), 1, said)
        self.assertIn("assumed, as its tensors do not tell: ", said)
        self.assertIn("--stem-pool none", said)

    def test_a_head_of_several_layers(self):
        """fastai's: batch norm, dropout, linear, ReLU, batch norm, dropout, linear of largest values and means."""
        def floats(count, first):
            return struct.pack(f"<{count}f", *(first + i % 7 / 20 for i in range(count)))

        def body(name):
            children = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5"}
            first, _, rest = name.partition(".")
            return f"0.{children[first]}.{rest}" if first in children else f"optimizer.{name}"

        header = {body(name): place for name, place in self.header.items()}
        data = self.data
        head = {"1.2": 32, "1.6": 8}
        tensors = {"1.4.weight": [8, 32], "1.8.weight": [5, 8]}
        tensors |= {f"{norm}.{leaf}": [size] for norm, size in head.items() for leaf in ("weight", "bias", "running_mean", "running_var")}
        for name, shape in tensors.items():
            count = shape[0] * (shape[1] if len(shape) > 1 else 1)
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * count]}
            data += floats(count, 1 if name.endswith("running_var") else -0.1)
        text = json.dumps(header).encode()
        file = self.path("fastai.safetensors")
        with open(file, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text + data)
        told = json.loads(self.run_well("inspect", file, "--json")[0])
        architecture = told["architecture"]
        self.assertEqual((architecture["head_pool"], architecture["head_widths"], architecture["classes"]), ("max_average", [8], 5))
        expected, said = self.logits(file)
        self.assertIn("the head is taken as 1.2 (batch norm), 1.4 (32 to 8), activation, 1.6 (batch norm), 1.8 (8 to 5)", said)
        self.assertIn("--head-pool max_average --head-activation relu", said)
        self.run_well("convert", file, self.path("head.safetensors"), "--preset", "cifar")
        self.assertEqual(self.logits(self.path("head.safetensors")), (expected, ""))
        self.assertNotEqual(self.logits(file, "--head-pool", "average_max")[0], expected)
        self.assertNotEqual(self.logits(file, "--head-activation", "none")[0], expected)
        rows = self.run_well("features", file, self.picture, "-o", self.path("f.npy"), "--preset", "cifar")
        self.assertTrue(os.path.getsize(self.path("f.npy")) >= 4 * 32, rows)
        self.run_well("explain", file, self.picture, "-o", self.path("out"), "--preset", "cifar")
        self.run_well("export", file, self.path("head.onnx"))

    def test_flags_change_what_is_assumed_and_convert_keeps_them(self):
        model = self.foreign("flags.safetensors", hugging_face)
        usual, _ = self.logits(model)
        pooled, said = self.logits(model, "--stem-pool", "max", "--bn-eps", "0.01")
        self.assertNotEqual(pooled, usual)
        self.assertNotIn("--stem-pool", said)
        self.assertNotIn("--bn-eps", said)
        self.run_well("convert", model, self.path("kept.safetensors"), "--stem-pool", "max", "--bn-eps", "0.01")
        kept, said = self.logits(self.path("kept.safetensors"))
        self.assertEqual((kept, said), (pooled, ""))

    def test_an_index_of_features_remembers_them(self):
        model = self.foreign("features.safetensors", hugging_face)
        index = self.path("index.npy")
        self.run_well("features", model, self.picture, "-o", index, "--preset", "cifar", "--stem-pool", "max")
        out, _ = self.run_well("similar", index, self.picture, "--json")
        self.assertIn('"cosine":1', out.replace(" ", ""), out)

    def test_of_several_one_is_taken(self):
        model = self.foreign("two.safetensors", str, ("a.", "b."))
        done = resnet("predict", model, self.picture)
        self.assertEqual(done.returncode, 1)
        self.assertIn("holds 2 networks: `a.`, `b.`; --take NAME takes one", done.stderr.decode())
        self.logits(model, "--take", "b")

    def test_inspect_says_what_was_found(self):
        out, _ = self.run_well("inspect", self.foreign("inspect.safetensors", hugging_face), "--json")
        found = json.loads(out)["found"]
        self.assertEqual((found["prefix"], found["names"], found["head"]), ("resnet.", "Hugging Face", "classifier.1"))
        self.assertEqual(found["map"]["resnet.embedder.embedder.convolution.weight"], "conv1.weight")
        self.assertEqual(found["assumed"]["stem_pool"], "none")
        out, _ = self.run_well("inspect", self.path("inspect.safetensors"))
        self.assertIn("names of      Hugging Face\n", out)

    def test_a_folder_is_a_model(self):
        os.makedirs(self.path("hub"))
        self.foreign("hub/model.safetensors", hugging_face)
        with open(self.path("hub/config.json"), "w") as file:
            json.dump({"model_type": "resnet", "id2label": {str(i): f"kind {i}" for i in range(5)}}, file)
        out, _ = self.run_well("predict", self.path("hub"), self.picture, "--json", "--preset", "cifar")
        self.assertTrue(json.loads(out)["top"][0]["class"].startswith("kind "), out)
        # An index of pictures knows its model again by the weights in the folder.
        self.run_well("features", self.path("hub"), self.picture, "--preset", "cifar", "-o", self.path("f.npy"))
        out, _ = self.run_well("similar", self.path("f.npy"), self.picture)
        self.assertIn("p.png", out)
        with open(self.path("hub/model.safetensors"), "ab") as file:
            file.write(b" ")
        done = resnet("similar", self.path("f.npy"), self.picture)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(b"made with another model than", done.stderr)


if __name__ == "__main__":
    unittest.main()
