"""Every command given the wrong thing in each place: a model for a picture, a folder for a file, numbers that no number can
hold. Whatever comes, it is one line in words of this program, and exit status 1 or 2."""
import concurrent.futures
import os
import re
import shutil
import socket
import struct
import tempfile
import unittest

import pictures
from pictures import resnet

# Words of the standard library, of libraries and of the compiler, that name nothing that people know.
INSIDE = re.compile(rb"::|_M_|bad_(cast|alloc|optional|variant|function|weak)|\bsto(i|l|ul|ll|ull|d|f|ld)\b|basic_string|"
                    rb"filesystem error|json\.exception|parse_error|Error while parsing|invalid_argument|out_of_range|"
                    rb"length_error|what\(\)|terminate|Assertion|bug:|c10|ATen|\.cpp|\.cc\b|\.h:\d|0x[0-9a-f]{8}|"
                    rb"a fault of resnet|(INT|UINT|FLOAT|TEXT)\b")
NUMBERS = ["-1", "0", "99999999999999999999999", "1e400", "-1e400", "nan", "inf", "", " ", "0x10", "1.5", "+5", "\uff11", "2147483648",
           "9223372036854775808", "1,2", "1 2", "true", "--", "-"]
TRAINER = os.path.join(os.path.dirname(os.environ["RESNET"]), "resnet-train")


class OddInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        root = cls.root = cls.temporary.name
        cls.model = pictures.small_model(root, "m.safetensors", ["cat", "dog", "sea"])
        for i in range(12):
            pictures.write(f"{root}/data/{['cat', 'dog', 'sea'][i % 3]}/{i:02}.png", pictures.png(32, 32, i))
        cls.picture = f"{root}/data/cat/00.png"
        cls.int8 = f"{root}/int8.safetensors"
        made = resnet("quantize", cls.model, f"{root}/data", "-o", cls.int8, "--min-agreement", 0)
        assert made.returncode == 0, made.stderr
        cls.index = f"{root}/index.npy"
        made = resnet("features", cls.model, f"{root}/data", "-o", cls.index)
        assert made.returncode == 0, made.stderr
        cls.recipe = pictures.write(f"{root}/recipe.toml", b"epochs = 1\nbatch = 4\n")
        cls.odd = cls.odd_things()

    @classmethod
    def odd_things(cls):
        """Paths by what is there."""
        root = cls.root
        things = {
            "model": cls.model, "int8 model": cls.int8, "picture": cls.picture, "recipe": cls.recipe, "index": cls.index,
            "data": f"{root}/data", "absent": f"{root}/absent", "below a file": f"{cls.picture}/x", "device": "/dev/null",
            "nothing": "", "long name": f"{root}/{'x' * 300}", "long path": f"{root}/{'x/' * 3000}",
            "odd name": f"{root}/new\nline\x1b[31m", "empty": pictures.write(f"{root}/empty", b""),
            "letter": pictures.write(f"{root}/letter.txt", b"Dear reader,\nthis is a letter.\n"),
            "zeros": pictures.write(f"{root}/zeros.bin", bytes(1000)),
            "json": pictures.write(f"{root}/list.json", b'{"0": ["a", {"b": 1}], "1": null}'),
            "floats": pictures.write(f"{root}/floats.npy", pictures.npy([2, 3, 32, 32], [0.5] * 2 * 3 * 32 * 32)),
            "no array": pictures.write(f"{root}/bad.npy", b"\x93NUMPY\x01\x00\x10\x00{'shape': (-1,)}"),
            "huge header": pictures.write(f"{root}/huge.safetensors", struct.pack("<Q", 2**63) + b"{}"),
            "digits": pictures.write(f"{root}/digits.txt", b"cat/00.png 99999999999999999999999\ndog/01.png 0\n"),
            "cut model": cls.cut(cls.model, "cut.safetensors", 0.7), "cut picture": cls.cut(cls.picture, "cut.png", 0.6),
            "pickle": pictures.write(f"{root}/bad.pth", b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01"),
        }
        os.makedirs(f"{root}/hollow")
        things["hollow folder"] = f"{root}/hollow"
        os.symlink("loop", f"{root}/loop")
        things["loop"] = f"{root}/loop"
        os.symlink("nowhere", f"{root}/dangling")
        things["dangling"] = f"{root}/dangling"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{root}/socket")
        things["socket"] = f"{root}/socket"
        return things

    @classmethod
    def cut(cls, path, name, share):
        with open(path, "rb") as file:
            data = file.read()
        return pictures.write(f"{cls.root}/{name}", data[:int(len(data) * share)])

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def check(self, arguments):
        """What is wrong with how the program takes it; empty where nothing is."""
        out = tempfile.mkdtemp(dir=self.root)
        done = resnet(*[str(word).replace("OUT", out) for word in arguments], cwd=out)
        said = done.stderr
        shutil.rmtree(out, ignore_errors=True)
        spoken = re.sub(rb"'[^'\n]*'|/\S*", b"", said)  # without what was given
        if done.returncode not in (0, 1, 2):
            return f"{arguments}: exit status {done.returncode}: {said}"
        if INSIDE.search(spoken):
            return f"{arguments}: {said}"
        lines = [line for line in said.splitlines() if not line.startswith(b"epoch ")]  # progress, once a minute
        if any(not line.startswith(b"resnet: ") for line in lines):
            return f"{arguments}: not a line of ours: {said}"
        if done.returncode != 0 and len(lines) != 1:
            return f"{arguments}: {len(lines)} lines: {said}"
        return ""

    def check_all(self, cases):
        with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
            problems = [problem for problem in pool.map(self.check, cases) if problem]
        self.assertEqual(problems, [], "\n".join(problems))

    def with_each(self, *arguments):
        """The arguments with each odd thing in the place of ODD."""
        return [[thing if word == "ODD" else word for word in arguments] for thing in self.odd.values()]

    def test_things_in_the_wrong_place(self):
        model, picture, data = self.model, self.picture, f"{self.root}/data"
        cases = []
        for arguments in (["predict", "ODD", picture], ["predict", model, "ODD"], ["predict", model, picture, "--arch", "ODD"],
                          ["predict", model, picture, "--preset", "ODD"],
                          ["eval", "ODD", data], ["eval", model, "ODD"], ["eval", model, data, "--labels", "ODD"],
                          ["eval", model, data, "--only", "ODD"], ["eval", model, data, "--report", "ODD"],
                          ["compare", model, "ODD", data], ["compare", model, self.int8, "ODD"],
                          ["explain", "ODD", picture, "-o", "OUT"], ["explain", model, "ODD", "-o", "OUT"],
                          ["explain", model, picture, "-o", "ODD/x"], ["explain", model, picture, "-o", "OUT", "--class", "ODD"],
                          ["explain", model, picture, "-o", "OUT", "--layer", "ODD", "--method", "eigen"],
                          ["features", "ODD", picture, "-o", "OUT/f.npy"], ["features", model, "ODD", "-o", "OUT/f.npy"],
                          ["features", model, picture, "-o", "OUT/f.csv", "--layer", "ODD"],
                          ["similar", "ODD", picture], ["similar", self.index, "ODD"], ["similar", self.index, picture, "--model", "ODD"],
                          ["preprocess", "ODD", "-o", "OUT/p.npy"], ["preprocess", picture, "-o", "OUT/p.npy", "--model", "ODD"],
                          ["convert", "ODD", "OUT/c.safetensors"], ["convert", model, "OUT/c.safetensors", "--classes", "ODD"],
                          ["convert", model, "ODD"], ["convert", self.int8, "OUT/c.pth"],
                          ["export", "ODD", "OUT/e.onnx"], ["export", "ODD", "OUT/e.onnx", "--int8"], ["inspect", "ODD"],
                          ["summary", "ODD"], ["summary", "ODD", "--run"], ["draw", "ODD", "-o", "OUT/d.svg"], ["bench", "ODD", "--batch", "1"],
                          ["init", "ODD", "-o", "OUT/i.safetensors"], ["quantize", "ODD", data, "-o", "OUT/q.safetensors"],
                          ["quantize", model, "ODD", "-o", "OUT/q.safetensors"], ["make-dataset", "ODD", "-o", "OUT/m"]):
            cases += self.with_each(*arguments)
        self.check_all(cases)

    def test_odd_numbers(self):
        model, picture, data = self.model, self.picture, f"{self.root}/data"
        cases = []
        for arguments in (["predict", model, picture, "--top"], ["predict", model, picture, "--threads"],
                          ["predict", model, picture, "--streams"], ["predict", model, picture, "--size"],
                          ["predict", model, picture, "--resize"], ["predict", model, picture, "--mean"],
                          ["predict", model, picture, "--max-pixels"], ["predict", model, picture, "--precision"],
                          ["eval", model, data, "--batch"], ["eval", model, data, "--limit"],
                          ["explain", model, picture, "-o", "OUT", "--class"], ["similar", self.index, picture, "--top"],
                          ["quantize", model, data, "-o", "OUT/q.safetensors", "--limit"],
                          ["quantize", model, data, "-o", "OUT/q.safetensors", "--min-agreement"],
                          ["bench", "resnet20", "--size", "8", "--batch"], ["bench", "resnet20", "--batch", "1", "--size"],
                          ["summary", "--block", "basic", "--depths"], ["summary", "--block", "basic", "--depths", "1,1", "--widths"],
                          ["summary", "resnet18", "--classes"], ["summary", "resnet18", "--input"],
                          ["init", "resnet20", "-o", "OUT/i.safetensors", "--seed"],
                          ["make-dataset", "shapes", "-o", "OUT/m", "--train", "2", "--val", "1", "--seed"],
                          ["make-dataset", "shapes", "-o", "OUT/m", "--train", "2", "--val", "1", "--size"]):
            cases += [[*arguments, number] for number in NUMBERS]
        self.check_all(cases)

    def test_odd_ways_to_call(self):
        commands = ["predict", "eval", "compare", "explain", "features", "similar", "preprocess", "convert", "export", "inspect", "summary",
                    "draw", "bench", "init", "quantize", "make-dataset", "train", "study", "reference", "nonsense", ""]
        cases = [[], ["-"], ["--"], ["\udcff"], ["--nonsense"], ["--version=3"]]
        for command in commands:
            cases += [[command], [command, "--nonsense"], [command, "--json=x"], [command, "-x"], [command, "y", "z"],
                      [command, "--threads"], [command, "\udcff\x1b[31m"], [command, "--\udcff"]]
        self.check_all(cases)

    def test_what_is_no_number_is_in_no_range(self):
        root = tempfile.mkdtemp(dir=self.root)  # other tests write to what they share
        model = pictures.small_model(root, "m.safetensors", ["cat", "dog", "sea"])
        picture = pictures.write(f"{root}/data/cat/0.png", pictures.png(32, 32))
        for arguments, expected in (
                (["quantize", model, f"{root}/data", "-o", f"{root}/q.safetensors", "--min-agreement", "nan"],
                 "'nan' is not a number from 0 to 1"),
                (["predict", model, picture, "--top", "x"], "'x' is not a number from 1 to 10000000"),
                (["predict", model, picture, "--precision", "x"], "'x' is not one of fp32, bf16, int8, auto"),
                (["predict", model, picture, "--size", "32x"], "--size: '32x' is neither"),
                (["predict", model, picture, "--top", "3", "--top", "4"], "--top: is given more than once")):
            done = resnet(*arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(expected, done.stderr.decode())

    def test_a_name_of_no_letters_is_shown(self):
        for arguments in (["predict", self.model, ""], ["predict", "", self.picture], ["eval", self.model, ""], ["inspect", ""]):
            done = resnet(*arguments)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("resnet: '': ", done.stderr.decode())

    def test_a_labels_file_with_a_number_that_no_number_can_hold(self):
        done = resnet("eval", self.model, f"{self.root}/data", "--labels", self.odd["digits"])
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"99999999999999999999999", done.stderr)

    @unittest.skipUnless(os.path.exists(TRAINER), "built without the trainer")
    def test_training_from_odd_things(self):
        run = ["--out", "OUT/run", "--epochs", "1", "--batch", "4", "--val", "0.3"]
        network = ["--arch", "resnet20", "--depths", "1,1", "--widths", "8,16", "--size", "32"]
        data = ["--data", f"{self.root}/data"]
        cases = self.with_each("train", "--from", "ODD", *data, *run)
        cases += self.with_each("train", "--data", "ODD", *network, *run)
        cases += self.with_each("train", *network, *data, "--out", "OUT/run", "--epochs", "1", "--batch", "4", "--val", "ODD")
        cases += self.with_each("train", "--recipe", "ODD", *network, *data, *run)
        cases += [["train", *network, *data, *run, flag, number] for flag in ("--lr", "--batch", "--max-pixels", "--class-weights", "--seed")
                  for number in NUMBERS]
        cases += [["study", "degradation", "--data", f"{self.root}/data", "--out", "OUT/s", "--depths", number] for number in NUMBERS]
        self.check_all(cases)

    @unittest.skipUnless(os.path.exists(TRAINER), "built without the trainer")
    def test_an_int8_model_cannot_be_trained(self):
        out = f"{self.root}/int8-run"
        done = resnet("train", "--from", self.int8, "--data", f"{self.root}/data", "--out", out, "--epochs", "1", "--batch", "4")
        self.assertEqual(done.returncode, 1)
        said = done.stderr.decode()
        self.assertIn(f"resnet: {self.int8}: is an int8 model, which cannot be trained", said)
        self.assertEqual(said.count("\n"), 1)
        way_out = re.search(r"`resnet (convert \S+) float32.pth`", said).group(1).split()
        floats = f"{self.root}/float32.pth"
        self.assertEqual(resnet(*way_out, floats).returncode, 0)
        done = resnet("train", "--from", floats, "--data", f"{self.root}/data", "--out", out, "--epochs", "1", "--batch", "4", "--size",
                      "32", "--crop", "none")
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
