"""Writes tests/golden/image: small odd pictures with the pixels and a tensor that Pillow 13 and torchvision's formulas
give for them, for machines without Pillow. And fuzz/corpus/image: the pictures that fuzzing starts from."""
import io
import os
import shutil

import numpy as np

import odd_pictures
import pillow_pipeline

NAMES = """33x31-L.jpg 33x31-RGB.jpg 33x31-CMYK.jpg 33x31-RGB-progressive.jpg 33x31-420-20.jpg 33x31-422-95.jpg
33x31-444-20.jpg 33x31-restart.jpg exif-6.jpg exif-3.jpg adobe-2-cmyk.jpg c0-d1-33x17-i1.png c0-d16-9x9-i0.png
c3-d4-33x17-i0.png c4-d8-9x9-i1.png c6-d16-9x9-i0.png palette-trns-alphas.png exif-8.png 33x31-RGB-lossy.webp
33x31-RGBA-lossy.webp 33x31-RGBA-lossless.webp animated-offset.webp exif-5.webp""".split()

SEEDS = """8x8-L.jpg 16x17-RGB-progressive.jpg 101x67-420-20.jpg 101x67-422-95.jpg 8x8-CMYK.jpg 33x31-restart.jpg
exif-6.jpg c3-d4-5x2-i1.png c6-d16-2x3-i0.png palette-trns-alphas.png exif-8.png 8x8-RGB-lossy.webp
8x8-RGBA-lossless.webp animated-offset.webp""".split()

here = os.path.dirname(__file__)


def fresh(*path):
    folder = os.path.join(here, "..", "..", *path)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


folder = fresh("tests", "golden", "image")
files = odd_pictures.all_files()
for name in NAMES:
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(files[name])
    image = pillow_pipeline.decode(io.BytesIO(files[name]))
    np.save(path + ".pixels.npy", np.ascontiguousarray(image))
    np.save(path + ".tensor.npy", np.ascontiguousarray(pillow_pipeline.preprocess(image, 28, 12, 16, "bicubic")))

folder = fresh("fuzz", "corpus", "image")
for name in SEEDS:
    with open(os.path.join(folder, name), "wb") as file:
        file.write(files[name])
np.save(os.path.join(folder, "floats.npy"), np.zeros((3, 8, 11), np.float32))
np.save(os.path.join(folder, "bytes.npy"), odd_pictures.photo(13, 12, 3))
