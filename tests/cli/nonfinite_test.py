"""Weights and answers that are NaN or infinite: every command that computes with a model says so and fails, unless asked."""
import glob
import json
import os
import struct
import tempfile
import unittest

import pictures
from pictures import resnet

TRAINER = os.path.join(os.path.dirname(os.environ["RESNET"]), "resnet-train")
FLAG = "--allow-nonfinite"
NAN = float("nan")
INFINITY = float("inf")

# How a value is kept as each type.
ENCODED = {"F32": lambda value: struct.pack("<f", value), "F16": lambda value: struct.pack("<e", value),
           "BF16": lambda value: struct.pack("<f", value)[2:], "F64": lambda value: struct.pack("<d", value)}


def change(path, out, name, values, dtype="F32"):
    """The .safetensors file with some values, by their places, of one tensor replaced, and that kept as another type."""
    with open(path, "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    kept = b""
    for key, entry in header.items():
        if key == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = data[8 + size + begin:8 + size + end]
        if key == name:
            assert entry["dtype"] == "F32", entry
            numbers = list(struct.unpack(f"<{len(raw) // 4}f", raw))
            for place, value in values.items():
                numbers[place] = value
            raw = b"".join(map(ENCODED[dtype], numbers))
            entry["dtype"] = dtype
        entry["data_offsets"] = [len(kept), len(kept) + len(raw)]
        kept += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pictures.write(out, struct.pack("<Q", len(text)) + text + kept)
    return out


class NonfiniteTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = cls.temporary.name
        cls.good = pictures.small_model(cls.root, "good.safetensors", ["cat", "dog", "ship"])
        cls.nan = change(cls.good, f"{cls.root}/nan.safetensors", "layer1.0.conv1.weight", {0: NAN, 5: INFINITY, 575: -INFINITY})
        cls.said = "1 tensor has values that are not finite (NaN, infinite, or beyond float32): layer1.0.conv1.weight (3 of 576)"
        cls.data = f"{cls.root}/data"
        for i, name in enumerate(("cat", "dog", "ship")):
            for j in range(3):
                pictures.write(f"{cls.data}/{name}/{j}.png", pictures.png(32, 32, 5 * i + j))
        cls.picture = f"{cls.data}/cat/0.png"
        cls.index = f"{cls.root}/index.npy"
        made = resnet("features", cls.nan, cls.data, "-o", cls.index, FLAG)
        assert made.returncode == 0, made.stderr

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def run_command(self, *arguments, status=0):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, status, (arguments, done.stdout, done.stderr))
        return done.stdout.decode(), done.stderr.decode()

    def test_every_command_that_computes_refuses_such_weights(self):
        out = f"{self.root}/out"
        os.makedirs(out)
        commands = [["predict", self.nan, self.picture], ["predict", self.nan, self.data, "--json"],
                    ["eval", self.nan, self.data], ["eval", self.nan, self.data, "--report", f"{out}/page.html"],
                    ["features", self.nan, self.data, "-o", f"{out}/f.npy"], ["explain", self.nan, self.picture, "-o", f"{out}/e"],
                    ["compare", self.nan, self.good, self.data], ["compare", self.good, self.nan, self.data],
                    ["similar", self.index, self.picture], ["export", self.nan, f"{out}/m.onnx"],
                    ["quantize", self.nan, self.data, "-o", f"{out}/q.safetensors"], ["bench", self.nan, "--batch", "1"],
                    ["convert", self.nan, f"{out}/c.safetensors"], ["convert", self.nan, f"{out}/c.pth"]]
        if os.path.exists(TRAINER):
            commands.append(["train", "--from", self.nan, "--data", self.data, "--out", f"{out}/run", "--batch", "4"])
        for command in commands:
            printed, said = self.run_command(*command, status=1)
            self.assertEqual(said, f"resnet: {self.nan}: {self.said}; --allow-nonfinite, or allow_nonfinite in a program, "
                             "loads the model all the same\n", command)
            self.assertEqual(printed, "", command)
        self.assertEqual(os.listdir(out), [])

    def test_and_takes_them_where_it_is_asked_to(self):
        out = f"{self.root}/allowed"
        os.makedirs(out)
        for command in (["predict", self.nan, self.picture], ["eval", self.nan, self.data],
                        ["eval", self.nan, self.data, "--report", f"{out}/page.html"],
                        ["features", self.nan, self.data, "-o", f"{out}/f.csv"],
                        ["explain", self.nan, self.picture, "-o", f"{out}/e"], ["compare", self.nan, self.good, self.data],
                        ["similar", self.index, self.picture], ["export", self.nan, f"{out}/m.onnx"],
                        ["bench", self.nan, "--batch", "1"], ["convert", self.nan, f"{out}/c.pth"]):
            _, said = self.run_command(*command, FLAG)
            self.assertIn(f"resnet: {self.nan}: {self.said}\n", said, command)
        answer = json.loads(self.run_command("predict", self.nan, self.picture, "--json", "--logits", FLAG)[0])
        self.assertEqual(answer["logits"], [None, None, None])
        _, said = self.run_command("predict", f"{out}/c.pth", self.picture, "--preset", "cifar", status=1)
        self.assertIn(self.said, said)
        _, said = self.run_command("quantize", self.nan, self.data, "-o", f"{out}/q.safetensors", FLAG, status=1)
        self.assertIn("int8 has no such values", said)  # and would hide them
        self.run_command("summary", self.nan)  # which looks at shapes alone

    def test_every_type_of_values_is_looked_through(self):
        for dtype, value in (("F32", NAN), ("F32", INFINITY), ("F16", NAN), ("F16", -INFINITY), ("BF16", NAN), ("F64", NAN),
                             ("F64", INFINITY), ("F64", 1e300)):  # the last becomes infinite where float32 computes
            odd = change(self.good, f"{self.root}/odd.safetensors", "bn1.running_var", {7: value}, dtype)
            _, said = self.run_command("predict", odd, self.picture, status=1)
            self.assertIn("bn1.running_var (1 of 8)", said, (dtype, value))
            sound = change(self.good, f"{self.root}/sound.safetensors", "bn1.running_var", {7: 1.5}, dtype)
            self.run_command("predict", sound, self.picture)

    def test_scales_of_int8_models_too(self):
        """These are refused in any case: no network can be made of them."""
        int8 = f"{self.root}/int8.safetensors"
        self.run_command("quantize", self.good, self.data, "-o", int8, "--min-agreement", "0")
        for flags in ([], [FLAG]):
            odd = change(int8, f"{self.root}/odd8.safetensors", "layer1.0.conv1.weight_scale", {0: NAN, 1: INFINITY})
            _, said = self.run_command("predict", odd, self.picture, *flags, status=1)
            self.assertIn("layer1.0.conv1.weight_scale: 2 of 8 scales not between 1e-20 and 1e20", said)
        odd = change(int8, f"{self.root}/odd8.safetensors", "layer1.0.bn1.bias", {0: NAN})
        _, said = self.run_command("predict", odd, self.picture, status=1)
        self.assertIn("layer1.0.bn1.bias (1 of 8)", said)

    def test_inspect_shows_them(self):
        printed, _ = self.run_command("inspect", self.nan)
        self.assertIn("not finite    layer1.0.conv1.weight: 3 of 576 values\n", printed)
        self.assertIn("architecture  resnet", printed)
        self.assertNotIn("not finite", self.run_command("inspect", self.good)[0])
        found = json.loads(self.run_command("inspect", self.nan, "--json")[0])
        self.assertEqual(found["nonfinite"], [{"name": "layer1.0.conv1.weight", "values": 3, "of": 576}])
        self.assertEqual(json.loads(self.run_command("inspect", self.good, "--json")[0])["nonfinite"], [])

    def test_answers_that_are_not_finite_are_errors_too(self):
        """All weights are finite, but not what comes of them; or an array that holds no numbers."""
        wild = change(self.good, f"{self.root}/wild.safetensors", "fc.weight", {i: 3e38 for i in range(48)})
        problem = "the network's answer has no meaning"
        _, said = self.run_command("predict", wild, self.picture, status=1)
        self.assertTrue(said.startswith(f"resnet: {self.picture}: {problem}: "), said)
        self.assertEqual(said.count("\n"), 1)
        printed, said = self.run_command("predict", wild, self.data, "--csv", status=1)
        self.assertEqual(said.count(problem), 9)
        self.assertTrue(said.endswith("resnet: 9 answers are not finite\n"), said)
        self.assertEqual(printed.count("\n"), 1)
        for command in (["eval", wild, self.data], ["eval", wild, self.data, "--json"], ["compare", self.good, wild, self.data],
                        ["explain", wild, self.picture, "-o", f"{self.root}/w"],
                        ["quantize", wild, self.data, "-o", f"{self.root}/w.safetensors"]):
            printed, said = self.run_command(*command, status=1)
            self.assertIn(problem, said, command)
            self.assertNotIn("nan", printed.lower(), command)
            if command[0] != "quantize":
                self.run_command(*command, FLAG)
        self.assertFalse(glob.glob(f"{self.root}/w/*.png") == [])  # of the run that was allowed to
        deep = change(self.good, f"{self.root}/deep.safetensors", "layer2.0.bn2.weight", {i: 3e38 for i in range(16)})
        _, said = self.run_command("features", deep, self.data, "-o", f"{self.root}/deep.npy", status=1)
        self.assertIn(problem, said)
        self.assertFalse(os.path.exists(f"{self.root}/deep.npy"))

        array = pictures.write(f"{self.root}/arrays/nan.npy", pictures.npy((3, 32, 32), [NAN] * 3072))
        printed, said = self.run_command("predict", self.good, self.picture, array, "--csv", status=1)
        self.assertIn(f"{array}: {problem}: 3 of 3 values are not finite", said)
        self.assertTrue(said.endswith("resnet: 1 answer is not finite\n"), said)
        self.assertIn(self.picture, printed)
        self.assertNotIn(array, printed)
        out = f"{self.root}/some.npy"
        self.run_command("features", self.good, self.picture, array, "-o", out, status=1)
        self.assertEqual(os.path.exists(out), True)  # of those that have one
        _, said = self.run_command("similar", out, array, status=1)
        self.assertIn(problem, said)

    @unittest.skipUnless(os.path.exists(TRAINER), "built without the trainer")
    def test_training_may_replace_a_head_that_is_not_finite(self):
        headless = change(self.good, f"{self.root}/headless.safetensors", "fc.weight", {0: NAN})
        two = f"{self.root}/two"
        for i, name in enumerate(("one", "two")):
            for j in range(4):
                pictures.write(f"{two}/{name}/{j}.png", pictures.png(32, 32, 5 * i + j))
        start = ["train", "--from", headless, "--data", two, "--batch", "4", "--epochs", "1", "--lr", "0.01", "--crop", "none"]
        _, said = self.run_command(*start, "--out", f"{self.root}/refused", status=1)
        self.assertIn("fc.weight (1 of 48)", said)
        _, said = self.run_command(*start, "--out", f"{self.root}/replaced", FLAG)
        self.assertIn("fc.weight (1 of 48)", said)
        self.run_command("predict", f"{self.root}/replaced/best.safetensors", self.picture)


if __name__ == "__main__":
    unittest.main()
