"""Files of `resnet export` against ONNX: the checker accepts them, ONNX Runtime computes the engine's logits.

max|a - b| / max|b| must stay under 1e-5 and the top five classes must agree, for every network of the catalog and every
option on small ones. Weights are random in every term (models.randomize), batches 1 and 3, sizes odd. In int8, where
rounding a sum one way or the other moves a number of 8 bits by one, the bound is 0.02; and on weights that others
trained (RESNET_TEST_DATA) it counts pictures of CIFAR-10 whose class is another. Name networks, or int8, to try only
those; the largest are left out unless they are named or RESNET_TEST_ALL is set. Exits with 77 without torch, onnx or
onnxruntime.
"""
import json
import os
import subprocess
import sys
import tarfile
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    import torch
    from PIL import Image
except ImportError as error:
    print(f"skipped: {error.name} is not installed")
    sys.exit(77)

import models
from saving import save_model

LIMIT = 1e-5
INT8_LIMIT = 0.02
LARGE = {"resnet1202", "resnet152", "wide_resnet101_2", "resnext101_32x8d", "resnext101_64x4d", "resnet101",
         "resnet101d"}
folder = tempfile.TemporaryDirectory()
failures = []


def path(name):
    return os.path.join(folder.name, name)


def resnet(*arguments):
    result = subprocess.run([os.environ["RESNET"], *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def preprocessing(channels, height, width):
    return json.dumps({"height": height, "width": width, "resize": 0, "interpolation": "bilinear",
                       "mean": [0.0] * channels, "std": [1.0] * channels})


def run(x, optimise=True, config=()):
    """The logits of the exported file, and what it says about itself."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for entry in config:
        options.add_session_config_entry(*entry)
    session = onnxruntime.InferenceSession(path("model.onnx"), options, providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    return session.run(None, {"input": x})[0], said


def compare(title, model, layout="torchvision", size=None):
    models.randomize(model, seed=len(title))
    channels = model.options.in_channels
    height, width = size or ((33, 29) if model.options.stem == "cifar" else (97, 130))
    shape = preprocessing(channels, height, width)
    save_model(model, path("model.safetensors"), layout, {"resnet.preprocessing": shape})
    resnet("export", path("model.safetensors"), path("model.onnx"))
    onnx.checker.check_model(path("model.onnx"), full_check=True)
    good, error = True, 0.0
    for batch in (3, 1):
        x = np.random.default_rng(batch).standard_normal((batch, channels, height, width), np.float32)
        np.save(path("x.npy"), x)
        ours = predict("model.safetensors", x) if model.options.classes else features("model.safetensors", x)
        theirs, said = run(x)
        assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
        assert json.loads(said["resnet.preprocessing"]) == json.loads(shape), said
        error = max(error, np.abs(ours - theirs).max() / np.abs(theirs).max())
        top = [np.argsort(-logits, axis=1, kind="stable")[:, :5] for logits in (ours, theirs)]
        good = good and error < LIMIT and (top[0] == top[1]).all()
    print(f"{title:40} {error:.1e}{'' if good else '  WRONG'}", flush=True)
    if not good:
        failures.append(title)


def predict(model, x):
    np.save(path("x.npy"), x)
    lines = resnet("predict", path(model), path("x.npy"), "--logits", "--json").splitlines()
    return np.array([json.loads(line)["logits"] for line in lines])


def features(model, x):
    np.save(path("x.npy"), x)
    resnet("features", path(model), path("x.npy"), "-o", path("features.csv"))
    with open(path("features.csv")) as file:
        return np.array([line.split(",")[1:] for line in file][1:], float)  # below the names of the columns


def export_int8():
    resnet("export", path("int8.safetensors"), path("model.onnx"), "--int8")
    onnx.checker.check_model(path("model.onnx"), full_check=True)


def compare_int8(title, model):
    """The QDQ file step by step, as nothing fuses it."""
    models.randomize(model, seed=len(title))
    channels = model.options.in_channels
    save_model(model, path("model.safetensors"), metadata={"resnet.preprocessing": preprocessing(channels, 65, 50)})
    os.makedirs(path("pictures/any"), exist_ok=True)
    x = np.random.default_rng(1).standard_normal((16, channels, 65, 50), np.float32)
    for i, picture in enumerate(x):
        np.save(path(f"pictures/any/{i}.npy"), picture[None])
    resnet("quantize", path("model.safetensors"), path("pictures"), "-o", path("int8.safetensors"), "--min-agreement", "0")
    export_int8()
    ours, theirs = predict("int8.safetensors", x), run(x, optimise=False)[0]
    error = np.abs(ours - theirs).max() / np.abs(theirs).max()
    same = (ours.argmax(1) == theirs.argmax(1)).mean()
    good = error < INT8_LIMIT
    print(f"{title:40} {error:.1e}, {100 * same:.0f} % the same class{'' if good else '  WRONG'}", flush=True)
    if not good:
        failures.append(title)


def cifar(archive, count):
    """The first pictures of each class of test/, count in all, as the weights want them; and their classes."""
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    pictures = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = member.name.split("/")
            if member.isfile() and parts[-3] == "test":
                of_class = pictures.setdefault(parts[-2], [])
                if len(of_class) < count // 10:
                    of_class.append((np.float32(Image.open(tar.extractfile(member)).convert("RGB")) / 255 - mean) / std)
    x = np.stack([picture.transpose(2, 0, 1) for name in sorted(pictures) for picture in pictures[name]])
    return x, np.repeat(np.arange(10), count // 10)


def compare_trained(data, count=1000):
    """As ONNX Runtime runs the file: step by step, fused, and fused without products that may saturate."""
    archive = os.path.join(data, "data", "cifar10-jpeg.tar.gz")
    resnet("quantize", os.path.join(data, "weights", "resnet20-12fca82f.th"), archive, "--only", "train", "--preset", "cifar",
           "-o", path("int8.safetensors"))
    export_int8()
    x, labels = cifar(archive, count)
    ours = predict("int8.safetensors", x)
    wrong = (ours.argmax(1) != labels).sum()
    for how, limit, arguments in (("step by step", 10, {"optimise": False}), ("fused", None, {}),
                                  ("fused, exact", 10, {"config": [("session.x64quantprecision", "1")]})):
        theirs = run(x, **arguments)[0]
        other = (ours.argmax(1) != theirs.argmax(1)).sum()
        error = np.abs(ours - theirs).max() / np.abs(theirs).max()
        good = limit is None or other <= limit
        print(f"resnet20 int8, {how:25} {error:.1e}, {other} of {count} another class, {(theirs.argmax(1) != labels).sum()} "
              f"wrong and ours {wrong}{'' if good else '  WRONG'}", flush=True)
        if not good:
            failures.append("resnet20 int8 " + how)


def compare_options():
    small = models.Options(depths=(1, 2, 1), widths=(24, 40, 56), stem_width=24, classes=11)
    basic = models.Options(block="basic", depths=(2, 1, 1), widths=(8, 20, 36), stem_width=8, classes=5)
    changes = [{"stride_on_first": True}, {"conv_bias": True}, {"dilated_stages": 2}, {"dilated_stages": 1},
               {"groups": 4, "width_per_group": 32}, {"in_channels": 1}, {"in_channels": 19}, {"stem": "deep"},
               {"stem": "cifar"}, {"shortcut": "padding"}, {"shortcut": "padding", "dilated_stages": 1},
               {"shortcut": "average_pool"}, {"shortcut": "none"}, {"stem_kernel": 5, "stem_stride": 1},
               {"stem_pool": "max_ceil"}, {"stem": "cifar", "stem_pool": "max_2x2"}, {"stem_pool": "average_2x2"},
               {"stem_pool": "none"}, {"strides": (2, 1, 3)}, {"bn_eps": 0.3}, {"classes": 0}]
    changes += [{"activation": name} for name in ("leaky_relu", "relu6", "silu", "gelu", "hardswish")]
    changes += [{"antialias": "average"}, {"antialias": "blur"}, {"antialias": "blur", "dilated_stages": 1}]
    changes += [{"head_pool": "max_average", "head_widths": (30,)}, {"head_pool": "average_max"},
                {"head_widths": (30, 17), "head_activation": "silu"}, {"head_widths": (30,), "head_activation": "none"}]
    for change in changes:
        for base in (small, basic):
            if base is basic and ("groups" in change or "stride_on_first" in change):
                continue
            compare(f"{base.block} {json.dumps(change)}", models.build(base, **change), size=(65, 50))


def compare_all_int8():
    for change in ({}, {"block": "basic"}, {"stem": "cifar", "shortcut": "padding"},
                   {"stem": "deep", "shortcut": "average_pool"}, {"activation": "gelu"}, {"antialias": "average"},
                   {"antialias": "blur"}, {"activation": "leaky_relu", "negative_slope": 0.2},
                   {"head_pool": "max_average"}, {"head_widths": (32, 24)}):
        options = {"depths": (1, 2, 1), "widths": (16, 32, 48), "stem_width": 16, "classes": 11, **change}
        compare_int8(f"int8 {json.dumps(change)}", models.build(models.Options(**options)))
    data = os.environ.get("RESNET_TEST_DATA")
    if data:
        compare_trained(data)
    else:
        print("skipped: RESNET_TEST_DATA does not name the folder with the weights and the CIFAR-10 archive")


usual = [name for name in models.CATALOG if name not in LARGE or os.environ.get("RESNET_TEST_ALL")]
for name in [name for name in sys.argv[1:] if name != "int8"] if len(sys.argv) > 1 else usual:
    compare(name, models.build(name))
if len(sys.argv) == 1:
    compare("resnet50 tutorial", models.build("resnet50", layout="tutorial"), "tutorial")
    compare_options()
if len(sys.argv) == 1 or "int8" in sys.argv:
    compare_all_int8()
print(f"{len(failures)} wrong {failures}" if failures else "all agree")
sys.exit(1 if failures else 0)
