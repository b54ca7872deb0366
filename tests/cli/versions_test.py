"""Files that earlier versions wrote (tests/golden/versions) load, and give the answers that those versions gave."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

RESNET = os.environ["RESNET"]
VERSIONS = os.path.join(os.environ["RESNET_SOURCE_DIR"], "tests", "golden", "versions")
HAS_TRAINER = os.path.exists(os.path.join(os.path.dirname(RESNET), "resnet-train"))
# Of the machine and the moment; or right only to a picture, where a score may fall to either side.
PASSING = {"seconds", "images_per_second", "train_top1", "val_top1", "val_top5", "ema_top1", "ema_top5", "best_top1",
           "best_epoch", "best_is_ema"}


def answers(text):
    """JSON, lines of JSON, or text."""
    for read in (json.loads, lambda lines: [json.loads(line) for line in lines.splitlines()]):
        try:
            return read(text)
        except json.JSONDecodeError:
            pass
    return text


class VersionsTest(unittest.TestCase):
    def same(self, now, then, where):
        if isinstance(then, dict):
            self.assertEqual([key for key in now if key in then], list(then), where)  # what was added since may stand between
            for key in then.keys() - PASSING:
                self.same(now[key], then[key], f"{where} {key}")
        elif isinstance(then, list):
            self.assertEqual(len(now), len(then), where)
            for i, (a, b) in enumerate(zip(now, then)):
                self.same(a, b, f"{where} {i}")
        elif isinstance(then, float):
            self.assertAlmostEqual(now, then, delta=1e-3 * max(abs(then), 1), msg=where)
        else:
            self.assertEqual(now, then, where)

    def ask(self, folder, question):
        done = subprocess.run([RESNET, *question], cwd=folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, (question, done.stderr))
        return done.stdout

    def check(self, version):
        with tempfile.TemporaryDirectory() as root:
            folder = shutil.copytree(os.path.join(VERSIONS, version), os.path.join(root, version))
            with open(os.path.join(folder, "answers.json")) as file:
                written = json.load(file)
            for item in written["answers"]:
                question = item["arguments"]
                with self.subTest(version=version, question=" ".join(question)):
                    if question[0] == "train" and not HAS_TRAINER:
                        self.skipTest("built without the trainer")
                    self.same(answers(self.ask(folder, question)), answers(item["answer"]), " ".join(question))
            if HAS_TRAINER:
                with open(os.path.join(folder, "again", "recipe.toml")) as file:
                    lines = file.read().splitlines()
                old = written["again/recipe.toml"].splitlines()
                self.assertEqual([line for line in lines if line in old], old)  # keys that were added since come between
            for name in ("model", "form"):  # a copy is the same file, to the byte
                self.ask(folder, ["convert", f"{name}.safetensors", "copy.safetensors"])
                with open(f"{folder}/{name}.safetensors", "rb") as old, open(f"{folder}/copy.safetensors", "rb") as new:
                    self.assertEqual(old.read(), new.read(), name)

    def test_files_of_earlier_versions(self):
        versions = sorted(name for name in os.listdir(VERSIONS) if os.path.isdir(os.path.join(VERSIONS, name)))
        self.assertIn("0.1", versions)
        for version in versions:
            self.check(version)


if __name__ == "__main__":
    unittest.main()
