"""100 steps of `resnet train` against the same steps in Python PyTorch: the same first weights, pictures, batches and
schedule, nothing at random. Every loss must agree within 1e-3 of itself. The plain network and the other optimisers take 40
steps; with RESNET_TEST_ALL 100 as well. Exits with 77 without torch or the trainer.

Training is chaotic: each step enlarges what rounding made different before. With batches of 16 and a rate of 0.05 PyTorch
departs from itself by 7e-3 in 100 steps when its tensors lie in another order (channels last), by 3e-2 in the plain
network. These batches and rates are such that it stays within 1e-3 of itself.
"""
import glob
import os
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
except ImportError:
    print("skipped: PyTorch is not installed")
    sys.exit(77)

from PIL import Image

import models
from saving import save_model
import train

LIMIT, BATCH = 1e-3, 64
if not os.path.exists(os.path.join(os.path.dirname(os.environ["RESNET"]), "resnet-train")):
    print("skipped: built without LibTorch")
    sys.exit(77)


def draw_pictures(folder):
    """400 pictures of four classes: stripes of another direction each, and noise."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:16, 0:16]
    for label in range(4):
        os.makedirs(os.path.join(folder, f"class{label}"))
        for i in range(100):
            wave = np.sin(0.7 * (x * np.cos(label * np.pi / 4) + y * np.sin(label * np.pi / 4)) + random.uniform(0, 6.28))
            pixels = 128 + 60 * wave[..., None] * random.uniform(0.2, 1, 3) + random.normal(0, 30, (16, 16, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(os.path.join(folder, f"class{label}", f"{i:03}.png"))


def scalars(path, tag):
    """Step and value of each scalar of a TensorBoard event file."""
    with open(path, "rb") as file:
        data = file.read()
    at, found = 0, {}
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        event = data[at + 12:at + 12 + size]
        at += 16 + size
        name = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15"
        place = event.find(name)
        if place < 0:
            continue
        step, shift, i = 0, 0, 10  # behind the wall time and the key of the step
        while True:
            step |= (event[i] & 0x7F) << shift
            shift += 7
            i += 1
            if event[i - 1] < 0x80:
                break
        (found[step],) = struct.unpack_from("<f", event, place + len(name))
    return found


def compare(optimizer_name, lr, arch="resnet20", steps=100 if os.environ.get("RESNET_TEST_ALL") else 40):
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data")
        draw_pictures(data)
        batches = 400 // BATCH
        epochs = -(-steps // batches)
        model = models.build(arch, classes=4, depths=(1, 1, 1), widths=(8, 16, 32), stem_width=8)
        torch.manual_seed(1)
        models.randomize(model, seed=1)
        save_model(model, os.path.join(folder, "first.safetensors"))
        out = os.path.join(folder, "run")
        command = [os.environ["RESNET"], "train", "--from", os.path.join(folder, "first.safetensors"), "--data", data, "--out", out,
                   "--mean", ",".join(map(str, train.MEAN)), "--std", ",".join(map(str, train.STD)), "--size", "16",
                   "--resize", "0", "--crop", "none", "--flip", "0", "--shuffle", "false", "--batch", BATCH, "--epochs", epochs,
                   "--lr", lr, "--optimizer", optimizer_name, "--weight-decay", "5e-4", "--schedule", "one_cycle", "--peak", "0.25", "--start-factor", "0.1",
                   "--label-smoothing", "0.05"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        ours = scalars(glob.glob(out + "/events.out.tfevents.*")[0], "loss")
        pictures = train.Pictures(data, augment=False)
        optimizer = train.make_optimizer(model.train(), name=optimizer_name)
        items = [pictures[i] for i in range(batches * BATCH)]
        pixels, labels = torch.stack([x for x, _ in items]), torch.tensor([y for _, y in items])
        worst = 0
        for step in range(steps):
            part = slice(step % batches * BATCH, (step % batches + 1) * BATCH)
            loss = train.train_step(model, optimizer, pixels[part], labels[part],
                                    train.learning_rate(step, batches * epochs, lr))
            worst = max(worst, abs(ours[step + 1] - loss) / abs(loss))
        print(f"{arch}, {optimizer_name:6} {steps} steps, last loss {loss:.5f}, largest relative difference {worst:.1e}"
              f"{'' if worst < LIMIT else '  WRONG'}", flush=True)
        return worst < LIMIT


good = [compare("sgd", 5e-3, steps=100), compare("sgd", 5e-3, "plain20"), compare("adamw", 5e-4), compare("lamb", 5e-4)]
sys.exit(0 if all(good) else 1)
