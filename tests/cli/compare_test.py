"""resnet compare: counts that agree with what predict says, also where the models order their classes differently."""
import json
import os
import tempfile
import unittest

import pictures
from pictures import resnet

NAMES = ["dog", "cat", "cow"]
OTHER_ORDER = ["cow", "dog", "cat"]


class CompareTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = root = cls.temporary.name
        cls.a = pictures.small_model(root, "a.safetensors", NAMES)
        cls.b = pictures.small_model(root, "b.safetensors", OTHER_ORDER)  # the same outputs by other names
        cls.truth = {}
        for i in range(30):
            path = pictures.write(f"{root}/data/{NAMES[i % 3]}/{i:02}.png", pictures.png(36, 44, 7 * i))
            cls.truth[path] = NAMES[i % 3]

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def compare(self, a, b, *arguments):
        done = resnet("compare", a, b, f"{self.root}/data", "--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def answers(self, model):
        lines = resnet("predict", model, "--json", f"{self.root}/data").stdout.splitlines()
        return {answer["path"]: answer["top"][0]["class"] for answer in map(json.loads, lines)}

    def test_classes_are_matched_by_name(self):
        page = f"{self.root}/page.html"
        result = self.compare(self.a, self.b, "--report", page)
        a, b = self.answers(self.a), self.answers(self.b)
        self.assertNotEqual(a, b)
        self.assertEqual(result["same_answer"], sum(a[path] == b[path] for path in self.truth))
        for name, there, other in (("only_a_right", a, b), ("only_b_right", b, a)):
            self.assertEqual(result[name], sum(there[path] == right != other[path] for path, right in self.truth.items()))
        self.assertEqual([entry["class"] for entry in result["classes"]], OTHER_ORDER)
        for entry in result["classes"]:
            paths = [path for path, right in self.truth.items() if right == entry["class"]]
            self.assertEqual(entry["images"], len(paths))
            for recall, said in (("recall_a", a), ("recall_b", b)):
                self.assertAlmostEqual(entry[recall], sum(said[path] == entry["class"] for path in paths) / len(paths))
        self.assertGreater(os.path.getsize(page), 10_000)

    def test_the_names_of_either_serve(self):
        unnamed = pictures.small_model(self.root, "unnamed.safetensors", outputs=3)
        labels = pictures.write(f"{self.root}/labels.csv", "".join(
            f"{os.path.relpath(path, self.root + '/data')},{NAMES.index(name)}\n" for path, name in self.truth.items()).encode())
        result = self.compare(self.a, unnamed, "--labels", labels)
        self.assertEqual([entry["class"] for entry in result["classes"]], NAMES)
        self.assertEqual(result["same_answer"], 30)

    def test_what_does_not_fit(self):
        other = pictures.small_model(self.root, "other.safetensors", ["dog", "cat", "Cow"])
        wide = pictures.small_model(self.root, "wide.safetensors", [*NAMES, "pig"])
        for b, text in ((other, "other.safetensors: has no class 'cow'"), (wide, "wide.safetensors: 4 classes")):
            done = resnet("compare", self.a, b, f"{self.root}/data")
            self.assertEqual(done.returncode, 1)
            self.assertIn(text, done.stderr.decode())
            self.assertEqual((done.stdout, done.stderr.count(b"\n")), (b"", 1))
        done = resnet("compare", other, other, f"{self.root}/data")
        self.assertIn("other.safetensors: 1 of 3 labels fit no class of the model: 'cow'", done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
