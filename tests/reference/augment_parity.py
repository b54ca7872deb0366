"""The changes of src/augment beside Pillow, on torchvision's formulas: every change at every magnitude, hues, crops and
flips to the byte; the magnitudes of both policies beside torch's. torchvision itself is not needed."""
import math
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import PIL
    import torch
    from PIL import Image, ImageEnhance, ImageOps
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

if PIL.__version__ != "13.0.0":
    print(f"skipped: Pillow {PIL.__version__}, but the reference is 13.0.0")
    sys.exit(77)

PROGRAM = os.path.join(os.path.dirname(os.environ["RESNET"]), "augment_pictures")
BINS = 31
AFFINE = Image.Transform.AFFINE


def affine(image, *matrix):
    return image.transform(image.size, AFFINE, matrix, Image.Resampling.NEAREST)


def hue(image, turns):
    """torchvision's adjust_hue."""
    h, s, v = image.convert("HSV").split()
    h = np.array(h, np.uint8) + np.array(int(turns * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(h), s, v)).convert("RGB")


# torchvision's _apply_op.
CHANGES = {
    "Identity": lambda i, m: i,
    "ShearX": lambda i, m: affine(i, 1, math.tan(math.radians(math.degrees(math.atan(m)))), 0, 0, 1, 0),
    "ShearY": lambda i, m: affine(i, 1, 0, 0, math.tan(math.radians(math.degrees(math.atan(m)))), 1, 0),
    "TranslateX": lambda i, m: affine(i, 1, 0, -int(m), 0, 1, 0),
    "TranslateY": lambda i, m: affine(i, 1, 0, 0, 0, 1, -int(m)),
    "Rotate": lambda i, m: i.rotate(m, Image.Resampling.NEAREST),
    "Brightness": lambda i, m: ImageEnhance.Brightness(i).enhance(1.0 + m),
    "Color": lambda i, m: ImageEnhance.Color(i).enhance(1.0 + m),
    "Contrast": lambda i, m: ImageEnhance.Contrast(i).enhance(1.0 + m),
    "Sharpness": lambda i, m: ImageEnhance.Sharpness(i).enhance(1.0 + m),
    "Posterize": lambda i, m: ImageOps.posterize(i, int(m)),
    "Solarize": lambda i, m: ImageOps.solarize(i, m),
    "AutoContrast": lambda i, m: ImageOps.autocontrast(i),
    "Equalize": lambda i, m: ImageOps.equalize(i),
}


def magnitudes(width, height):
    """torchvision's _augmentation_space of TrivialAugmentWide and RandAugment."""
    line, steps = torch.linspace, torch.arange(BINS)
    trivial = dict.fromkeys(("ShearX", "ShearY", "Brightness", "Color", "Contrast", "Sharpness"), line(0, 0.99, BINS))
    trivial |= {"TranslateX": line(0, 32, BINS), "TranslateY": line(0, 32, BINS), "Rotate": line(0, 135, BINS),
                "Posterize": 8 - (steps / ((BINS - 1) / 6)).round().int(), "Solarize": line(255, 0, BINS)}
    rand = dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), line(0, 0.9, BINS))
    rand |= {"ShearX": line(0, 0.3, BINS), "ShearY": line(0, 0.3, BINS), "Rotate": line(0, 30, BINS),
             "TranslateX": line(0, 150 / 331 * width, BINS), "TranslateY": line(0, 150 / 331 * height, BINS),
             "Posterize": 8 - (steps / ((BINS - 1) / 4)).round().int(), "Solarize": line(255, 0, BINS)}
    none = torch.zeros(BINS)
    return {name: (trivial.get(name, none).tolist(), rand.get(name, none).tolist()) for name in CHANGES}


