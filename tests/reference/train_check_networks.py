"""Trains the small networks of tests/golden/check, for tests of `resnet check`: each differs from the usual in one thing.

    nice .venv/bin/python tests/reference/train_check_networks.py cifar10-jpeg.tar.gz tests/golden/check [NAME ...]

The data is an archive of train/CLASS/*.jpg, 32x32. Each network sees 20,000 pictures six times, flipped and cropped as
usual for CIFAR-10 (a border of four black pixels), on one thread: about a minute. Weights are written as float16 beside
float32 batch norms, without a word about the network or its pictures; truth.json says what the truth is.
"""
import dataclasses
import io
import json
import os
import struct
import sys
import tarfile

import numpy as np
import torch
from PIL import Image

import models
import train

EPOCHS, PER_CLASS, BATCH, RATE = 6, 2000, 64, 0.1
USUAL = models.Options(block="basic", depths=(1, 1, 1), widths=(8, 16, 16), stem="cifar", stem_width=8, classes=10)
WIDER = dataclasses.replace(USUAL, widths=(8, 16, 24))  # so that the last stage has a projection whatever its stride
BOTTLENECK = dataclasses.replace(USUAL, block="bottleneck", widths=(4, 4, 8), width_per_group=128)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
BYTES = (1 / 255,) * 3


@dataclasses.dataclass(frozen=True)
class Network:
    options: models.Options = USUAL
    mean: tuple = IMAGENET[0]  # of values in 0..1, in the order of the channels
    std: tuple = IMAGENET[1]
    channels: str = "rgb"


def changed(base=USUAL, **changes):
    return Network(dataclasses.replace(base, **changes))


NETWORKS = {
    "usual": Network(),
    "mean-cifar": Network(mean=CIFAR[0], std=CIFAR[1]),
    "mean-half": Network(mean=(0.5,) * 3, std=(0.5,) * 3),
    "range-1": Network(mean=(0.0,) * 3, std=(1.0,) * 3),
    "range-255": Network(mean=(0.0,) * 3, std=BYTES),
    "bgr": Network(mean=IMAGENET[0][::-1], std=IMAGENET[1][::-1], channels="bgr"),
    "bgr-caffe": Network(mean=(103.939 / 255, 116.779 / 255, 123.68 / 255), std=BYTES, channels="bgr"),
    "pool-max": changed(stem_pool="max"),
    "pool-max-ceil": changed(stem_pool="max_ceil"),
    "pool-max-2x2": changed(stem_pool="max_2x2"),
    "pool-average-2x2": changed(stem_pool="average_2x2"),
    "stem-stride-2": changed(stem_stride=2),
    "last-stride-1": changed(WIDER, strides=(1, 2, 1)),
    "dilated": changed(WIDER, dilated_stages=1),
    "bottleneck": Network(BOTTLENECK),
    "stride-on-first": changed(BOTTLENECK, stride_on_first=True),
    "shortcut-padding": changed(shortcut="padding"),
    "shortcut-none": changed(shortcut="none"),
    "antialias-average": changed(antialias="average"),
    "antialias-blur": changed(antialias="blur"),
    "silu": changed(activation="silu"),
    "gelu": changed(activation="gelu"),
    "hardswish": changed(activation="hardswish"),
    "leaky-0.1": changed(activation="leaky_relu", negative_slope=0.1),
    "leaky-0.2": changed(activation="leaky_relu", negative_slope=0.2),
}


def read_pictures(path):
    """Bytes of pictures, N x 32 x 32 x 3, and their classes."""
    pixels, labels, classes, seen = [], [], {}, {}
    with tarfile.open(path) as archive:
        for member in archive:
            parts = member.name.split("/")
            if not member.isfile() or parts[0] != "train" or seen.get(parts[1], 0) == PER_CLASS:
                continue
            seen[parts[1]] = seen.get(parts[1], 0) + 1
            pixels.append(np.asarray(Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")))
            labels.append(classes.setdefault(parts[1], len(classes)))
    return torch.from_numpy(np.stack(pixels)), torch.tensor(labels)


def augmented(pixels, how):
    """A random flip, and a random crop of 32x32 from a black border of four; then as the network takes them."""
    count = len(pixels)
    x = torch.nn.functional.pad(pixels.permute(0, 3, 1, 2).float() / 255, (4, 4, 4, 4))
    rows = torch.randint(9, (count, 1)) + torch.arange(32)
    columns = torch.randint(9, (count, 1)) + torch.arange(32)
    columns = torch.where(torch.rand(count, 1) < 0.5, columns, columns.flip(1))
    x = x[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if how.channels == "bgr":
        x = x.flip(1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (how.mean, how.std))
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def trained(network, pixels, labels):
    torch.manual_seed(0)
    model = models.build(network.options).to(memory_format=torch.channels_last)
    optimizer = train.make_optimizer(model)
    steps, step, right = len(pixels) // BATCH * EPOCHS, 0, 0
    model.train()
    for _ in range(EPOCHS):
        right = 0
        for chosen in torch.randperm(len(pixels))[: len(pixels) // BATCH * BATCH].split(BATCH):
            for group in optimizer.param_groups:
                group["lr"] = train.learning_rate(step, steps, RATE)
            logits = model(augmented(pixels[chosen], network))
            loss = torch.nn.functional.cross_entropy(logits, labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            right += (logits.argmax(1) == labels[chosen]).sum().item()
            step += 1
    return model.eval(), right / len(pixels)


def write_safetensors(model, path):
    header, data = {}, b""
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        value = value.detach().contiguous().to(torch.float16 if value.dim() > 1 else torch.float32).numpy()
        header[name] = {"dtype": "F16" if value.dtype == np.float16 else "F32", "shape": list(value.shape),
                        "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def truth(network):
    unit = 255 if network.std == BYTES else 1
    plain = {field: list(value) if isinstance(value, tuple) else value for field, value in dataclasses.asdict(network.options).items()
             if field not in ("block", "widths", "width_per_group") and value != getattr(USUAL, field)}
    return {"mean": [round(value * unit, 5) for value in network.mean], "std": [round(value * unit, 5) for value in network.std],
            "channels": network.channels, "range": "0..255" if unit == 255 else "0..1", "architecture": plain}


def main():
    torch.set_num_threads(1)
    data, out, *names = sys.argv[1:]
    with open(os.path.join(out, "truth.json"), "w") as file:
        lines = (f"{json.dumps(name)}: {json.dumps(truth(network))}" for name, network in NETWORKS.items())
        file.write("{\n" + ",\n".join(lines) + "\n}\n")
    pixels, labels = read_pictures(data)
    for name in names or NETWORKS:
        model, right = trained(NETWORKS[name], pixels, labels)
        write_safetensors(model, os.path.join(out, f"{name}.safetensors"))
        print(f"{name}: {100 * right:.1f} % of the training's last pictures right", flush=True)


if __name__ == "__main__":
    main()
