"""The yardstick of `resnet train`: the same recipe in Python PyTorch.

As a program it trains a network of the catalog on a folder of class folders with pad-and-crop and flip, as a PyTorch user
would write it, and prints the images per second of each epoch as JSON lines:

    train.py FOLDER --arch resnet20 --batch 128 --epochs 2 --precision bf16

train_loss_parity.py compares losses step by step with the trainer's; train_speed.py times both.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch
from PIL import Image

import models

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def learning_rate(step, steps, lr, peak=0.25, start=0.1, end=0.0):
    """One cycle, as src/recipe/schedule.h says it, written again."""
    top = peak * steps - 1
    if step <= top:
        low, high, part = start, 1.0, step / top
    else:
        low, high, part = 1.0, end, (step - top) / (steps - 1 - top)
    return lr * (high + (low - high) * (1 + math.cos(math.pi * part)) / 2)


class Lamb(torch.optim.Optimizer):
    """You et al. 2019 (arXiv:1904.00962), algorithm 2; without weight decay, AdamW's step."""

    def __init__(self, groups, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(groups, {"lr": 0, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                state["t"] += 1
                for name, value, beta in (("m", p.grad, group["betas"][0]), ("v", p.grad**2, group["betas"][1])):
                    state[name] = beta * state[name] + (1 - beta) * value
                m, v = (state[name] / (1 - beta**state["t"]) for name, beta in zip("mv", group["betas"]))
                update = m / (v.sqrt() + group["eps"]) + group["weight_decay"] * p
                trust = p.norm() / update.norm() if group["weight_decay"] and p.norm() > 0 and update.norm() > 0 else 1
                p -= group["lr"] * trust * update


def make_optimizer(model, weight_decay=5e-4, name="sgd"):
    """SGD with Nesterov's momentum, AdamW or LAMB; weight decay off for batch norms and biases."""
    decayed = [value for value in model.parameters() if value.dim() > 1]
    others = [value for value in model.parameters() if value.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    if name == "adamw":
        return torch.optim.AdamW(groups)
    return Lamb(groups) if name == "lamb" else torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)


def train_step(model, optimizer, x, y, lr, label_smoothing=0.05, precision="fp32"):
    """Gives the loss before the step."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        logits = model(x)
    loss = torch.nn.functional.cross_entropy(logits.float(), y, label_smoothing=label_smoothing)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()


def normalize(pixels):
    """HWC bytes to a CHW float tensor."""
    x = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


class Pictures(torch.utils.data.Dataset):
    """A folder of class folders, in the order of classes and files."""

    def __init__(self, folder, augment):
        self.augment = augment
        self.files = [(os.path.join(folder, name, file), label) for label, name in enumerate(sorted(os.listdir(folder)))
                      for file in sorted(os.listdir(os.path.join(folder, name)))]

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        path, label = self.files[index]
        pixels = np.array(Image.open(path).convert("RGB"))
        if self.augment:
            height, width, _ = pixels.shape
            padded = np.pad(pixels, ((4, 4), (4, 4), (0, 0)))
            y, x = torch.randint(9, (2,)).tolist()
            pixels = padded[y:y + height, x:x + width]
            if torch.rand(1) < 0.5:
                pixels = pixels[:, ::-1].copy()
        return normalize(pixels), label


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--arch", default="resnet20")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    data = Pictures(options.folder, augment=True)
    model = models.build(options.arch, classes=len(set(label for _, label in data.files))).train()
    if options.channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model)
    if options.compile:
        model.compile()
    loader = torch.utils.data.DataLoader(data, options.batch, shuffle=True, drop_last=True, num_workers=options.workers,
                                         persistent_workers=options.workers > 0)
    for epoch in range(options.epochs):
        begin, images = time.time(), 0
        for x, y in loader:
            if options.channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
            loss = train_step(model, optimizer, x, y, 0.01, precision=options.precision)
            images += len(y)
        print(json.dumps({"epoch": epoch + 1, "train_loss": loss, "images_per_second": images / (time.time() - begin)}),
              flush=True)


if __name__ == "__main__":
    main()
