"""Files of `resnet export` against ONNX: the checker accepts them, ONNX Runtime computes the engine's logits.

max|a - b| / max|b| must stay under 1e-5 and the top five classes must agree, for every network of the catalog and every
option on small ones. Weights are random in every term (models.randomize), batches 1 and 3, sizes odd. Name networks to
try only those; the largest are left out unless they are named or RESNET_TEST_ALL is set. Exits with 77 without torch,
onnx or onnxruntime.
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    import torch
except ImportError as error:
    print(f"skipped: {error.name} is not installed")
    sys.exit(77)

import models
from saving import save_model

LIMIT = 1e-5
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


def run(x):
    """The logits of the exported file, and what it says about itself."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path("model.onnx"), options, providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    return session.run(["logits"], {"input": x})[0], said


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
        lines = resnet("predict", path("model.safetensors"), path("x.npy"), "--logits", "--json").splitlines()
        ours = np.array([json.loads(line)["logits"] for line in lines])
        theirs, said = run(x)
        assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
        assert json.loads(said["resnet.preprocessing"]) == json.loads(shape), said
        error = max(error, np.abs(ours - theirs).max() / np.abs(theirs).max())
        top = [np.argsort(-logits, axis=1, kind="stable")[:, :5] for logits in (ours, theirs)]
        good = good and error < LIMIT and (top[0] == top[1]).all()
    print(f"{title:40} {error:.1e}{'' if good else '  WRONG'}", flush=True)
    if not good:
        failures.append(title)


def compare_options():
    small = models.Options(depths=(1, 2, 1), widths=(24, 40, 56), stem_width=24, classes=11)
    basic = models.Options(block="basic", depths=(2, 1, 1), widths=(8, 20, 36), stem_width=8, classes=5)
    changes = [{"stride_on_first": True}, {"conv_bias": True}, {"dilated_stages": 2}, {"dilated_stages": 1},
               {"groups": 4, "width_per_group": 32}, {"in_channels": 1}, {"in_channels": 19}, {"stem": "deep"},
               {"stem": "cifar"}, {"shortcut": "padding"}, {"shortcut": "padding", "dilated_stages": 1},
               {"shortcut": "average_pool"}, {"shortcut": "none"}]
    for change in changes:
        for base in (small, basic):
            if base is basic and ("groups" in change or "stride_on_first" in change):
                continue
            compare(f"{base.block} {json.dumps(change)}", models.build(base, **change), size=(65, 50))


usual = [name for name in models.CATALOG if name not in LARGE or os.environ.get("RESNET_TEST_ALL")]
for name in sys.argv[1:] or usual:
    compare(name, models.build(name))
if len(sys.argv) == 1:
    compare("resnet50 tutorial", models.build("resnet50", layout="tutorial"), "tutorial")
    compare_options()
print(f"{len(failures)} wrong {failures}" if failures else "all agree")
sys.exit(1 if failures else 0)
