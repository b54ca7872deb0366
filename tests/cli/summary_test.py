"""resnet summary: its tables, its JSON, and what it says to bad input."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ISSUE_FORM = ["--block", "bottleneck", "--depths", "3,4,6,3", "--channels", "3", "--classes", "1000"]


def run(*arguments):
    return subprocess.run([os.environ["RESNET"], "summary", *arguments], capture_output=True, text=True, check=False)


class SummaryTest(unittest.TestCase):
    def succeed(self, *arguments):
        result = run(*arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
        return result.stdout

    def fail_with(self, arguments, status, *words):
        result = run(*arguments)
        self.assertEqual(result.returncode, status, (arguments, result.stderr))
        self.assertEqual(result.stdout, "", arguments)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for word in ("resnet: ", *words):
            self.assertIn(word, result.stderr, arguments)

    def json(self, *arguments):
        return json.loads(self.succeed(*arguments, "--json"))


class Tables(SummaryTest):
    def test_layers_and_stages(self):
        table = self.succeed("resnet50", "--input", "4x3x224x224")
        self.assertIn("25,557,032 parameters", table)
        stages = table[table.index("after "):].splitlines()[1:8]
        self.assertEqual([line.split() for line in stages], [
            ["conv1", "4x64x112x112"], ["maxpool", "4x64x56x56"], ["layer1", "4x256x56x56"], ["layer2", "4x512x28x28"],
            ["layer3", "4x1024x14x14"], ["layer4", "4x2048x7x7"], ["fc", "4x1000"]])

    def test_tutorial_layout(self):
        self.assertIn("25,583,592 parameters", self.succeed("resnet50", "--layout", "tutorial"))
        self.assertIn("identity_downsample", self.succeed("resnet50", "--layout", "tutorial", "--tree"))

    def test_general_form_is_resnet50(self):
        general, named = self.json(*ISSUE_FORM), self.json("resnet50")
        self.assertEqual((general.pop("name"), named.pop("name")), ("resnet", "resnet50"))
        self.assertEqual(general, named)

    def test_general_form_of_cifar(self):
        general = self.json("--block", "basic", "--depths", "3,3,3", "--stem", "cifar", "--shortcut", "padding",
                            "--classes", "10")
        self.assertEqual(general["widths"], [16, 32, 64])
        self.assertEqual(general["parameters"], self.json("resnet20")["parameters"])

    def test_options_change_a_network(self):
        self.assertEqual(self.json("resnet50", "--dilated-stages", "2")["stages"][-2]["output"], [1, 2048, 28, 28])
        self.assertEqual(self.json("resnet50", "--classes", "7", "--channels", "1")["input"], [1, 1, 224, 224])
        paper = {layer["name"]: layer for layer in self.json("resnet50", "--stride-on-first")["layers"]}
        self.assertEqual(paper["layer2.0.conv1"]["output"], [1, 128, 28, 28])
        option_b = self.json("resnet20", "--shortcut", "projection")
        self.assertEqual((option_b["name"], option_b["parameters"]), ("resnet20", 272474))
        wide = self.json("resnet18", "--widths", "32,64,128,256")
        self.assertEqual((wide["name"], wide["stem_width"]), ("resnet", 32))

    def test_executed_shapes_are_the_computed_ones(self):
        for network in (["resnet18", "--input", "2x3x65x97"], ["resnet50d", "--input", "1x3x64x64"], ["resnet20"],
                        ["resnet50", "--layout", "tutorial", "--dilated-stages", "1", "--input", "1x3x64x33"]):
            computed, executed = self.json(*network), self.json(*network, "--run")
            self.assertEqual((computed.pop("executed"), executed.pop("executed")), (False, True))
            self.assertEqual(computed, executed, network)
        self.assertIn("forward pass", self.succeed("resnet20", "--run"))

    def test_json_adds_up(self):
        summary = self.json("resnext50_32x4d", "--input", "2x3x224x224")
        self.assertEqual(sum(layer["parameters"] for layer in summary["layers"]), summary["parameters"])
        self.assertEqual(sum(layer["macs"] for layer in summary["layers"]), summary["macs"])
        self.assertEqual(summary["macs"], 2 * summary["macs_per_image"])
        self.assertEqual(summary["depth"], 50)

    def test_compare(self):
        table = self.succeed("--compare", "resnet18,resnet34,resnet50,resnet101,resnet152")
        for words in (["MACs", "1.81", "G", "3.66", "G", "4.09", "G", "7.80", "G", "11.5", "G"],
                      ["depth", "18", "layers", "34", "layers", "50", "layers", "101", "layers", "152", "layers"],
                      ["parameters", "11,689,512", "21,797,672", "25,557,032", "44,549,160", "60,192,808"]):
            self.assertIn(words, [line.split() for line in table.splitlines()])
        self.assertIn("⎢3×3, 256 ⎥ ×36", table)
        self.assertIn("25,583,592", self.succeed("--compare", "resnet18,resnet50", "--layout", "tutorial"))
        networks = self.json("--compare", "resnet18,plain18")["networks"]
        self.assertEqual([network["name"] for network in networks], ["resnet18", "plain18"])

    def test_help_has_an_example(self):
        self.assertIn("resnet summary resnet50 --input 4x3x224x224", self.succeed("--help"))


class Files(SummaryTest):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "model.safetensors")

    def test_a_file_is_summarized_as_its_network(self):
        subprocess.run([os.environ["RESNET"], "init", "resnet20", "--classes", "7", "-o", self.path], check=True,
                       capture_output=True)
        self.assertEqual(self.json(self.path), self.json("resnet20", "--classes", "7"))
        self.assertEqual(self.succeed(self.path, "--tree"), self.succeed("resnet20", "--classes", "7", "--tree"))
        self.assertTrue(self.json(self.path, "--run")["executed"])
        self.fail_with([self.path, "--classes", "3"], 2, "--classes", self.path)
        self.fail_with([self.path, "--layout", "tutorial"], 1, "layout")

    def test_bad_files(self):
        self.fail_with([self.path], 1, self.path)
        self.fail_with([self.folder.name], 1, self.folder.name)
        with open(self.path, "wb") as file:
            file.write(b"nothing of the kind")
        self.fail_with([self.path], 1, self.path)


class BadInput(SummaryTest):
    def test_names(self):
        self.fail_with(["resent50"], 1, "'resent50'", "resnet50")
        self.fail_with(["--compare", "resnet18,resnet35"], 1, "'resnet35'", "resnet34")
        self.fail_with([], 2, "--block", "--depths")
        self.fail_with(["resnet18", "resnet34"], 2, "resnet34")
        self.fail_with(["resnet18", "--compare", "resnet18"], 2, "--compare")

    def test_numbers(self):
        for option, value in (("--depths", "3,x"), ("--depths", "3,"), ("--depths", "0,1,1,1"), ("--depths", "-1"),
                              ("--depths", "9999999999"), ("--depths", "1,1,1,1,1,1,1,1,1"), ("--widths", "64"),
                              ("--widths", "0,0,0,0"), ("--classes", "-5"), ("--classes", "ten"),
                              ("--classes", "99999999999999999999"), ("--channels", "0"), ("--channels", "1e9"),
                              ("--dilated-stages", "4"), ("--dilated-stages", "-1"), ("--groups", "0"),
                              ("--stem-width", "0"), ("--width-per-group", "0")):
            self.fail_with(["resnet50", option, value], 2, option)
        self.fail_with(["resnet18", "--groups", "2"], 2, "--groups")

    def test_words(self):
        self.fail_with(["resnet18", "--block", "cube"], 2, "--block", "'cube'", "basic, bottleneck")
        self.fail_with(["resnet18", "--stem", "vgg"], 2, "--stem", "'vgg'")
        self.fail_with(["resnet18", "--shortcut", "A"], 2, "--shortcut", "padding")
        self.fail_with(["resnet18", "--layout", "keras"], 2, "--layout", "tutorial")
        self.fail_with(["resnet20", "--layout", "tutorial"], 2, "--layout")
        self.fail_with(["resnet18", "--stride-on-first"], 2, "--stride-on-first")
        self.fail_with(["resnet18", "--colour"], 2, "--colour")

    def test_inputs(self):
        for value in ("", "4x3", "4,3,2,2", "axbxcxd", "1x3x224x224x1", "1x3x0x224", "0x3x8x8", "-1x3x8x8",
                      "1x1x224x224", "1x3x70000x8", "99999999999x3x8x8"):
            self.fail_with(["resnet18", "--input", value], 2, "--input")

    def test_combinations(self):
        self.fail_with(["resnet18", "--tree", "--json"], 2, "--tree", "--json")
        self.fail_with(["--compare", "resnet18,resnet34", "--classes", "10"], 2, "--classes", "--compare")
        self.fail_with(["--compare", "resnet18,resnet20", "--layout", "tutorial"], 1, "layout")
        self.fail_with(["resnet18", "--tree", "--run"], 2, "--tree", "--run")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
