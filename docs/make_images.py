"""Makes docs/images/explain.png and similar.png: draws pictures of six shapes, trains a small network on them with
PyTorch (a minute or two), and lets the program look inside.

    RESNET=build/release/resnet .venv/bin/python docs/make_images.py
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter

root = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "tests" / "reference"))
import models  # noqa: E402

SHAPES = ["circle", "square", "triangle", "star", "cross", "ring"]
RESNET = os.environ.get("RESNET", str(root / "build" / "release" / "resnet"))
SIZE = 32  # of the network's input; pictures are drawn eight times as large
random = np.random.default_rng(7)


def polygon(shape, x, y, r, turn):
    """Corners of a shape around a middle."""
    def corners(radii):
        angles = turn + np.arange(len(radii)) * 2 * np.pi / len(radii)
        return [(x + r * a * np.cos(t), y + r * a * np.sin(t)) for a, t in zip(radii, angles)]

    if shape == "square":
        return corners([1] * 4)
    if shape == "triangle":
        return corners([1] * 3)
    if shape == "star":
        return corners([1, 0.42] * 5)
    arm = [(1, .3), (.3, .3), (.3, 1), (-.3, 1), (-.3, .3), (-1, .3), (-1, -.3), (-.3, -.3), (-.3, -1), (.3, -1),
           (.3, -.3), (1, -.3)]
    c, s = np.cos(turn), np.sin(turn)
    return [(x + r * (a * c - b * s), y + r * (a * s + b * c)) for a, b in arm]


def colour(low, high):
    return tuple(int(v) for v in random.integers(low, high, 3))


def draw(shape, width=8 * SIZE, height=8 * SIZE):
    """A shape before a landscape of soft spots and a few lines."""
    image = Image.new("RGB", (width, height), colour(60, 200))
    pen = ImageDraw.Draw(image)
    for _ in range(25):
        x, y, r = random.uniform(0, width), random.uniform(0, height), random.uniform(10, 70)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour(40, 220))
    image = image.filter(ImageFilter.GaussianBlur(9))
    pen = ImageDraw.Draw(image)
    for _ in range(4):
        pen.line([tuple(random.uniform(0, (width, height))) for _ in range(2)], fill=colour(20, 240), width=4)
    r = random.uniform(0.18, 0.3) * min(width, height)
    x, y = random.uniform(1.2 * r, width - 1.2 * r), random.uniform(1.2 * r, height - 1.2 * r)
    fill = colour(0, 256)
    if shape in ("circle", "ring"):
        pen.ellipse((x - r, y - r, x + r, y + r), **({"fill": fill} if shape == "circle" else
                                                    {"outline": fill, "width": int(r / 2.6)}))
    else:
        pen.polygon(polygon(shape, x, y, r, random.uniform(0, 2 * np.pi)), fill=fill)
    return image


def train(pictures, labels):
    torch.manual_seed(1)
    model = models.build(models.Options(block="basic", depths=(1, 1, 1), widths=(16, 32, 64), stem="cifar",
                                        stem_width=16, shortcut="padding", classes=len(SHAPES)))
    small = np.stack([np.asarray(p.resize((SIZE, SIZE), Image.Resampling.BILINEAR)) for p in pictures])
    x = torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1
    y = torch.tensor(labels)
    model.train()
    epochs, batch = 15, 64
    steps = epochs * (len(y) // batch)
    optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=steps)
    for epoch in range(epochs):
        right = 0
        for rows in torch.randperm(len(y)).split(batch)[:len(y) // batch]:
            scores = model(x[rows])
            loss = torch.nn.functional.cross_entropy(scores, y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            right += int((scores.argmax(1) == y[rows]).sum())
        print(f"epoch {epoch + 1} of {epochs}: {100 * right / len(y):.1f} % right", flush=True)
    return model.eval()


def resnet(*arguments):
    subprocess.run([RESNET, *map(str, arguments)], check=True)


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    labels = [i % len(SHAPES) for i in range(3000)]
    torch.save(train([draw(SHAPES[label]) for label in labels], labels).state_dict(), folder / "shapes.pth")
    (folder / "names.txt").write_text("\n".join(SHAPES))
    resnet("convert", folder / "shapes.pth", folder / "shapes.safetensors", "--classes", folder / "names.txt", "--size",
           SIZE, "--resize", SIZE, "--interpolation", "bilinear", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")
    os.makedirs(folder / "drawn")
    for i in range(120):
        shape = SHAPES[i % len(SHAPES)]
        draw(shape).save(folder / "drawn" / f"{shape}{i // len(SHAPES) + 1}.png")
    draw("star", 12 * SIZE, 8 * SIZE).save(folder / "star.png")
    resnet("explain", folder / "shapes.safetensors", folder / "star.png", "-o", folder)
    (folder / "star-explained.png").replace(root / "docs" / "images" / "explain.png")
    resnet("features", folder / "shapes.safetensors", folder / "drawn", "-o", folder / "drawn.npy")
    resnet("similar", folder / "drawn.npy", folder / "star.png", "--top", 12, "--contact-sheet",
           root / "docs" / "images" / "similar.png")
