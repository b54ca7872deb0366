"""Speed of decode + resize + crop + normalise on one thread, ours beside Pillow's with torchvision's formulas.

  .venv/bin/python tests/reference/image_speed.py build/dev/image_benchmark FILE... [--repeat 7]

Both run in turns over all files, held in memory, on one processor. Prints the median milliseconds of processor time that
a picture took, and the ratio.
"""
import argparse
import io
import os
import statistics
import subprocess
import time

import numpy as np
import torch
from PIL import Image, ImageOps

from pillow_pipeline import MEAN, STD, resize_shorter


def pillow(path_bytes):
    """As torchvision does it: Resize(256), CenterCrop(224), ToTensor, Normalize."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(path_bytes))).convert("RGB")
    image = resize_shorter(image, 256, "bilinear")
    left, top = round((image.width - 224) / 2.0), round((image.height - 224) / 2.0)
    image = image.crop((left, top, left + 224, top + 224))
    tensor = torch.from_numpy(np.array(image, np.uint8, copy=True)).permute(2, 0, 1).contiguous()
    tensor = tensor.to(torch.float32).div(255).clone()
    mean, std = torch.as_tensor(MEAN).view(-1, 1, 1), torch.as_tensor(STD).view(-1, 1, 1)
    return tensor.sub_(mean).div_(std)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", help="the program image_benchmark")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--repeat", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    data = [open(path, "rb").read() for path in arguments.files]
    ours, theirs = [], []
    for _ in range(arguments.repeat):
        output = subprocess.run([arguments.benchmark, *arguments.files], check=True, capture_output=True, text=True)
        ours.append(float(output.stdout.split()[0]))
        start = time.process_time()
        for item in data:
            pillow(item)
        theirs.append((time.process_time() - start) * 1e3 / len(data))
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"{len(data)} pictures, {arguments.repeat} turns: resnet {a:.2f} ms, Pillow {b:.2f} ms a picture, ratio {b / a:.2f}")
    print("resnet", *(f"{x:.2f}" for x in ours), " Pillow", *(f"{x:.2f}" for x in theirs))


main()
