"""The models in models/: small, self-describing, and right about the picture of the demo."""
import glob
import json
import os
import unittest

from pictures import resnet

ROOT = os.environ["RESNET_SOURCE_DIR"]


class ShippedModelTest(unittest.TestCase):
    def test_knows_a_ship(self):
        models = sorted(glob.glob(os.path.join(ROOT, "models", "*.safetensors")))
        self.assertEqual([os.path.basename(path) for path in models],
                         ["resnet20-cifar10-int8.safetensors", "resnet20-cifar10.safetensors"])
        for path in models:
            self.assertLess(os.path.getsize(path), 2 << 20)
            done = resnet("predict", path, os.path.join(ROOT, "tests", "demo.jpg"), "--json")
            self.assertEqual((done.returncode, done.stderr), (0, b""), path)  # no word of what is assumed: the file says it
            best = json.loads(done.stdout)["top"][0]
            self.assertEqual(best["class"], "ship", path)


if __name__ == "__main__":
    unittest.main()
