"""Accuracy of `resnet train` and of the same recipe in Python PyTorch, with augmentation, over several seeds.

    RESNET=build/release/resnet .venv/bin/python tests/reference/train_accuracy.py [--seeds 5] [--epochs 10]

Draws the shapes, trains ResNet-20 from the same first weights for each seed in both, with orders and random changes of
their own, and prints the accuracies of the last epoch, their means, and the difference in standard errors. Exits with 1
where that is above two.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import torch

import models
import train

parser = argparse.ArgumentParser()
parser.add_argument("--seeds", type=int, default=5)
parser.add_argument("--epochs", type=int, default=10)
options = parser.parse_args()
BATCH, RATE = 64, 0.1


def resnet(*arguments):
    return subprocess.run([os.environ["RESNET"], *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def ours(data, weights, seed, out):
    lines = resnet("train", "--from", weights, "--data", data, "--out", out, "--seed", seed, "--epochs", options.epochs, "--batch", BATCH,
                   "--lr", RATE, "--schedule", "one_cycle", "--peak", 0.25, "--start-factor", 0.1, "--weight-decay", 5e-4,
                   "--label-smoothing", 0.05, "--crop", "padded", "--flip", 0.5, "--size", 32, "--resize", 0,
                   "--mean", ",".join(map(str, train.MEAN)), "--std", ",".join(map(str, train.STD)), "--json").splitlines()
    return json.loads(lines[-2])["val_top1"]


def theirs(data, weights, seed):
    torch.manual_seed(seed)
    model = models.build("resnet20", classes=10)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model = model.to(memory_format=torch.channels_last)
    optimizer = train.make_optimizer(model)
    pictures = train.Pictures(f"{data}/train", augment=True)
    steps, step = len(pictures) // BATCH * options.epochs, 0
    model.train()
    for _ in range(options.epochs):
        for x, y in torch.utils.data.DataLoader(pictures, BATCH, shuffle=True, drop_last=True):
            train.train_step(model, optimizer, x, y, train.learning_rate(step, steps, RATE))
            step += 1
    model.eval()
    right, test = 0, train.Pictures(f"{data}/val", augment=False)
    with torch.no_grad():
        for x, y in torch.utils.data.DataLoader(test, 250):
            right += (model(x).argmax(1) == y).sum().item()
    return right / len(test)


with tempfile.TemporaryDirectory() as folder:
    data = f"{folder}/shapes"
    resnet("make-dataset", "shapes", "--out", data, "--size", 32, "--train", 3000, "--val", 1000)
    scores = ([], [])
    for seed in range(1, options.seeds + 1):
        weights = f"{folder}/{seed}.pth"
        resnet("init", "resnet20", "--seed", seed, "-o", weights)
        scores[0].append(ours(data, weights, seed, f"{folder}/run{seed}"))
        scores[1].append(theirs(data, weights, seed))
        print(f"seed {seed}: resnet train {100 * scores[0][-1]:.1f} %, PyTorch {100 * scores[1][-1]:.1f} %", flush=True)
means = [statistics.mean(values) for values in scores]
errors = [statistics.stdev(values) / len(values) ** 0.5 for values in scores]
apart = abs(means[0] - means[1]) / (errors[0] ** 2 + errors[1] ** 2) ** 0.5
print(f"means: resnet train {100 * means[0]:.2f} % (standard error {100 * errors[0]:.2f}), PyTorch {100 * means[1]:.2f} % "
      f"({100 * errors[1]:.2f}); {apart:.1f} standard errors apart")
sys.exit(1 if apart > 2 else 0)
