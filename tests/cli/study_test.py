"""resnet study degradation: networks of two depths, results for people and programs; nothing is done twice."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

import pictures
from pictures import resnet

TRAINER = os.path.join(os.path.dirname(os.environ["RESNET"]), "resnet-train")


@unittest.skipUnless(os.path.exists(TRAINER), "built without the trainer")
@unittest.skipIf(pictures.SANITIZED, "runs long beside a sanitizer")
class StudyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.data = os.path.join(cls.temporary.name, "shapes")
        done = resnet("make-dataset", "shapes", "--out", cls.data, "--size", 32, "--train", 260, "--val", 20)
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def arguments(self, out, *more):
        return ["study", "degradation", "--data", self.data, "--epochs", "1", "--out", os.path.join(self.temporary.name, out), *more]

    def test_trains_draws_and_does_nothing_twice(self):
        before = resnet(*self.arguments("study", "--depths", "32"))
        self.assertEqual(before.returncode, 0, before.stderr)
        arguments = self.arguments("study", "--depths", "20,32")
        first = resnet(*arguments)
        self.assertEqual(first.returncode, 0, first.stderr)
        lines = first.stdout.decode().splitlines()
        self.assertEqual(lines[0], "networks plain20 resnet20 plain32 resnet32  epochs 1  seeds 1  pictures 260 to learn from, 20 to test "
                         "with")
        epochs = [line for line in lines if "epoch 1/1" in line]
        self.assertEqual([line.split()[0] for line in epochs], ["plain20", "resnet20"])
        self.assertRegex(epochs[0], r"pictures/s  \d+:\d\d  study \d+:\d\d left$")
        self.assertTrue(epochs[1].endswith("  study 0:00 left"), epochs[1])  # what comes was done before
        self.assertIn(b"| plain32 |", first.stdout)
        self.assertIn(b"is hardly better than chance on its training pictures yet", first.stdout)
        self.assertNotIn(b"the deeper one", first.stdout)
        folder = os.path.join(self.temporary.name, "study")
        for name in ("plain.svg", "residual.svg", "study.html", "study.json", "table.md", "plain20-seed0/best.safetensors"):
            self.assertGreater(os.path.getsize(os.path.join(folder, name)), 100, name)
        before = os.path.getmtime(os.path.join(folder, "resnet32-seed0", "best.safetensors"))
        again = resnet(*arguments, "--json")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(os.path.getmtime(os.path.join(folder, "resnet32-seed0", "best.safetensors")), before)
        results = json.loads(again.stdout)
        self.assertEqual([r["network"] for r in results["results"]], ["plain20", "plain32", "resnet20", "resnet32"])
        self.assertEqual(len(results["runs"][0]["history"]), 1)
        with open(os.path.join(folder, "study.json")) as file:
            self.assertEqual(json.load(file), results)

    def test_goes_on_where_it_was_stopped(self):
        arguments = self.arguments("stopped", "--depths", "20")
        process = subprocess.Popen([os.environ["RESNET"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertIn(b"networks plain20 resnet20", process.stdout.readline())
        self.assertIn(b"plain20 seed 0  epoch 1/1", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 128 + signal.SIGINT, errors)
        done = resnet(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(b"plain20 seed 0  epoch", done.stdout)
        self.assertIn(b"resnet20 seed 0  epoch 1/1", done.stdout)

    def test_says_what_is_wrong_before_it_begins(self):
        for more, text in ((("--depths", "18"), "--depths"), (("--epochs", "0"), "--epochs"), (("--data", "absent"), "absent"),
                           (("--data", os.path.join(self.data, "train")), "brings no test pictures")):
            begin = time.time()
            arguments = [a for a in self.arguments("wrong", *more)]
            if "--data" in more:
                arguments[2:4] = []
            done = resnet(*arguments)
            self.assertIn(done.returncode, (1, 2), more)
            self.assertIn(text, done.stderr.decode())
            self.assertLess(time.time() - begin, 30)
            self.assertFalse(os.path.exists(os.path.join(self.temporary.name, "wrong")))


if __name__ == "__main__":
    unittest.main()
