"""What README.md and the pages of docs/ tell people to type works as it stands, and prints what they show."""
import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

from pictures import SANITIZED, resnet

ROOT = os.environ["RESNET_SOURCE_DIR"]
PROGRAM = os.path.abspath(os.environ["RESNET"])
TRAINS = os.path.exists(os.path.join(os.path.dirname(PROGRAM), "resnet-train"))
SHIPPED = os.path.join(ROOT, "models", "resnet20-cifar10.safetensors")
PAGES = ("checkpoints", "data", "engine", "evaluate", "explain", "json", "model-file", "onnx", "precision")


def blocks(page, kind):
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return re.findall(rf"^```{kind}\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)


def without_digits(text):
    return re.sub(r"\d+", "#", text)


class ExamplesTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name
        self.addCleanup(self.temporary.cleanup)

    def run_line(self, line):
        """A line as people type it, where `resnet` is the program."""
        line = re.sub(r"^(build/release/)?resnet ", shlex.quote(PROGRAM) + " ", line)
        done = subprocess.run(["bash", "-c", line], cwd=self.folder, capture_output=True, text=True, check=False,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})
        contradicted = " check " in line and done.returncode == 1 and "its batch norms contradict" in done.stderr
        self.assertTrue(done.returncode == 0 or contradicted, f"{line}\n{done.stderr}")
        return done.stdout

    def link_the_tree(self):
        for name in ("models", "tests"):
            os.symlink(os.path.join(ROOT, name), os.path.join(self.folder, name))

    def shown(self, page):
        """Runs what stands behind a prompt, and holds what is printed to what stands below it, but for digits."""
        for block in blocks(page, "console"):
            command, _, output = block.partition("\n")
            self.assertEqual(without_digits(self.run_line(command.removeprefix("$ ") + " 2>&1")), without_digits(output))

    def test_readme(self):
        self.link_the_tree()
        lines = [line for block in blocks("README.md", "sh") for line in block.splitlines()]
        self.assertEqual(len(lines), 3)
        self.assertEqual(lines[0], "make build")
        for line in lines[1:]:
            self.run_line(line)
        self.assertTrue(os.path.exists(os.path.join(self.folder, "demo-explained.png")))
        self.assertEqual(len(blocks("README.md", "console")), 1)
        self.shown("README.md")
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            text = file.read().splitlines()
        self.assertLessEqual(len(text), 120)
        self.assertLessEqual(max(map(len, text)), 120)

    def make_what_pages_name(self):
        """A checkpoint, names of classes, photos and a picture of a cat, as far as the network that ships knows them."""
        names = json.loads(resnet("inspect", SHIPPED, "--json").stdout)["metadata"]["resnet.classes"]
        names = json.loads(names) if isinstance(names, str) else names
        with open(os.path.join(self.folder, "names.txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(names))
        self.assertEqual(resnet("convert", SHIPPED, "-o", f"{self.folder}/checkpoint.pth").returncode, 0)
        made = resnet("make-dataset", "shapes", "-o", f"{self.folder}/photos", "--size", "32", "--train", "40", "--val", "20")
        self.assertEqual(made.returncode, 0, made.stderr)
        for part in ("train", "val"):  # drawn shapes stand for what the network knows
            for name, shape in zip(names, sorted(os.listdir(f"{self.folder}/photos/{part}"))):
                os.rename(f"{self.folder}/photos/{part}/{shape}", f"{self.folder}/photos/{part}/{name}")
        shutil.copy(glob.glob(f"{self.folder}/photos/val/*/*.jpg")[0], f"{self.folder}/cat.jpg")

    def test_start(self):
        self.make_what_pages_name()
        lines = [line for block in blocks("docs/start.md", "sh") for line in block.splitlines()]
        self.assertGreaterEqual(len(lines), 12)
        for line in lines:
            if TRAINS or not (line.startswith("resnet train ") or "run/" in line):
                self.run_line(line)
        for made in ("answers.csv", "report.html", "explained/cat-explained.png", "int8.onnx"):
            self.assertTrue(os.path.exists(f"{self.folder}/{made}"), made)

    @unittest.skipIf(SANITIZED, "runs long, and what it runs is tested elsewhere")
    def test_pages(self):
        made = {"explain": ("demo-explained.png", "similar.png"), "evaluate": ("page.html", "both.html"), "onnx": ("resnet20.onnx",),
                "model-file": ("mine.safetensors",)}
        given = self.folder
        self.make_what_pages_name()
        self.link_the_tree()
        shutil.copy(SHIPPED, f"{given}/model.safetensors")
        shutil.copy(SHIPPED.replace(".safetensors", "-int8.safetensors"), f"{given}/int8.safetensors")
        for name in PAGES:
            with self.subTest(name), tempfile.TemporaryDirectory() as self.folder:
                shutil.copytree(given, self.folder, symlinks=True, dirs_exist_ok=True)
                page = f"docs/{name}.md"
                lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
                self.assertTrue(lines or blocks(page, "console"))
                for line in lines:
                    self.run_line(line)
                self.shown(page)
                for file in made.get(name, ()):
                    self.assertTrue(os.path.exists(f"{self.folder}/{file}"), file)


if __name__ == "__main__":
    unittest.main()
