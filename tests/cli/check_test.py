"""`resnet check`: what it prints, its flags and exit status, on networks that others trained and on one that nobody did."""
import glob
import json
import os
import subprocess
import sys
import tempfile
import unittest

import pictures

RESNET = os.environ["RESNET"]
NETWORKS = os.path.join(os.environ["RESNET_SOURCE_DIR"], "tests", "golden", "check")  # trained by reference/train_check_networks.py
BYTES = ["--mean", "0,0,0", "--std", "0.003921569,0.003921569,0.003921569"]
UNIT = ["--mean", "0,0,0", "--std", "1,1,1"]
DATA = os.environ.get("RESNET_TEST_DATA", "")
WEIGHTS = os.path.join(DATA, "weights", "resnet20-12fca82f.th")
CIFAR = os.path.join(DATA, "data", "cifar10-jpeg.tar.gz")


def run(*arguments):
    return subprocess.run([RESNET, "check", *arguments], capture_output=True, text=True)


class CheckTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.model = os.path.join(cls.folder.name, "m.safetensors")
        subprocess.run([RESNET, "init", "resnet20", "--classes", "10", "-o", cls.model], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_says_that_nobody_trained_it(self):
        result = run(self.model, "--preset", "cifar", "--limit", "4", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertTrue(report["drawn"])
        self.assertEqual(report["pictures"], 4)
        self.assertNotIn("stem_pool", report["hypotheses"][0])
        self.assertIn({"tensor": "bn1", "problem": "was never updated: its means are 0 and its variances 1"}, report["weights"])

    def convert(self, source, *arguments, status=0):
        """What `convert` said, and what it wrote into the file."""
        out = os.path.join(self.folder.name, "converted.safetensors")
        result = subprocess.run([RESNET, "convert", source, out, *arguments], capture_output=True, text=True)
        self.assertEqual(result.returncode, status, result.stderr)
        metadata = json.loads(subprocess.run([RESNET, "inspect", out, "--json"], check=True, capture_output=True, text=True).stdout)["metadata"]
        return result, {key: value for key, value in metadata.items() if key.startswith("check.")}, out

    def test_convert_records_the_verdict(self):
        photos = os.path.join(self.folder.name, "photos")
        os.makedirs(photos, exist_ok=True)
        for i in range(3):
            pictures.write(os.path.join(photos, f"{i}.png"), pictures.png(32, 32, i))
        result, recorded, out = self.convert(self.model, "--preset", "cifar", "--check", photos)
        self.assertIn("check: cannot tell: its batch norms were never updated", result.stdout)
        self.assertIn("bn1: was never updated", result.stderr)
        self.assertEqual(recorded.pop("check.distance")[-5], ".")
        self.assertEqual(recorded, {"check.verdict": "cannot tell", "check.contradicted": "false", "check.pictures": "3"})
        # It holds for the network and the preprocessing that were checked, and for no others.
        self.assertEqual(self.convert(out)[1]["check.pictures"], "3")
        self.assertEqual(self.convert(out, "--mean", "0,0,0", "--std", "1,1,1")[1], {})

    def test_convert_refuses_a_check_that_it_cannot_make(self):
        one = pictures.write(os.path.join(self.folder.name, "one.png"), pictures.png(32, 32, 5))
        for out, shown, status, message in (("x.pth", one, 2, "write .safetensors to record a check"),
                                            ("x.safetensors", one, 1, "a check needs two"), ("x.safetensors", "nowhere", 1, "nowhere")):
            path = os.path.join(self.folder.name, out)
            result = subprocess.run([RESNET, "convert", self.model, path, "--preset", "cifar", "--check", shown], capture_output=True, text=True)
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertIn(message, result.stderr)
            self.assertFalse(os.path.exists(path))

    def test_refuses(self):
        one = pictures.write(os.path.join(self.folder.name, "one.png"), pictures.png(32, 32, 5))
        for arguments, message in ((["--limit", "1"], "--limit"), ([one], "pictures: 1 could be read, but a check needs two"),
                                   (["nowhere"], "nowhere"), (["--channel-order", "grb"], "--channel-order")):
            result = run(self.model, "--preset", "cifar", *arguments)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(message, result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)


class DriftTest(unittest.TestCase):
    """`predict` and `eval` look at what the first pictures give the first batch norm."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.shapes = os.path.join(cls.folder.name, "shapes")
        subprocess.run([RESNET, "make-dataset", "shapes", "--out", cls.shapes, "--size", "32", "--train", "80", "--val", "10"],
                       check=True, capture_output=True)
        cls.drawn = os.path.join(cls.shapes, "train")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def warnings(self, command, network, data, *arguments):
        result = subprocess.run([RESNET, command, os.path.join(NETWORKS, f"{network}.safetensors"), data, "--preset", "cifar", *arguments],
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        found = [line for line in result.stderr.splitlines() if "contradicts" in line]
        self.assertTrue(all(len(line) < 500 for line in found))
        return found

    def test_warns_once_where_the_scale_is_absurd(self):
        for command in ("predict", "eval"):
            for network, said, fits in (("usual", BYTES, "--std 0.2"), ("usual", UNIT, "--std 0.2"), ("range-255", [], BYTES[-1]),
                                        ("range-255", UNIT, BYTES[-1])):
                found = self.warnings(command, network, self.drawn, *said)
                self.assertEqual(len(found), 1, (command, network, said, found))
                self.assertIn(fits, found[0])
                self.assertIn("'resnet check' tells more", found[0])
                self.assertEqual(self.warnings(command, network, self.drawn, *said, "--no-check"), [])

    def test_is_silent_where_the_model_is_right(self):
        for network, said in (("usual", []), ("range-255", BYTES), ("range-1", UNIT), ("mean-half", ["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"])):
            for command in ("predict", "eval"):
                self.assertEqual(self.warnings(command, network, self.drawn, *said), [])
            for name, pixel in (("black", lambda x, y, i: (0, 0, 0)), ("gray", lambda x, y, i: (8 * x, 8 * x, 8 * x)),
                                ("checks", lambda x, y, i: (255 * ((x + y + i) % 2),) * 3), ("blue", lambda x, y, i: (3 * x, 4 * y, 255)),
                                ("flat", lambda x, y, i: (16 * i % 256, 40, 160))):
                folder = os.path.join(self.folder.name, name)
                if not os.path.isdir(folder):
                    os.makedirs(folder)
                    for i in range(16):
                        rows = [[value for x in range(32) for value in pixel(x, y, i)] for y in range(32)]
                        pictures.write(os.path.join(folder, f"{i:02}.png"), pictures.png_of(rows))
                self.assertEqual(self.warnings("predict", network, folder, *said), [], name)

    def test_is_silent_on_every_network_that_is_right(self):
        with open(os.path.join(NETWORKS, "truth.json"), encoding="utf-8") as file:
            truth = json.load(file)
        networks = [os.path.basename(path).removesuffix(".safetensors") for path in glob.glob(f"{NETWORKS}/*.safetensors")]
        self.assertGreaterEqual(len(networks), 20)
        for network in networks:
            how = truth[network]
            unit = 255 if how["range"] == "0..255" else 1
            flags = ["--channel-order", how["channels"]]
            for name in ("mean", "std"):
                flags += [f"--{name}", ",".join(str(value / unit) for value in how[name])]
            for field, value in how["architecture"].items():
                text = ",".join(map(str, value)) if isinstance(value, list) else str(value).lower()
                flags.append(f"--{field.replace('_', '-')}={text}")
            self.assertEqual(self.warnings("predict", network, self.drawn, *flags), [], network)

    def test_says_nothing_of_few_pictures(self):
        few = sorted(glob.glob(f"{self.drawn}/*/*"))[::6][:15]
        self.assertEqual(self.warnings("predict", "usual", few[0], *few[1:], *BYTES), [])


@unittest.skipIf(pictures.SANITIZED, "takes long beside a sanitizer")
@unittest.skipUnless(os.path.exists(WEIGHTS), "RESNET_TEST_DATA has no weights")
class TrainedTest(unittest.TestCase):
    """The truth: RGB, ImageNet's mean and std, no pooling, option A, ReLU (its author's words)."""

    def check(self, *arguments, status=0):
        result = run(WEIGHTS, "--preset", "cifar", CIFAR, "--only", "test", "--json", *arguments)
        self.assertEqual(result.returncode, status, result.stderr)
        return json.loads(result.stdout)

    def test_is_what_it_is(self):
        for pictures_at_most in ("16", "64"):
            report = self.check("--limit", pictures_at_most)
            first = report["hypotheses"][0]
            self.assertTrue(first["stated"])
            self.assertEqual(first["mean"], [0.485, 0.456, 0.406])
            self.assertEqual((first["channels"], first["range"], first["stem_pool"], first["activation"], first["shortcut"]),
                             ("rgb", "0..1", "none", "relu", "padding"))
            self.assertFalse(report["contradicted"])
            self.assertEqual(report["flags"], "")
            distances = [hypothesis["distance"] for hypothesis in report["hypotheses"]]
            self.assertEqual(distances, sorted(distances))
            self.assertLess(distances[0], 0.03)

    def test_contradicts_what_was_said(self):
        for said, found in ((["--mean", "0,0,0", "--std", "0.00392,0.00392,0.00392"], "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
                            (["--stem-pool", "max"], "--stem-pool none"), (["--activation", "gelu"], "--activation relu"),
                            (["--shortcut", "none"], "--shortcut padding"),
                            (["--channel-order", "bgr", "--limit", "256"], "--channel-order rgb")):
            report = self.check(*said, status=1)
            self.assertTrue(report["contradicted"], said)
            self.assertEqual(report["flags"], found)
            self.assertNotEqual(report["verdict"], "cannot tell")
        plain = run(WEIGHTS, "--preset", "cifar", CIFAR, "--only", "test", "--stem-pool", "max")
        self.assertEqual(plain.returncode, 1)
        self.assertIn("flags     --stem-pool none\n", plain.stdout)
        self.assertIn("its batch norms contradict what it says", plain.stderr)

    def test_convert_tells_a_contradiction(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "m.safetensors")
            for pool, status, verdict in (("none", 0, "likely"), ("max", 1, "sure")):
                result = subprocess.run([RESNET, "convert", WEIGHTS, out, "--preset", "cifar", "--stem-pool", pool, "--check", CIFAR],
                                        capture_output=True, text=True)
                self.assertEqual(result.returncode, status, result.stderr)
                metadata = json.loads(subprocess.run([RESNET, "inspect", out, "--json"], check=True, capture_output=True, text=True).stdout)["metadata"]
                self.assertEqual((metadata["check.verdict"], metadata["check.contradicted"]), (verdict, ["false", "true"][status]))
                self.assertIn("resnet.preprocessing", metadata)
            self.assertIn(f"{out}: was written, but its batch norms contradict it; convert again with --stem-pool none\n", result.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2)
