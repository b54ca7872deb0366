"""Fields that tensors do not tell, from flags through files to answers; and networks without a head."""
import json
import os
import tempfile
import unittest

import pictures
from pictures import resnet

SMALL = ("--block", "basic", "--depths", "1,1", "--widths", "8,16", "--classes", "5")


class FieldsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def succeed(self, *arguments):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, 0, (arguments, done.stderr))
        return done.stdout.decode()

    def refuse(self, status, words, *arguments):
        done = resnet(*arguments)
        error = done.stderr.decode()
        self.assertEqual((done.returncode, done.stdout), (status, b""), (arguments, error))
        self.assertEqual(error.count("\n"), 1, error)
        for word in words:
            self.assertIn(word, error)

    def json_of(self, *arguments):
        return json.loads(self.succeed(*arguments, "--json"))

    def architecture(self, path):
        return json.loads(self.succeed("inspect", path, "--json"))["architecture"]


class Fields(FieldsTest):
    FLAGS = {"stem_kernel": ("--stem-kernel", "5", 5), "stem_stride": ("--stem-stride", "4", 4),
             "stem_pool": ("--stem-pool", "max_ceil", "max_ceil"), "strides": ("--strides", "2,1", [2, 1]),
             "antialias": ("--antialias", "blur", "blur"), "bn_eps": ("--bn-eps", "0.001", 0.001), "activation": ("--activation", "leaky_relu", "leaky_relu"),
             "negative_slope": ("--negative-slope", "0.2", 0.2),
             "head_pool": ("--head-pool", "max_average", "max_average"), "head_widths": ("--head-widths", "12,6", [12, 6]),
             "head_activation": ("--head-activation", "gelu", "gelu")}

    def test_files_keep_what_flags_said(self):
        flags = [word for flag, text, _ in self.FLAGS.values() for word in (flag, text)]
        self.succeed("init", *SMALL, *flags, "-o", self.path("m.safetensors"))
        self.succeed("convert", self.path("m.safetensors"), self.path("copy.safetensors"))
        kept = self.architecture(self.path("copy.safetensors"))
        self.assertEqual({name: kept[name] for name in self.FLAGS}, {name: flag[2] for name, flag in self.FLAGS.items()})

    def test_files_without_them_stay_what_they_were(self):
        usual = ["--antialias", "none", "--stem-kernel", "7", "--stem-stride", "2", "--stem-pool", "max", "--strides", "1,2", "--bn-eps", "1e-5",
                 "--activation", "relu", "--negative-slope", "0.01", "--head-pool", "average", "--head-activation", "relu"]
        self.succeed("init", *SMALL, "-o", self.path("plain.safetensors"))
        self.succeed("init", *SMALL, *usual, "-o", self.path("said.safetensors"))
        self.assertFalse(set(self.FLAGS) & set(self.architecture(self.path("plain.safetensors"))))
        with open(self.path("plain.safetensors"), "rb") as plain, open(self.path("said.safetensors"), "rb") as said:
            self.assertEqual(plain.read(), said.read())

    def test_each_changes_the_answer(self):
        picture = pictures.write(self.path("p.png"), pictures.png(40, 40))
        answers = set()
        changes = [(), *((flag, text) for name, (flag, text, _) in self.FLAGS.items() if name not in ("negative_slope", "head_activation")),
                   *(("--head-widths", "12", "--head-activation", name) for name in ("relu6", "silu", "gelu", "none")),
                   ("--activation", "leaky_relu", "--negative-slope", "0.2"),
                   *(("--activation", name) for name in ("relu6", "silu", "gelu", "hardswish"))]
        for change in changes:
            self.succeed("init", *SMALL, "--seed", "1", "--calibrated", *change, "-o", self.path("m.safetensors"))
            answers.add(self.succeed("predict", self.path("m.safetensors"), picture, "--logits", "--json"))
        self.assertEqual(len(answers), len(changes))

    def test_summaries_say_them(self):
        summary = self.succeed("summary", "resnet18", "--stem-kernel", "3", "--stem-stride", "1", "--stem-pool",
                               "max_2x2", "--strides", "1,2,2,1", "--bn-eps", "1e-3")
        headline = summary.splitlines()[0]
        for words in ("3x3 stem", "stem stride 1", "2x2 max pooling in the stem", "strides 1-2-2-1", "batch norm eps 0.001"):
            self.assertIn(words, headline)
        self.assertIn("max pool 2x2 /2", summary)
        tree = self.succeed("summary", "resnet18", "--stem-pool", "max_ceil", "--bn-eps", "1e-3", "--tree")
        self.assertIn("MaxPool2d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=True)", tree)
        self.assertIn("eps=0.001", tree)
        silu = self.succeed("summary", "resnet18", "--activation", "silu")
        self.assertIn("silu", silu.splitlines()[0])
        operations = [layer["operation"] for layer in self.json_of("summary", "resnet18", "--activation", "silu")["layers"]]
        self.assertEqual((operations.count("silu"), operations.count("relu")), (17, 0))
        self.assertIn("SiLU(inplace=True)", self.succeed("summary", "resnet18", "--activation", "silu", "--tree"))
        self.assertIn("slope 0.2 below zero", self.succeed("summary", "resnet18", "--activation", "leaky_relu",
                                                           "--negative-slope", "0.2"))
        drawn = self.path("n.svg")
        self.succeed("draw", "resnet18", "--activation", "gelu", "-o", drawn)
        with open(drawn, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("GELU", text)
        self.assertNotIn("ReLU", text)
        self.succeed("draw", "resnet50", "--antialias", "blur", "-o", drawn)
        with open(drawn, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("3×3 blur, /2", text)
        self.assertIn("max, blur 3×3, /2", text)
        blurred = self.json_of("summary", "resnet50", "--antialias", "blur")
        self.assertEqual([stage["output"][2] for stage in blurred["stages"][:-1]], [112, 56, 56, 28, 14, 7])
        self.succeed("draw", "resnet18", "--stem-kernel", "3", "--stem-pool", "average_2x2", "-o", drawn)
        with open(drawn, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("3×3 conv, /2", text)
        self.assertIn("average 2×2, /2", text)

    def test_summaries_of_heads(self):
        flags = ("--head-pool", "max_average", "--head-widths", "256,64", "--head-activation", "silu")
        summary = self.succeed("summary", "resnet18", *flags)
        self.assertIn("max and average pooling before the head, head of 3 linear layers (silu between them)",
                      summary.splitlines()[0])
        self.assertRegex(summary, r"avgpool.mp +global max pool +1x512x1x1")
        self.assertRegex(summary, r"avgpool +concatenate +1x1024x1x1")
        self.assertRegex(summary, r"fc.1 +silu +1x256\n")
        told = self.json_of("summary", "resnet18", *flags)
        self.assertEqual(told["depth"], 20)
        self.assertEqual(told["stages"][-3:], [{"name": "fc.0", "output": [1, 256]}, {"name": "fc.2", "output": [1, 64]},
                                               {"name": "fc.4", "output": [1, 1000]}])
        tree = self.succeed("summary", "resnet18", *flags, "--tree")
        self.assertIn("""  (avgpool): AdaptiveConcatPool2d(
    (ap): AdaptiveAvgPool2d(output_size=(1, 1))
    (mp): AdaptiveMaxPool2d(output_size=(1, 1))
  )
  (fc): Sequential(
    (0): Linear(in_features=1024, out_features=256, bias=True)
    (1): SiLU(inplace=True)
    (2): Linear(in_features=256, out_features=64, bias=True)
""", tree)
        tree = self.succeed("summary", "resnet18", *flags[:-1], "none", "--tree")
        self.assertIn("    (1): Identity()\n", tree)
        self.assertIn("head of 2 linear layers\n", self.succeed("summary", "resnet18", "--head-widths", "5").replace(",", "\n"))
        drawn = self.path("n.svg")
        self.succeed("draw", "resnet18", *flags, "-o", drawn)
        with open(drawn, encoding="utf-8") as file:
            text = file.read()
        for words in ("average, max", ">fc.0<", ">fc.4<"):
            self.assertIn(words, text)
        self.refuse(2, ["--head-widths", "no head"], "summary", "resnet18", "--classes", "0", "--head-widths", "3")
        self.refuse(2, ["--head-activation", "head_widths"], "summary", "resnet18", "--head-activation", "gelu")

    def test_sizes_that_do_not_come_out_even(self):
        model = self.path("m.safetensors")
        self.succeed("init", "resnet20", "--antialias", "average", "-o", model)
        self.refuse(2, ["34x34", "does not come out even", "layer3.0"], "summary", model, "--input", "1x3x34x34")
        picture = pictures.write(self.path("p.png"), pictures.png(34, 34))
        self.refuse(1, ["does not come out even"], "predict", model, picture, "--size", "34", "--resize", "34",
                    "--mean", "0.5,0.5,0.5", "--std", "1,1,1", "--interpolation", "bilinear")

    def test_wrong_values(self):
        for words, flags in ((["--stem-kernel"], ["--stem-kernel", "4"]), (["--stem-stride"], ["--stem-stride", "9"]),
                             (["--stem-pool", "max_2x2"], ["--stem-pool", "mean"]), (["--strides"], ["--strides", "1,2"]),
                             (["--strides"], ["--strides", "1,2,2,0"]), (["--bn-eps"], ["--bn-eps", "0"]),
                             (["--bn-eps"], ["--bn-eps", "nan"]), (["--activation", "gelu"], ["--activation", "tanh"]),
                             (["--antialias", "blur"], ["--antialias", "median"]),
                             (["--head-pool", "average_max"], ["--head-pool", "max"]),
                             (["--head-widths"], ["--head-widths", "0"]), (["--head-widths"], ["--head-widths", "x"]),
                             (["--negative-slope", "leaky_relu"], ["--negative-slope", "0.2"])):
            self.refuse(2, words, "summary", "resnet18", *flags)


class Backbones(FieldsTest):
    def setUp(self):
        super().setUp()
        self.model = self.path("backbone.safetensors")
        self.succeed("init", "--block", "basic", "--depths", "1,1", "--widths", "8,16", "--classes", "0", "--calibrated",
                     "-o", self.model)
        self.photos = [pictures.write(self.path(f"photos/{i}.png"), pictures.png(50 + i, 40, i)) for i in range(3)]

    def test_it_is_a_network(self):
        summary = json.loads(self.succeed("summary", self.model, "--json"))
        self.assertEqual((summary["classes"], summary["depth"]), (0, 5))
        self.assertEqual(summary["stages"][-1], {"name": "avgpool", "output": [1, 16, 1, 1]})
        self.assertIn("no head", self.succeed("summary", self.model).splitlines()[0])
        self.assertNotIn("fc", self.succeed("summary", self.model, "--tree"))
        self.succeed("draw", "resnet18", "--classes", "0", "-o", self.path("n.svg"))
        self.succeed("bench", self.model, "--batch", "1", "--size", "32")

    def test_what_needs_no_classes_takes_it(self):
        index = self.path("index.npy")
        self.succeed("features", self.model, *self.photos, "-o", index)
        found = json.loads(self.succeed("similar", index, self.photos[1], "--model", self.model, "--json"))
        self.assertEqual(found["matches"][0]["path"], self.photos[1])
        line = json.loads(self.succeed("explain", self.model, self.photos[0], "--method", "eigen", "--json", "-o",
                                       self.path("out")))
        self.assertIsNone(line["class"])
        self.assertTrue(os.path.exists(line["output"]))
        self.succeed("explain", self.model, self.photos[0], "--method", "eigen", "-o", self.path("out"))

    def test_what_needs_classes_says_so(self):
        words = [self.model, "the model has no head"]
        self.refuse(1, words, "predict", self.model, self.photos[0])
        self.refuse(1, words, "explain", self.model, self.photos[0], "-o", self.path("out"))
        self.refuse(1, words, "explain", self.model, self.photos[0], "--method", "ablation", "-o", self.path("out"))
        for name in ("a", "b"):
            pictures.write(self.path(f"data/{name}/1.png"), pictures.png(40, 40))
        self.refuse(1, words, "eval", self.model, self.path("data"))
        self.refuse(1, words, "compare", self.model, self.model, self.path("data"))
        self.refuse(1, words, "quantize", self.model, self.path("data"), "-o", self.path("int8.safetensors"))

    def test_export(self):
        done = json.loads(self.succeed("export", self.model, self.path("b.onnx"), "--json"))
        self.assertEqual((done["output"], done["output_shape"]), ("features", [None, 16]))


if __name__ == "__main__":
    unittest.main()
