"""torchrun starts two processes of resnet train: one network, and a run that is made once."""
import os
import subprocess
import sys
import tempfile

try:
    import torch.distributed.run  # noqa: F401
except ImportError:
    print("skipped: no torch")
    sys.exit(77)

RESNET = os.environ["RESNET"]
if not os.path.exists(os.path.join(os.path.dirname(RESNET), "resnet-train")):
    print("skipped: built without LibTorch")
    sys.exit(77)

with tempfile.TemporaryDirectory() as root:
    subprocess.run([RESNET, "make-dataset", "shapes", "--out", f"{root}/shapes", "--size", "16", "--train", "64", "--val", "20"],
                   check=True, capture_output=True)
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python",
                           RESNET, "train", "--arch", "resnet20", "--depths", "1,1", "--widths", "8,16", "--preset", "cifar",
                           "--size", "16", "--batch", "32", "--epochs", "2", "--data", f"{root}/shapes", "--out", f"{root}/run"],
                          capture_output=True, text=True, timeout=300)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.returncode
    assert done.stdout.count("epoch 2/2") == 1, "rank 0 alone tells"
    with open(f"{root}/run/metrics.csv") as file:
        assert len(file.read().splitlines()) == 3
