"""`resnet preprocess` beside Pillow 13: decoded pixels of odd files of every format and of real photographs, resized
bytes at several sizes, the normalised tensor to the bit. Photographs need RESNET_TEST_DATA."""
import concurrent.futures
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import warnings

try:
    import numpy as np
    import PIL
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)
import odd_pictures
import pillow_pipeline as pillow

if PIL.__version__ != "13.0.0":
    print(f"skipped: Pillow {PIL.__version__}, but the reference is 13.0.0")
    sys.exit(77)
warnings.simplefilter("ignore")

RESNET = os.environ["RESNET"]
# resize, size, interpolation. Where the crop is larger than the picture, all of it is compared.
RESIZES = [(256, (224, 224), "bilinear"), (235, (224, 224), "bicubic"), (232, (224, 224), "bilinear"),
           (64, (201, 300), "bicubic"), (37, (64, 65), "bilinear"), (600, (320, 333), "bicubic")]


def ours(path, *arguments):
    with tempfile.NamedTemporaryFile(suffix=".npy") as out:
        result = subprocess.run([RESNET, "preprocess", path, "-o", out.name, *arguments], capture_output=True, text=True)
        if result.returncode != 0:
            return result.stderr
        return np.load(out.name)


def differs(name, got, want):
    if isinstance(got, str):
        return [f"{name}: {got.strip()}"]
    if got.shape != want.shape or got.dtype != want.dtype:
        return [f"{name}: {got.shape} {got.dtype} instead of {want.shape} {want.dtype}"]
    count = np.count_nonzero(got != want)
    return [f"{name}: {count} values differ, by up to {np.abs(got.astype(float) - want).max()}"] if count else []


def check(path, data, resizes, gray):
    name = os.path.basename(path)
    try:
        image = pillow.decode(io.BytesIO(data))
    except OSError as error:
        return [] if isinstance(ours(path, "--pixels"), str) else [f"{name}: Pillow refuses: {error}"]
    problems = differs(name, ours(path, "--pixels"), np.asarray(image))
    unturned = pillow.decode(io.BytesIO(data), transpose=False)
    problems += differs(f"{name} unturned", ours(path, "--pixels", "--ignore-orientation"), np.asarray(unturned))
    for resize, (height, width), interpolation in resizes:
        flags = ["--resize", str(resize), "--size", f"{height}x{width}", "--interpolation", interpolation]
        want = pillow.preprocess(image, resize, height, width, interpolation)
        problems += differs(f"{name} {' '.join(flags)}", ours(path, *flags), want)
    if gray:
        want = pillow.preprocess(pillow.decode(io.BytesIO(data), "L"), 64, 56, 56, "bilinear", [0.4], [0.3])
        flags = ["--resize", "64", "--size", "56", "--mean", "0.4", "--std", "0.3"]
        problems += differs(f"{name} gray", ours(path, *flags), want)
    return problems


def check_all(files, resizes, gray):
    problems = []
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as pool:
        jobs = []
        for name, data in files.items():
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(data)
            jobs.append(pool.submit(check, path, data, resizes, gray))
        for job in jobs:
            problems += job.result()
    print("\n".join(problems))
    print(f"{len(files)} files, {len(problems)} differences")
    return not problems


def photographs():
    root = os.environ.get("RESNET_TEST_DATA")
    if not root:
        print("no photographs: RESNET_TEST_DATA is not set")
        return {}
    with tarfile.open(os.path.join(root, "data", "imagenet-sample-334.tar")) as tar:
        return {os.path.basename(m.name): tar.extractfile(m).read() for m in tar if m.isfile()}


def check_tensor_is_torchs():
    """The formula in pillow_pipeline.normalise is that of torch, to the bit."""
    try:
        import torch
    except ImportError:
        return True
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
    mean, std = torch.as_tensor(pillow.MEAN).view(-1, 1, 1), torch.as_tensor(pillow.STD).view(-1, 1, 1)
    return np.array_equal(tensor.sub_(mean).div_(std).numpy()[None], pillow.normalise(pixels))


good = check_tensor_is_torchs()
print("normalisation as torch's:", good)
good &= check_all(odd_pictures.all_files(), [(40, (32, 32), "bicubic"), (24, (50, 31), "bilinear")], gray=True)
good &= check_all(photographs(), RESIZES, gray=False)
sys.exit(0 if good else 1)
