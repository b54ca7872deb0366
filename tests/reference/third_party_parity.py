"""Weights that others trained are wrong on exactly as many pictures as in PyTorch; with Winograd, within two of that."""
import json
import os
import subprocess
import sys
import unittest

DATA = os.environ.get("RESNET_TEST_DATA")
WRONG = {"resnet20-12fca82f.th": 1897, "resnet32-d509ac18.th": 1744}  # of 10,000; PyTorch with Pillow


class ThirdPartyTest(unittest.TestCase):
    def test_cifar_networks(self):
        archive = os.path.join(DATA, "data", "cifar10-jpeg.tar.gz")
        for weights, wrong in WRONG.items():
            for algorithms, allowed in (("direct", 0), ("winograd", 2)):
                done = subprocess.run([os.environ["RESNET"], "eval", os.path.join(DATA, "weights", weights), archive,
                                       "--only", "test", "--preset", "cifar", "--batch", "32", "--json",
                                       "--algorithms", algorithms], capture_output=True, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                result = json.loads(done.stdout)
                print(weights, algorithms, result)
                self.assertEqual(result["images"], 10000)
                self.assertLessEqual(abs(result["wrong_top1"] - wrong), allowed)


if __name__ == "__main__":
    if not DATA:
        print("skipped: RESNET_TEST_DATA does not name the folder with the weights and the CIFAR-10 archive")
        sys.exit(77)
    unittest.main()
