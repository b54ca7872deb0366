"""resnet draw: pictures whose boxes and texts do not touch, and what it says to bad input."""
import itertools
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

SVG = "{http://www.w3.org/2000/svg}"
NETWORKS = [[name] for name in ("resnet18", "resnet34", "resnet50", "resnet152", "resnext101_64x4d", "wide_resnet50_2",
                                "resnet18d", "resnet50d", "resnet20", "resnet1202", "plain20", "plain34")] + [
    ["--block", "bottleneck", "--depths", "1"],
    ["--block", "basic", "--depths", "1,1,1,1,1,1,1,1", "--classes", "10000000"],
    ["--block", "bottleneck", "--depths", "9,99,999,9", "--channels", "65536"],
    ["--block", "bottleneck", "--depths", "2,2,2", "--stem", "cifar", "--shortcut", "none", "--classes", "1"],
    ["resnet50", "--dilated-stages", "3", "--stride-on-first"],
    ["resnet20", "--shortcut", "average_pool"],
]


def run(*arguments):
    return subprocess.run([os.environ["RESNET"], "draw", *arguments], capture_output=True, text=True, check=False)


def text_box(element):
    """As wide as in DejaVu Sans, wider than the fonts that the style sheet prefers to it."""
    classes = element.get("class").split()
    size = {"heading": 20, "formula": 15, "small": 11.5}.get(next((c for c in classes if c in
                                                                  ("heading", "formula", "small")), ""), 13)
    width = size * sum(0.85 if c == "×" else 0.66 if c.isdigit() else 0.35 if c in " ,/()" else 0.6
                       for c in element.text or "")
    x = float(element.get("x")) - {"start": 0, "middle": width / 2, "end": width}[element.get("text-anchor")]
    y = float(element.get("y"))
    return x, y - 0.75 * size, x + width, y + 0.2 * size


def rect_box(element):
    x, y, width, height = (float(element.get(name)) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def inside(a, b):
    return b[0] <= a[0] and b[1] <= a[1] and a[2] <= b[2] and a[3] <= b[3]


class DrawTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "network.svg")

    def test_nothing_overlaps(self):
        for network in NETWORKS:
            result = run(*network, "-o", self.path)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""), network)
            root = ElementTree.parse(self.path).getroot()
            rects = [rect_box(element) for element in root.iter(f"{SVG}rect") if element.get("class") != "card"]
            texts = [(text_box(element), element.text) for element in root.iter(f"{SVG}text")]
            card = (0, 0, float(root.get("width")), float(root.get("height")))
            for box in rects + [box for box, _ in texts]:
                self.assertTrue(inside(box, card), (network, box, card))
            for a, b in itertools.combinations(rects, 2):
                self.assertFalse(overlap(a, b), (network, a, b))
            for (a, first), (b, second) in itertools.combinations(texts, 2):
                self.assertFalse(overlap(a, b), (network, first, second))
            for box, text in texts:  # a text stands in a box or outside
                for rect in rects:
                    self.assertTrue(inside(box, rect) or not overlap(box, rect), (network, text, rect))

    def test_repetition_and_scale_are_said(self):
        self.assertEqual(run("resnet152", "-o", self.path).returncode, 0)
        with open(self.path, encoding="utf-8") as file:
            text = file.read()
        for words in (">× 36<", ">× 8<", ">36 blocks<", "logarithmic", "shortcut that changes the shape"):
            self.assertIn(words, text)
        self.assertNotIn(">× 3<", text)  # all three are drawn

    def test_png(self):
        path = os.path.join(self.folder.name, "network.png")
        self.assertEqual(run("resnet18", "-o", path).returncode, 0)
        with open(path, "rb") as file:
            data = file.read()
        self.assertTrue(data.startswith(b"\x89PNG"))
        self.assertEqual(run("resnet18", "-o", self.path).returncode, 0)
        root = ElementTree.parse(self.path).getroot()
        width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        self.assertLess(abs(width - 2 * float(root.get("width"))), 2)  # of which the file has four digits
        self.assertLess(abs(height - 2 * float(root.get("height"))), 2)
        pixels = os.path.join(self.folder.name, "pixels.npy")
        done = subprocess.run([os.environ["RESNET"], "preprocess", path, "--pixels", "-o", pixels], capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(pixels, "rb") as file:
            colours = set(struct.iter_unpack("3B", file.read()[-width * height * 3:]))
        self.assertIn((255, 255, 255), colours)
        self.assertGreater(len(colours), 50)  # edges are blended
        self.assertTrue(any(blue > red + 60 for red, _, blue in colours), "the first stage is blue")

    def test_draws_the_network_of_a_file(self):
        model = os.path.join(self.folder.name, "m.safetensors")
        made = subprocess.run([os.environ["RESNET"], "init", "resnet20", "--depths", "2,1,1", "-o", model],
                              capture_output=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(run(model, "-o", self.path).returncode, 0)
        other = os.path.join(self.folder.name, "other.svg")
        self.assertEqual(run("resnet20", "--depths", "2,1,1", "-o", other).returncode, 0)
        with open(self.path, encoding="utf-8") as file, open(other, encoding="utf-8") as same:
            self.assertEqual(file.read(), same.read())

    def test_overwrites_a_file(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("old")
        self.assertEqual(run("resnet18", "-o", self.path).returncode, 0)
        with open(self.path, encoding="utf-8") as file:
            self.assertIn("<title>resnet18", file.read())

    def check(self, arguments, status, *words):
        result = run(*arguments)
        self.assertEqual(result.returncode, status, result)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for word in ("resnet: ", *words):
            self.assertIn(word, result.stderr)

    def test_bad_input(self):
        self.check(["resent50", "-o", self.path], 1, "resnet50")
        self.check(["resnet18"], 2, "--out is required")
        self.check(["-o", self.path], 2, "--block")
        self.check(["resnet18", "-o", ""], 2, "--out: the name of a file is missing")
        self.check(["resnet18", "-o", self.folder.name], 1, self.folder.name, "directory")
        self.check(["resnet18", "-o", self.folder.name + "/none/a.svg"], 1, "none/a.svg")
        self.check(["resnet18", "-o", self.path, "--depths", "0"], 2, "--depths")
        self.assertFalse(os.path.exists(self.path))

    def test_help_has_an_example(self):
        result = run("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("resnet draw resnet50 -o", result.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
