"""Images per second of `resnet train` and of the same recipe in Python PyTorch, interleaved, start-up and data path and all.

    RESNET=build/release/resnet train_speed.py [--rounds 3] [--arch resnet20 --batch 128 --size 32 --images 2560]
        [--precision fp32] [--compiled]

Prints for each program the median over rounds of the rate of its last epoch and of the whole process. Not a test: what it
prints belongs to the machine.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--arch", default="resnet20")
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--images", type=int, default=2560)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--precision", default="fp32")
parser.add_argument("--compiled", action="store_true", help="beside torch.compile as well, whose first epoch compiles")
options = parser.parse_args()

folder = tempfile.TemporaryDirectory()
data = os.path.join(folder.name, "data")
random = np.random.default_rng(1)
for i in range(options.images):
    path = os.path.join(data, f"class{i % 10}", f"{i}.jpg")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    small = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(small).resize((options.size, options.size)).save(path, quality=90)


def ours(round):
    return [os.environ["RESNET"], "train", "--arch", options.arch, "--data", data, "--out", os.path.join(folder.name, f"run{round}"),
            "--size", options.size, "--resize", 0, "--mean", "0.4914,0.4822,0.4465", "--std", "0.247,0.2435,0.2616", "--crop", "padded",
            "--flip", 0.5, "--batch", options.batch, "--epochs", options.epochs, "--lr", 0.01, "--weight-decay", 5e-4,
            "--precision", options.precision, "--json"]


def theirs(_, *extra):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "train.py")
    return [sys.executable, script, data, "--arch", options.arch, "--batch", options.batch, "--epochs", options.epochs,
            "--precision", options.precision, *extra]


programs = {"resnet train": ours, "PyTorch eager": theirs,
            "PyTorch eager, channels last": lambda round: theirs(round, "--channels-last")}
if options.compiled:
    programs["PyTorch compiled"] = lambda round: theirs(round, "--compile")
    programs["PyTorch compiled, channels last"] = lambda round: theirs(round, "--channels-last", "--compile")
rates = {name: ([], []) for name in programs}
for round in range(options.rounds):
    for name, command in programs.items():
        begin = time.time()
        done = subprocess.run(list(map(str, command(round))), capture_output=True, text=True, check=True)
        seconds = time.time() - begin
        epochs = [json.loads(line) for line in done.stdout.splitlines() if '"images_per_second"' in line]
        rates[name][0].append(epochs[-1]["images_per_second"])
        rates[name][1].append(options.images * options.epochs / seconds)
print(f"{options.arch}, batch {options.batch}, {options.size}x{options.size}, {options.precision}: pictures/s of the last epoch, of the process")
for name, (epoch, process) in rates.items():
    print(f"{name:32} {statistics.median(epoch):8.1f} {statistics.median(process):8.1f}")
