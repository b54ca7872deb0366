"""What int8 and bf16 cost in accuracy on real pictures: weights that others trained, 10,000 pictures of CIFAR-10.

int8 is calibrated on pictures of train/ alone, and may be wrong on 30 pictures more or fewer than float32 is (0.3 points). bf16
may be wrong on 10 (0.1 points); where the processor does not multiply bfloat16, the reference computes the first 500 pictures, all of
them in the long runs.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

DATA = os.environ.get("RESNET_TEST_DATA")
WRONG = {"resnet20-12fca82f.th": 1897, "resnet32-d509ac18.th": 1744}  # in float32, of 10,000


def resnet(*arguments, isa=None):
    environment = {**os.environ, **({"RESNET_ISA": isa} if isa else {})}
    done = subprocess.run([os.environ["RESNET"], *map(str, arguments), "--json"], capture_output=True, check=False,
                          env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class PrecisionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.archive = os.path.join(DATA, "data", "cifar10-jpeg.tar.gz")
        cls.folder = tempfile.TemporaryDirectory()
        with open("/proc/cpuinfo", encoding="ascii") as file:
            cls.has_bf16 = "avx512_bf16" in file.read()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def wrong(self, model, *options, isa=None):
        result = resnet("eval", model, self.archive, "--only", "test", "--preset", "cifar", "--batch", 32, *options, isa=isa)
        print(os.path.basename(model), *options, result)
        return result["wrong_top1"]

    def test_int8(self):
        for name, wrong in WRONG.items():
            int8 = os.path.join(self.folder.name, name + ".safetensors")
            report = resnet("quantize", os.path.join(DATA, "weights", name), self.archive, "--only", "train", "--preset",
                            "cifar", "-o", int8)
            print(name, "agreement", report["agreement"], "in fp32:",
                  [layer["name"] for layer in report["layers"] if layer["precision"] == "fp32"])
            self.assertLessEqual(abs(self.wrong(int8) - wrong), 30)

    def test_bf16(self):
        every = self.has_bf16 or os.environ.get("RESNET_TEST_ALL")
        limit = [] if every else ["--limit", 500]
        for name, wrong in WRONG.items():
            model = os.path.join(DATA, "weights", name)
            if limit:
                wrong = self.wrong(model, *limit)
            got = self.wrong(model, "--precision", "bf16", *limit, isa=None if self.has_bf16 else "ref")
            self.assertLessEqual(abs(got - wrong), 10 if every else 1)


if __name__ == "__main__":
    if not DATA:
        print("skipped: RESNET_TEST_DATA does not name the folder with the weights and the CIFAR-10 archive")
        sys.exit(77)
    unittest.main()
