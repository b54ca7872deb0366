"""What int8 costs at ImageNet's shapes: networks trained for minutes on drawn shapes at 224x224, quantized, evaluated.

  RESNET=build/release/resnet .venv/bin/python tests/reference/shapes_accuracy.py [resnet18 resnet50]

`resnet make-dataset` draws the pictures. PyTorch trains on them, first at 56 and 112 pixels, where pictures cost little, last at 224.
`resnet quantize` calibrates on 256 of the training pictures; `resnet eval` counts mistakes on the 1,000 others. Prints the
tables of docs/precision.md. Fails where int8 is more than 0.5 points worse than fp32, or where fp32 has not learned (60 %).
Everything is kept in build/shapes; remove the folder to start anew.
"""
import json
import os
import subprocess
import sys
import time

import numpy as np
import torch
from PIL import Image

import models
from saving import save_model

RESNET = os.environ.get("RESNET", os.path.join("build", "release", "resnet"))
FOLDER = os.path.join("build", "shapes")
DATA = os.path.join(FOLDER, "data")
MEAN, STD = 0.5, 0.25
PREPROCESSING = {"height": 224, "width": 224, "resize": 0, "interpolation": "bilinear", "mean": [MEAN] * 3, "std": [STD] * 3}
PHASES = {"resnet18": ((56, 16000), (112, 2400), (224, 960)), "resnet50": ((56, 14400), (112, 1600), (224, 640))}
BATCH = 32


def resnet(*arguments):
    result = subprocess.run([RESNET, *map(str, arguments), "--json"], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr.strip())
    return json.loads(result.stdout)


def pictures(size):
    """uint8, count x 3 x size x size, and their classes; an average over boxes where smaller than drawn."""
    names = sorted(os.listdir(os.path.join(DATA, "train")))
    x, y = [], []
    for label, name in enumerate(names):
        folder = os.path.join(DATA, "train", name)
        for file in sorted(os.listdir(folder)):
            with Image.open(os.path.join(folder, file)) as picture:
                x.append(np.asarray(picture.reduce(224 // size)).transpose(2, 0, 1))
            y.append(label)
    return torch.from_numpy(np.stack(x)), torch.tensor(y), names


def turned(x):
    """One of the eight ways to lay the pictures of a batch; shapes are drawn in any direction."""
    if torch.rand(()) < 0.5:
        x = x.flip(3)
    return torch.rot90(x, int(torch.randint(4, ())), (2, 3))


def learning_rate(part):
    """One cycle, from 0 to 0.001 and back."""
    return 1e-3 * min(part / 0.2, (1 - part) / 0.8)


def train(name, path):
    torch.manual_seed(1)
    phases = PHASES[name]
    model = models.build(name, classes=10).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    total, seen, start = sum(count * size for size, count in phases), 0, time.monotonic()
    for size, count in phases:
        x, y, names = pictures(size)
        right = 0
        for step in range(count // BATCH):
            chosen = torch.randint(len(x), (BATCH,))
            batch = turned((x[chosen] / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(seen / total)
            logits = model(batch)
            loss = torch.nn.functional.cross_entropy(logits, y[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            seen += BATCH * size
            right += int((logits.argmax(1) == y[chosen]).sum())
            if step % 25 == 24:
                print(f"{name} {size} pixels, {(step + 1) * BATCH} of {count}: {100 * right / 25 / BATCH:.1f} % right, "
                      f"{time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
                right = 0
    said = {"resnet.preprocessing": json.dumps(PREPROCESSING), "resnet.classes": json.dumps(names)}
    save_model(model.to(memory_format=torch.contiguous_format), path, metadata=said)


def measure(name):
    """What `resnet quantize` says, and the results of `resnet eval` in fp32 and in int8."""
    model, int8, report = (os.path.join(FOLDER, name + end) for end in (".safetensors", "-int8.safetensors", "-int8.json"))
    if not os.path.exists(model):
        train(name, model)
    if not os.path.exists(report):
        said = resnet("quantize", model, DATA, "--only", "train", "--limit", 256, "-o", int8)
        with open(report, "w") as file:
            json.dump(said, file)
    with open(report) as file:
        return json.load(file), *(resnet("eval", path, DATA, "--only", "val") for path in (model, int8))


def decibels(value):
    """Weights that all are whole numbers already have no noise, and JSON no infinity."""
    return "-" if value is None else f"{value:.1f}"


def main():
    if not os.path.exists(DATA):
        resnet("make-dataset", "shapes", "--size", 224, "--train", 4000, "--val", 1000, "--out", DATA)
    results = {name: measure(name) for name in sys.argv[1:] or PHASES}
    print("| | fp32 top-1 | int8 top-1 | layers in fp32 | agreement on the 256 |\n|---|---|---|---|---|")
    for name, (said, fp32, int8) in results.items():
        floats = [layer["name"] for layer in said["layers"] if layer["precision"] == "fp32"]
        print(f"| {name} | {100 * fp32['top1']:.1f} % | {100 * int8['top1']:.1f} % | {', '.join(floats) or 'none'} | "
              f"{100 * said['agreement']:.1f} % |")
    for name, (said, _, _) in results.items():
        print(f"\n| {name} | range | found by | weights | output |\n|---|---|---|---|---|")
        for layer in said["layers"]:
            low = "0" if layer["low"] == 0 else f"{layer['low']:.2f}"
            span = f"{low} to {layer['high']:.2f} | {layer['method']}" if layer["method"] else "float32 | "
            print(f"| `{layer['name']}` | {span} | {decibels(layer['weight_sqnr_db'])} | "
                  f"{decibels(layer['output_sqnr_db'])} |")
    wrong = [name for name, (_, fp32, int8) in results.items() if fp32["top1"] < 0.6 or fp32["top1"] - int8["top1"] > 0.005]
    print(f"\n{'wrong: ' + ', '.join(wrong) if wrong else 'all within 0.5 points'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
