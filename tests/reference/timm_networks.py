"""All of timm's networks with "resne" in their names against this program: as timm saves them for a hub (config.json
beside), as bare state dicts and as whole modules. A network is answered as timm answers, or refused in one line; of a
bare state dict that cannot tell, what was assumed must be said, and the flags for it must give timm's answer.

    RESNET=build/dev/resnet ENV/bin/python tests/reference/timm_networks.py [PATTERN] [MILLIONS_OF_PARAMETERS]

ENV is an environment of its own: pip install torch==2.14.1 torchvision==0.29.1 timm==1.0.31 safetensors numpy. Networks
of more parameters (60 million, where nothing is said) are made with fewer blocks.
"""
import fnmatch
import os
import re
import shutil
import sys

import forms

try:
    import timm
    import torch
except ImportError:
    print("skipped: timm is not installed")
    sys.exit(77)

PATTERN = sys.argv[1] if len(sys.argv) > 1 else "*"
MOST = float(sys.argv[2]) if len(sys.argv) > 2 else 60
forms.only = ""
OURS = re.compile(r"(resnet|resnext|wide_resnet|resnetaa|resnetblur)\d+[cds]?(_2|_\d+x\d+d)?")  # must be right
# What a state dict of these does not tell, as flags.
SMOOTH = {"resnetaa": ("--antialias", "average"), "resnetblur": ("--antialias", "blur")}


def make(name):
    """The network, in fewer blocks where it is large; None where it needs what is not installed."""
    with torch.device("meta"):
        size = sum(p.numel() for p in timm.create_model(name).parameters()) / 1e6
    more = {"layers": (2, 1, 2, 1)} if size > MOST else {}
    if more:
        try:
            with torch.device("meta"):
                timm.create_model(name, **more)
        except (TypeError, AssertionError, RuntimeError):
            return None, size  # it is not made of stages
    model = timm.create_model(name, num_classes=forms.CLASSES, **more)
    return forms.randomize(model), size


def answers(model):
    try:
        with torch.no_grad():
            return model(forms.picture)
    except Exception:  # a network for larger pictures: it can only be refused
        return None


def main():
    skipped = []
    names = [name for name in timm.list_models("*resne*t*") if fnmatch.fnmatch(name, PATTERN)]
    for name in names:
        model, size = make(name)
        if model is None:
            skipped.append(f"{name} ({size:.0f} M)")
            continue
        wanted = answers(model)
        refusable = "" if OURS.fullmatch(name) else " "
        flags = next((flags for start, flags in SMOOTH.items() if name.startswith(start)), ())
        forms.check(f"{name}, hub", lambda path: timm.models.save_for_hf(model, path, safe_serialization=True), wanted,
                    may_refuse=refusable, suffix=f"-{name}")
        shutil.rmtree(os.path.join(forms.folder.name, f"m-{name}"), ignore_errors=True)
        forms.check(f"{name}, state dict{' and flags' if flags else ''}", lambda path: torch.save(model.state_dict(), path),
                    wanted, flags, may_refuse=refusable)
        if flags:
            forms.check_said(f"{name}, bare", lambda path: torch.save(model.state_dict(), path), "--antialias none")
        forms.check(f"{name}, module", lambda path: torch.save(model, path), wanted, may_refuse=refusable)
    if skipped:
        print("skipped, as they are too large:", ", ".join(skipped))
    return len(names)


if __name__ == "__main__":
    count = main()
    print(f"{count} networks:", forms.summary())
    sys.exit(forms.status())
