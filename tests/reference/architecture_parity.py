"""Every architecture has PyTorch's module tree, state dict (names, order, shapes, types) and number of parameters."""
import json
import os
import subprocess
import sys

try:
    import torch
except ImportError:
    print("skipped: PyTorch is not installed")
    sys.exit(77)

import make_trees
from models import CATALOG, build

BOTH_LAYOUTS = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
OPTIONS = [  # command line, and the same for build()
    ("resnet50", "torchvision", ["--stride-on-first"], {"stride_on_first": True}),
    ("resnet50", "torchvision", ["--conv-bias"], {"conv_bias": True}),
    ("resnet50", "torchvision", ["--dilated-stages", "2"], {"dilated_stages": 2}),
    ("resnet50", "tutorial", ["--dilated-stages", "1"], {"dilated_stages": 1}),
    ("resnet34", "torchvision", ["--dilated-stages", "2"], {"dilated_stages": 2}),
    ("resnet50d", "torchvision", ["--dilated-stages", "1"], {"dilated_stages": 1}),
    ("resnet20", "torchvision", ["--shortcut", "projection"], {"shortcut": "projection"}),
    ("resnet18", "tutorial", ["--channels", "1", "--classes", "10"], {"in_channels": 1, "classes": 10}),
    ("resnet18", "torchvision", ["--depths", "1,2,1", "--widths", "32,48,96"],
     {"depths": (1, 2, 1), "widths": (32, 48, 96), "stem_width": 32}),
]
DTYPES = {torch.float32: "F32", torch.int64: "I64"}


def resnet(*arguments):
    return subprocess.run([os.environ["RESNET"], *arguments], check=True, capture_output=True, text=True).stdout


def differences(name, layout, arguments=(), changes=None):
    model = build(name, layout, **(changes or {}))
    command = ["summary", name, "--layout", layout, *arguments]
    ours = json.loads(resnet(*command, "--json"))
    if resnet(*command, "--tree") != f"{model}\n":
        yield "the module tree differs"
    theirs = [(key, list(value.shape), DTYPES[value.dtype]) for key, value in model.state_dict().items()]
    if [(entry["name"], entry["shape"], entry["dtype"]) for entry in ours["state_dict"]] != theirs:
        yield "the state dict differs"
    learned = {key for key, _ in model.named_parameters()}
    if {entry["name"] for entry in ours["state_dict"] if entry["learned"]} != learned:
        yield "other tensors are learned"
    count = sum(parameter.numel() for parameter in model.parameters())
    if ours["parameters"] != count:
        yield f"{ours['parameters']} parameters, PyTorch has {count}"


def main():
    cases = [(name, "torchvision") for name in CATALOG] + [(name, "tutorial") for name in BOTH_LAYOUTS] + OPTIONS
    failures = 0
    for case in cases:
        for difference in differences(*case):
            print(f"{case}: {difference}")
            failures += 1
    for name, layout in make_trees.CASES:
        if make_trees.path(name, layout).read_text() != f"{build(name, layout)}\n":
            print(f"tests/golden/trees is old: {name} {layout}; run tests/reference/make_trees.py")
            failures += 1
    print(f"{len(cases)} networks compared, {failures} differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
