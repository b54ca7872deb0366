"""Logits of `resnet predict` against live PyTorch: every network of the catalog, and every option on small ones.

max|a - b| / max|b| must stay under 1e-5 with direct algorithms, and under 1e-4 as the engine chooses and with Winograd
wherever it can run, there with b in float64 for the networks of FLOAT64; and the top five classes must agree. Weights are random in every term
(models.randomize), sizes odd, batches 1 and 3. Name networks to try only those. What takes long is left to
RESNET_TEST_ALL: resnet1202, and the deepest networks at their usual size. Exits with 77 without torch.
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
except ImportError:
    print("skipped: PyTorch is not installed")
    sys.exit(77)

import models
from saving import save_model

LIMITS = {"direct": 1e-5, "auto": 1e-4, "winograd": 1e-4}
FLOAT64 = ("resnet18", "resnet34", "resnet50", "resnet20", "resnet110")
EVERYTHING = bool(os.environ.get("RESNET_TEST_ALL"))
folder = tempfile.TemporaryDirectory()
failures = []


def path(name):
    return os.path.join(folder.name, name)


def predict(names, isa, algorithms):
    command = [os.environ["RESNET"], "predict", path("model.safetensors"), *map(path, names), "--logits", "--json",
               "--algorithms", algorithms]
    environment = dict(os.environ, RESNET_ISA=isa) if isa else os.environ
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return np.array([json.loads(line)["logits"] for line in result.stdout.splitlines()])


def compare(title, model, layout="torchvision", isa=None, sizes=None):
    torch.manual_seed(1)
    models.randomize(model, seed=len(title))
    usual = models.input_size(model)
    if not sizes:
        sizes = [(3, 193, 257) if usual == 224 else (3, 33, 29), (1, usual, usual)]
        if sum(model.options.depths) > 16 and usual == 224 and not EVERYTHING:
            sizes = [(3, 65, 97)]
    names, expected = [], []
    kind = torch.float64 if title in FLOAT64 else torch.float32
    for batch, height, width in sizes:
        x = torch.randn(batch, model.options.in_channels, height, width)
        names.append(f"{batch}x{height}x{width}.npy")
        np.save(path(names[-1]), x.numpy())
        with torch.no_grad():
            expected.append(model.to(kind)(x.to(kind)).double().numpy())
    expected = np.concatenate(expected)
    save_model(model.float(), path("model.safetensors"), layout)
    for algorithms, limit in LIMITS.items():
        got = predict(names, isa, algorithms)
        assert got.shape == expected.shape, (got.shape, expected.shape)
        error = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(got, expected))
        top = [np.argsort(-logits, axis=1, kind="stable")[:, :5] for logits in (got, expected)]
        good = error < limit and (top[0] == top[1]).all()
        print(f"{title:40} {algorithms:10} {error:.1e}{'' if good else '  WRONG'}", flush=True)
        if not good:
            failures.append(f"{title} {algorithms}")


def compare_catalog(names):
    for name in names:
        compare(name, models.build(name))
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
        if name in names:
            compare(f"{name} tutorial", models.build(name, layout="tutorial"), "tutorial")


def compare_options():
    small = models.Options(depths=(1, 2, 1), widths=(24, 40, 56), stem_width=24, classes=11)
    basic = models.Options(block="basic", depths=(2, 1, 1), widths=(8, 20, 36), stem_width=8, classes=5)
    sizes = [(3, 65, 50), (1, 33, 47)]
    changes = [{"stride_on_first": True}, {"conv_bias": True}, {"dilated_stages": 2}, {"dilated_stages": 1},
               {"groups": 4, "width_per_group": 32}, {"in_channels": 1}, {"in_channels": 19}, {"stem": "deep"},
               {"stem": "cifar"}, {"shortcut": "padding"}, {"shortcut": "average_pool"}, {"shortcut": "none"},
               {"stem_kernel": 3}, {"stem_kernel": 5, "stem_stride": 1}, {"stem": "deep", "stem_stride": 1},
               {"stem": "cifar", "stem_pool": "max"}, {"stem": "cifar", "stem_stride": 2, "stem_pool": "max_2x2"},
               {"stem": "deep", "stem_kernel": 7, "stem_pool": "none"}, {"stem_pool": "max_ceil"},
               {"stem_stride": 4, "stem_pool": "average_2x2"}, {"strides": (1, 2, 1)},
               {"strides": (2, 1, 3), "shortcut": "padding"}, {"strides": (2, 3, 2), "shortcut": "average_pool"},
               {"strides": (1, 2, 3), "dilated_stages": 2}, {"bn_eps": 1e-3}, {"bn_eps": 0.3}]
    changes += [{"activation": name} for name in ("leaky_relu", "relu6", "silu", "gelu", "hardswish")]
    changes += [{"activation": "leaky_relu", "negative_slope": 0.2, "shortcut": "none"}]
    changes += [{"antialias": "average"}, {"antialias": "blur"},
                {"antialias": "blur", "stem": "deep", "shortcut": "average_pool"},
                {"antialias": "average", "stem": "deep", "shortcut": "average_pool"},
                {"antialias": "blur", "dilated_stages": 1}, {"antialias": "average", "dilated_stages": 2},
                {"antialias": "blur", "stem_pool": "max"},
                {"stem": "cifar", "stem_pool": "max_blur"}]
    changes += [{"head_pool": "max_average"}, {"head_pool": "average_max", "head_widths": (50,)},
                {"head_widths": (30, 17), "head_activation": "none"}]
    changes += [{"head_widths": (30,), "head_activation": name} for name in ("relu", "leaky_relu", "gelu", "hardswish")]
    for isa in ("ref", "avx2", None):
        if isa == "avx2" and "avx2" not in open("/proc/cpuinfo").read():
            continue
        for change in changes:
            for base in (small, basic):
                if base is basic and ("groups" in change or "stride_on_first" in change):
                    continue
                title = f"{base.block} {json.dumps(change)} {isa or 'best'}"
                compare(title, models.build(base, **change), isa=isa, sizes=sizes)


names = [name for name in models.CATALOG if name != "resnet1202" or EVERYTHING]
compare_catalog(sys.argv[1:] or names)
if len(sys.argv) == 1:
    compare_options()
print(f"{len(failures)} wrong {failures}" if failures else "all agree")
sys.exit(1 if failures else 0)
