"""resnet eval: folders, archives and labels files give the same answer; classes that do not fit; bad pictures."""
import hashlib
import json
import os
import re
import tarfile
import tempfile
import unittest

import pictures
from pictures import resnet

NAMES = ["dog", "cat", "cow"]


class EvalTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = root = cls.temporary.name
        cls.model = pictures.small_model(root, "m.safetensors", NAMES)
        cls.unnamed = pictures.small_model(root, "unnamed.safetensors")
        cls.labels = {}
        for i in range(30):
            name, picture = NAMES[i % 3], pictures.png(36, 44, i)
            pictures.write(f"{root}/data/test/{name}/{i:02}.png", picture)
            pictures.write(f"{root}/flat/{i:02}.png", picture)
            cls.labels[f"{i:02}.png"] = name
        pictures.write(f"{root}/data/train/dog/1.png", b"never looked at")
        cls.folder = f"{root}/data/test"
        cls.expected = cls.predicted()

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def predicted(cls):
        """Wrong pictures, counted from what predict says."""
        lines = resnet("predict", cls.model, "--json", f"{cls.root}/flat").stdout.splitlines()
        assert len(lines) == 30
        return sum(json.loads(line)["top"][0]["class"] != cls.labels[os.path.basename(json.loads(line)["path"])]
                   for line in lines)

    def evaluate(self, *arguments, model=None):
        done = resnet("eval", model or self.model, "--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout), done.stderr.decode()

    def fails(self, status, text, *arguments):
        done = resnet("eval", *arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr.decode())
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)

    def check(self, result):
        self.assertEqual(result["images"], 30)
        self.assertEqual(result["wrong_top1"], self.expected)
        self.assertEqual(result["wrong_top5"], 0)
        self.assertAlmostEqual(result["top1"], 1 - self.expected / 30)
        self.assertEqual(result["top5"], 1)

    def archive(self, name, mode, form=tarfile.PAX_FORMAT, folder="data"):
        path = f"{self.root}/{name}"
        with tarfile.open(path, mode, format=form) as tar:
            tar.add(f"{self.root}/{folder}", "top/" + folder)
        return path

    def test_streams_count_the_same(self):
        self.check(self.evaluate(self.folder, "--threads", "2", "--streams", "2")[0])

    def test_json_names(self):
        result, said = self.evaluate(self.folder)
        self.check(result)
        self.assertEqual(list(result), ["images", "top1", "top5", "wrong_top1", "wrong_top5", "loss",
                                        "images_per_second"])
        self.assertGreater(result["loss"], 0)
        self.assertGreater(result["images_per_second"], 0)
        self.assertEqual(said, "")

    def test_a_report_tells_the_model(self):
        page = f"{self.root}/page.html"
        result, _ = self.evaluate(self.folder, "--report", page)
        self.check(result)
        with open(self.model, "rb") as file:
            self.assertEqual(result["sha256"], hashlib.sha256(file.read()).hexdigest())
        self.assertEqual((result["model"], result["precision"]), (self.model, "fp32"))
        self.assertGreater(result["macs_per_image"], result["parameters"])
        with open(page, encoding="utf-8") as file:
            numbers = re.search(r'id="numbers"[^>]*>(.*?)</script>', file.read(), re.DOTALL)
        self.assertEqual(json.loads(numbers[1]), result)

    def test_batches_and_limits(self):
        loss = self.evaluate(self.folder)[0]["loss"]
        for batch in (1, 7, 64):
            result, _ = self.evaluate(self.folder, "--batch", batch)
            self.check(result)
            self.assertAlmostEqual(result["loss"], loss, 5)
        self.assertEqual(self.evaluate(self.folder, "--limit", 4)[0]["images"], 4)

    def test_archives(self):
        for mode in ("w", "w:gz"):
            for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
                path = self.archive("data.tar", mode, form)
                self.check(self.evaluate(path, "--only", "top/data/test/")[0])
        self.check(self.evaluate(f"{self.root}/data", "--only", "test")[0])

    def test_labels_files(self):
        forms = {"txt": "".join(f"{file} {label}\n" for file, label in self.labels.items()),
                 "csv": "file,label\n" + "".join(f"{file},{label}\n" for file, label in self.labels.items()),
                 "index": "".join(f"{file} {NAMES.index(label)}\n" for file, label in self.labels.items()),
                 "json": json.dumps(self.labels)}
        tar = self.archive("flat.tar.gz", "w:gz", folder="flat")
        for form, text in forms.items():
            path = pictures.write(f"{self.root}/labels.{form}", text.encode())
            self.check(self.evaluate(f"{self.root}/flat", "--labels", path)[0])
            self.check(self.evaluate(tar, "--only", "top/flat", "--labels", path)[0])
        missing = pictures.write(f"{self.root}/more.txt", (forms["txt"] + "absent.png dog\n").encode())
        self.fails(1, "absent.png: cannot open", self.model, f"{self.root}/flat", "--labels", missing)

    def test_unnamed_classes_are_alphabetical(self):
        result, said = self.evaluate(self.folder, model=self.unnamed)
        self.assertIn("names no classes: its outputs are taken for cat, cow, dog in alphabetical order", said)
        renamed = pictures.small_model(self.root, "sorted.safetensors", sorted(NAMES))
        self.assertEqual(self.evaluate(self.folder, model=renamed)[0]["wrong_top1"], result["wrong_top1"])

    def test_classes_that_do_not_fit(self):
        pictures.write(f"{self.root}/other/doge/1.png", pictures.png(32, 32))
        self.fails(1, "'doge'; did you mean 'dog'?", self.model, f"{self.root}/other")
        self.fails(1, "lies in no class folder", self.model, f"{self.root}/flat")
        four = f"{self.root}/four"
        for name in "abcd":
            pictures.write(f"{four}/{name}/1.png", pictures.png(32, 32))
        self.fails(1, "4 classes in the data, but the model has 3 outputs", self.unnamed, four)

    def test_bad_pictures(self):
        bad = f"{self.root}/bad"
        pictures.write(f"{bad}/cat/1.jpg", b"a text file")
        pictures.write(f"{bad}/dog/2.png", pictures.png(32, 32))
        self.fails(1, "cat/1.jpg", self.model, bad)
        result, said = self.evaluate(bad, "--skip-bad")
        self.assertEqual((result["images"], result["skipped"]), (1, 1))
        self.assertIn("cat/1.jpg", said)
        pictures.write(f"{bad}/cat/new\nline.jpg", b"a text file")
        result, said = self.evaluate(bad, "--skip-bad")
        self.assertEqual((result["skipped"], said.count("\n")), (2, 2), said)

    def test_bad_archives(self):
        path = self.archive("cut.tar.gz", "w:gz")
        with open(path, "rb") as file:
            data = file.read()
        pictures.write(path, data[:-1])
        self.fails(1, "cut.tar.gz: offset", self.model, path, "--only", "top/data/test")
        text = pictures.write(f"{self.root}/text.tar", b"no archive" * 100)
        self.fails(1, "text.tar: offset 0", self.model, text)

    def test_refuses_nonsense(self):
        self.fails(1, "no such file or directory", self.model, "/absent")
        self.fails(2, "--batch", self.model, self.folder, "--batch", "0")
        self.fails(2, "--limit", self.model, self.folder, "--limit", "-3")
        self.fails(2, "--labels", self.model, self.folder, "--labels", "/absent")
        self.fails(1, "is a directory", self.folder, self.folder)


if __name__ == "__main__":
    unittest.main()
