"""Images per second of the training loader beside a Python DataLoader with Pillow and torchvision's transforms (typed
here, as torchvision need not be there), on the same processors.

  cmake --build --preset release --target loader_bench
  .venv/bin/python tests/reference/loader_speed.py build/release/loader_bench [--photos FILE.tar] [--small DIR] [--turns 5]

Both run in turns, with as many threads or worker processes as there are processors, over class folders on disk: photos
(of the archive, or made here: 500x375 JPEG) with random resized crop to 224 and flip, and small pictures (32x32 JPEG,
of DIR's class folders or made here) with pad-and-crop and flip, decoded anew each time and kept decoded. That both
compute the same is the matter of augment_parity.py, byte for byte. Prints the median of the turns and the ratio.
"""
import argparse
import math
import os
import random
import statistics
import subprocess
import tarfile
import tempfile
import time

import numpy as np
import torch
from PIL import Image, ImageOps

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def resized_crop(image, size):
    """RandomResizedCrop.get_params and F.resized_crop."""
    width, height = image.size
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1.0)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = random.randint(0, width - w), random.randint(0, height - h)
            return image.crop((left, top, left + w, top + h)).resize((size, size), Image.Resampling.BILINEAR)
    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)


def padded_crop(image, size):
    image = ImageOps.expand(image, 4)
    left, top = random.randint(0, image.width - size), random.randint(0, image.height - size)
    return image.crop((left, top, left + size, top + size))


class Folder(torch.utils.data.Dataset):
    def __init__(self, directory, size, resize):
        classes = sorted(os.listdir(directory))
        self.files = [(os.path.join(directory, name, file), label) for label, name in enumerate(classes)
                      for file in sorted(os.listdir(os.path.join(directory, name)))]
        self.size, self.crop = size, resized_crop if resize else padded_crop

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        path, label = self.files[index]
        with open(path, "rb") as file:
            image = Image.open(file).convert("RGB")
        image = self.crop(image, self.size)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        tensor = torch.from_numpy(np.array(image, np.uint8, copy=True)).permute(2, 0, 1).contiguous()
        return tensor.to(torch.float32).div(255).clone().sub_(MEAN).div_(STD), label


def python_speed(directory, size, resize, batch, workers, seconds):
    data = Folder(directory, size, resize)
    sampler = torch.utils.data.RandomSampler(data, replacement=True, num_samples=10**7)
    loader = torch.utils.data.DataLoader(data, batch, sampler=sampler, num_workers=workers, prefetch_factor=4)
    start, images = None, 0
    for number, (pixels, _) in enumerate(loader):
        if number == 10:
            start = time.perf_counter()
        elif number > 10:
            images += len(pixels)
            if time.perf_counter() - start > seconds:
                return images / (time.perf_counter() - start)


def make_pictures(directory, count, width, height):
    rng = np.random.default_rng(1)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8))
        pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
        pixels = np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)
        folder = os.path.join(directory, str(number % 10))
        os.makedirs(folder, exist_ok=True)
        Image.fromarray(pixels).save(os.path.join(folder, f"{number}.jpg"), quality=90)


def unpack(archive, directory):
    os.makedirs(os.path.join(directory, "photos"))
    with tarfile.open(archive) as tar:
        for entry in tar:
            if entry.isfile():
                with open(os.path.join(directory, "photos", os.path.basename(entry.name)), "wb") as file:
                    file.write(tar.extractfile(entry).read())


def compare(name, program, directory, size, resize, batch, turns, seconds, decoded):
    workers = len(os.sched_getaffinity(0))
    ours, theirs = [], []
    for _ in range(turns):
        command = [program, directory, str(size), str(resize), str(batch), str(workers), str(seconds), str(decoded)]
        ours.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        theirs.append(python_speed(directory, size, resize, batch, workers, seconds))
    a, b = statistics.median(ours), statistics.median(theirs)
    ratios = sorted(x / y for x, y in zip(ours, theirs))
    print(f"{name}: resnet {a:.0f}, DataLoader {b:.0f} pictures/s, ratio {a / b:.2f} "
          f"(of single turns {ratios[0]:.2f} to {ratios[-1]:.2f}), {workers} threads or workers")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="loader_bench")
    parser.add_argument("--photos", help="a .tar of photos")
    parser.add_argument("--small", help="class folders of 32x32 pictures")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        photos, small = os.path.join(directory, "large"), arguments.small or os.path.join(directory, "small")
        if arguments.photos:
            unpack(arguments.photos, photos)
        else:
            make_pictures(photos, 200, 500, 375)
        if not arguments.small:
            make_pictures(small, 2000, 32, 32)
        rest = (arguments.turns, arguments.seconds)
        compare("photos, random resized crop to 224", arguments.program, photos, 224, 256, 32, *rest, 0)
        compare("32x32, pad-and-crop, decoded anew", arguments.program, small, 32, 0, 128, *rest, 0)
        compare("32x32, pad-and-crop, kept decoded", arguments.program, small, 32, 0, 128, *rest, 1024)


if __name__ == "__main__":
    main()
