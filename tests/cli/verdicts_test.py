"""What compare, quantize and eval conclude stands in words, first, and figures that say nothing are left out."""
import os
import re
import tempfile
import unittest

import pictures
from pictures import resnet

NAMES = ["cat", "dog", "ship"]


class VerdictsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = root = cls.temporary.name
        cls.model = pictures.small_model(root, "m.safetensors", NAMES)
        many = [f"class {i:02}" for i in range(12)]
        cls.many = pictures.small_model(root, "many.safetensors", many)
        for i in range(24):
            picture = pictures.png(36, 44, i)
            pictures.write(f"{root}/data/{NAMES[i % 3]}/{i:02}.png", picture)
            pictures.write(f"{root}/more/{many[i % 12]}/{i:02}.png", picture)
        cls.int8 = f"{root}/int8.safetensors"
        cls.quantized = cls.ok("quantize", cls.model, f"{root}/data", "-o", cls.int8, "--min-agreement", "0")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def ok(cls, *arguments):
        done = resnet(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def test_quantize_says_first_what_came_of_it(self):
        first, *rest = self.quantized.splitlines()
        self.assertRegex(first, r"int8\.safetensors: int8, (the answers stay|some answers change|but many answers change)")
        self.assertTrue(rest[0].startswith("agreement  "), rest)
        self.assertRegex(rest[1], r"^size       0\.\d+ MB, 0\.\d+ before$")
        self.assertNotIn("output dB", self.quantized)
        verbose = self.ok("quantize", self.model, f"{self.root}/data", "-o", f"{self.root}/v.safetensors", "--verbose")
        self.assertIn("output dB", verbose)
        self.assertGreater(verbose.index("output dB"), verbose.index("agreement"))

    def test_eval_says_in_what_it_ran(self):
        self.assertRegex(self.ok("eval", self.model, f"{self.root}/data"), r"pictures/s, fp32\n")
        self.assertRegex(self.ok("eval", self.int8, f"{self.root}/data"), r"pictures/s, int8\n")
        self.assertRegex(self.ok("eval", self.int8, f"{self.root}/data", "--precision", "fp32"), r"pictures/s, fp32\n")

    def test_five_of_three_is_no_feat(self):
        self.assertNotIn("top-5", self.ok("eval", self.model, f"{self.root}/data"))
        self.assertIn("top-5", self.ok("eval", self.many, f"{self.root}/more"))
        self.assertNotIn("top-5", self.ok("compare", self.model, self.int8, f"{self.root}/data"))
        self.assertIn("top-5", self.ok("compare", self.many, self.many, f"{self.root}/more"))
        for model, data, shown in ((self.model, "data", False), (self.many, "more", True)):
            page = f"{self.root}/{data}.html"
            self.ok("eval", model, f"{self.root}/{data}", "--report", page)
            with open(page, encoding="utf-8") as file:
                self.assertEqual("Top-5" in file.read(), shown)

    def test_compare_ends_in_a_sentence(self):
        self.assertIn("\nThey are right on the same pictures.\n", self.ok("compare", self.model, self.model, f"{self.root}/data"))
        text = self.ok("compare", self.model, self.int8, f"{self.root}/data")
        self.assertRegex(text.splitlines()[-1], r"^(The difference may be chance: |They are right on the same pictures\.)")

    def test_pages_name_pictures_shortly_and_differences_in_points(self):
        page = f"{self.root}/compare.html"
        self.ok("compare", self.many, self.many, f"{self.root}/more", "--report", page)
        with open(page, encoding="utf-8") as file:
            self.assertRegex(file.read(), r"0\.00 points")
        page = f"{self.root}/eval.html"
        self.ok("eval", self.many, f"{self.root}/more", "--report", page)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)
        self.assertTrue(captions)
        for caption in captions:
            self.assertNotIn(self.root, caption)
            self.assertRegex(caption, r"<br>class \d\d/\d\d\.png$")
        self.assertIn('class="heat right"', text)

    def test_explained_pictures_keep_their_folder(self):
        out = f"{self.root}/explained"
        self.ok("explain", self.model, f"{self.root}/data", f"{self.root}/more/class 00/00.png", "-o", out)
        self.assertTrue(os.path.exists(f"{out}/cat/00-explained.png"))
        self.assertTrue(os.path.exists(f"{out}/ship/02-explained.png"))
        self.assertTrue(os.path.exists(f"{out}/00-explained.png"))  # named itself

    def test_a_profile_fits_a_terminal(self):
        for model, rate in ((self.model, "GFLOP/s"), (self.int8, "GOP/s"), ("resnet152", "GFLOP/s")):
            text = self.ok("bench", model, "--batch", "16" if model != "resnet152" else "1", "--threads", "1", "--profile",
                           *(["--size", "32"] if model == "resnet152" else []))
            for line in text.splitlines()[1:]:
                self.assertLessEqual(len(line), 100, line)
            self.assertIn(f"  {rate}", text)
            self.assertEqual("GFLOP/s" in text, rate == "GFLOP/s")
            self.assertNotRegex(text, r"\n +not [^\n]*\n +not ")

    def test_an_int8_model_is_exported_as_such(self):
        said = self.ok("export", self.int8, "-o", f"{self.root}/8.onnx")
        self.assertIn("8.onnx: resnet, int8, opset", said)
        self.assertIn("32.onnx: resnet, fp32, opset", self.ok("export", self.int8, "-o", f"{self.root}/32.onnx", "--fp32"))
        self.assertLess(os.path.getsize(f"{self.root}/8.onnx"), os.path.getsize(f"{self.root}/32.onnx"))
        done = resnet("export", self.int8, "-o", f"{self.root}/x.onnx", "--fp32", "--int8")
        self.assertEqual(done.returncode, 2)
        self.assertTrue(re.search(rb"--(int8|fp32)", done.stderr))


if __name__ == "__main__":
    unittest.main()
