"""What Pillow and torchvision do with a picture, torchvision's formulas typed here: the reference for src/image."""
import numpy as np
from PIL import Image, ImageOps

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def decode(source, mode="RGB", transpose=True):
    """16-bit gray pictures give their high byte, the one agreed difference from convert()."""
    image = Image.open(source)
    image.load()
    if transpose:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert(mode)


def resize_shorter(image, size, interpolation):
    """torchvision.transforms.Resize(int)"""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    new_long = int(size * long / short)
    new = (size, new_long) if width <= height else (new_long, size)
    return image if new == image.size else image.resize(new, FILTERS[interpolation])


def center_crop(pixels, height, width):
    """torchvision.transforms.CenterCrop, on an HxWxC array"""
    have_height, have_width = pixels.shape[:2]
    pad_x, pad_y = max(width - have_width, 0), max(height - have_height, 0)
    if pad_x or pad_y:
        pixels = np.pad(pixels, ((pad_y // 2, (pad_y + 1) // 2), (pad_x // 2, (pad_x + 1) // 2), (0, 0)))
        have_height, have_width = pixels.shape[:2]
    top = int(round((have_height - height) / 2.0))
    left = int(round((have_width - width) / 2.0))
    return pixels[top : top + height, left : left + width]


def normalise(pixels, mean=MEAN, std=STD):
    """ToTensor and Normalize in float32: 1xCxHxW"""
    values = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    mean = np.asarray(mean, np.float32).reshape(-1, 1, 1)
    std = np.asarray(std, np.float32).reshape(-1, 1, 1)
    return ((values - mean) / std)[None]


def preprocess(image, resize, height, width, interpolation, mean=MEAN, std=STD):
    if resize:
        image = resize_shorter(image, resize, interpolation)
    pixels = np.asarray(image)
    return normalise(center_crop(pixels.reshape(*pixels.shape[:2], -1), height, width), mean, std)