def check_magnitudes():
    problems = []
    for width, height in ((224, 224), (32, 32), (331, 97)):
        want = magnitudes(width, height)
        output = subprocess.run([PROGRAM], input=f"magnitudes {width} {height}\n", check=True, capture_output=True,
                                text=True).stdout
        for row in output.splitlines():
            name, _, *values = row.split()
            values = [float(value) for value in values]
            expected = want[name][0] + want[name][1]
            whole = name in ("TranslateX", "TranslateY", "Posterize")  # only their whole part counts
            for a, b in zip(values, expected, strict=True):
                if abs(a - b) > 1e-5 * max(1, abs(b)) or (whole and int(a) != int(b)):
                    problems.append(f"{name} {width}x{height}: magnitude {a} instead of {b}")
    return problems


def pictures(rng):
    """Noise, smooth colours, few values, one value, grays, and sizes at which something is at its edge."""
    y, x = np.mgrid[0:61, 0:83]
    smooth = np.stack([127 + 120 * np.sin(x / 9), 127 + 120 * np.cos(y / 7), x + y], -1).astype(np.uint8)
    noise = rng.integers(0, 256, (64, 64, 3), np.uint8)
    yield from (noise, smooth, noise // 3 + 60, noise[:40, :25] // 64 * 64, np.full((9, 9, 3), 77, np.uint8))
    yield from (noise[:, :, :1].repeat(3, 2), noise[:3, :3], noise[:5, :40])
    colours = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3, indexing="ij"), -1).reshape(54, 108, 3)
    yield colours.astype(np.uint8)


def cases(image, rng):
    """(line of the program, Pillow's answer)"""
    width, height = image.size
    for name, (trivial, rand) in magnitudes(width, height).items():
        for magnitude in {*trivial[::3], *rand[::3], trivial[-1]}:
            for sign in ((1, -1) if magnitude and name in list(CHANGES)[1:10] else (1,)):
                yield f"{name} {sign * magnitude!r}", CHANGES[name](image, sign * magnitude)
    for angle in (90, 180, -90, 45.5):
        yield f"Rotate {angle}", image.rotate(angle, Image.Resampling.NEAREST)
    for turns in (-0.5, -0.1, 0.0, 0.05, 0.31, 0.5):
        yield f"Hue {turns}", hue(image, turns)
    yield "Flip 0", image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for _ in range(12):
        w, h = rng.integers(1, width + 1), rng.integers(1, height + 1)
        left, top = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
        to = rng.integers(1, 90, 2)
        mode = ("bilinear", "bicubic")[rng.integers(2)]
        part = image.crop((left, top, left + w, top + h)).resize(tuple(to), getattr(Image.Resampling, mode.upper()))
        yield f"ResizedCrop {left} {top} {w} {h} {to[0]} {to[1]} {mode}", part
        left, top = rng.integers(-6, 7, 2)
        yield f"PaddedCrop {left} {top} {width} {height}", image.crop((left, top, left + width, top + height))


def check_pictures(directory):
    rng = np.random.default_rng(1)
    lines, answers = [], []
    for number, pixels in enumerate(pictures(rng)):
        image = Image.fromarray(pixels)
        for ending, options in (("png", {}), ("jpg", {"quality": 93, "subsampling": 2})):
            path = os.path.join(directory, f"{number}.{ending}")
            image.save(path, **options)
            decoded = Image.open(path).convert("RGB")
            for line, answer in cases(decoded, rng):
                out = os.path.join(directory, f"out{len(lines)}.png")
                lines.append(f"{path} {out} {line}")
                answers.append((out, answer))
    subprocess.run([PROGRAM], input="\n".join(lines) + "\n", check=True, text=True)
    problems = []
    for line, (out, answer) in zip(lines, answers, strict=True):
        got, want = np.asarray(Image.open(out)), np.asarray(answer)
        if got.shape != want.shape or (got != want).any():
            count = np.count_nonzero(got != want) if got.shape == want.shape else f"{got.shape} {want.shape}"
            problems.append(f"{line}: {count} values differ")
    print(f"{len(lines)} changed pictures")
    return problems


def main():
    with tempfile.TemporaryDirectory() as directory:
        problems = check_magnitudes() + check_pictures(directory)
    print("\n".join(problems[:50]))
    return 1 if problems else 0


sys.exit(main())
