"""What the scripts share that write checkpoints in the forms in which people save them: networks, names, packagings, and how an
answer of `resnet predict` is held to PyTorch's."""
import collections
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile

try:
    import torch
    from torch import nn
except ImportError:
    print("skipped: PyTorch is not installed")
    sys.exit(77)

import numpy

import models

RESNET = os.environ["RESNET"]
CLASSES = 7
only = " ".join(sys.argv[1:])
folder = tempfile.TemporaryDirectory()
torch.manual_seed(0)
picture = torch.randn(1, 3, 64, 64)
numpy.save(os.path.join(folder.name, "x.npy"), picture.numpy())


# ---- networks ----------------------------------------------------------------------------------------------------------


def network(block="basic", **changes):
    options = models.Options(block=block, depths=(2, 1, 2), widths=(8, 16, 24), stem_width=8, classes=CLASSES)
    return randomize(models.build(options, **changes))


def randomize(model):
    """Statistics and scales that a wrong pairing would show."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


NETWORKS = {
    "basic": network(),
    "bottleneck": network("bottleneck"),
    "deep": network("bottleneck", stem="deep", shortcut="average_pool"),
    "cifar": network(stem="cifar"),
}


# ---- names: functions of torchvision's -----------------------------------------------------------------------------------


def rules(*pairs):
    """The first pattern that fits rules; {n+1} and the like count."""

    def rename(name):
        for pattern, replacement in pairs:
            match = re.match(pattern, name)
            if match:
                text = re.sub(r"\{(\d)([+*]\d+)?([+-]\d+)?\}",
                              lambda m: str(eval(match.group(int(m[1])) + (m[2] or "") + (m[3] or ""))), replacement)
                return text + name[match.end():]
        return name

    return rename


HUGGING_FACE = rules(
    (r"conv1\.", "resnet.embedder.embedder.convolution."), (r"bn1\.", "resnet.embedder.embedder.normalization."),
    (r"layer(\d)\.(\d)\.conv(\d)\.", "resnet.encoder.stages.{1-1}.layers.{2}.layer.{3-1}.convolution."),
    (r"layer(\d)\.(\d)\.bn(\d)\.", "resnet.encoder.stages.{1-1}.layers.{2}.layer.{3-1}.normalization."),
    (r"layer(\d)\.(\d)\.downsample\.0\.", "resnet.encoder.stages.{1-1}.layers.{2}.shortcut.convolution."),
    (r"layer(\d)\.(\d)\.downsample\.1\.", "resnet.encoder.stages.{1-1}.layers.{2}.shortcut.normalization."),
    (r"fc\.", "classifier.1."))
DETECTRON2 = rules(
    (r"conv1\.", "stem.conv1."), (r"bn1\.", "stem.conv1.norm."), (r"layer(\d)\.(\d)\.conv(\d)\.", "res{1+1}.{2}.conv{3}."),
    (r"layer(\d)\.(\d)\.bn(\d)\.", "res{1+1}.{2}.conv{3}.norm."), (r"layer(\d)\.(\d)\.downsample\.0\.", "res{1+1}.{2}.shortcut."),
    (r"layer(\d)\.(\d)\.downsample\.1\.", "res{1+1}.{2}.shortcut.norm."), (r"fc\.", "linear."))
WEIAICUNZAI = rules(
    (r"conv1\.", "conv1.0."), (r"bn1\.", "conv1.1."),
    (r"layer(\d)\.(\d)\.conv(\d)\.", "conv{1+1}_x.{2}.residual_function.{3*3-3}."),
    (r"layer(\d)\.(\d)\.bn(\d)\.", "conv{1+1}_x.{2}.residual_function.{3*3-2}."),
    (r"layer(\d)\.(\d)\.downsample\.", "conv{1+1}_x.{2}.shortcut."))
PYTORCHCV = rules(
    (r"conv1\.", "features.init_block.conv.conv."), (r"bn1\.", "features.init_block.conv.bn."),
    (r"layer(\d)\.(\d)\.conv(\d)\.", "features.stage{1}.unit{2+1}.body.conv{3}.conv."),
    (r"layer(\d)\.(\d)\.bn(\d)\.", "features.stage{1}.unit{2+1}.body.conv{3}.bn."),
    (r"layer(\d)\.(\d)\.downsample\.0\.", "features.stage{1}.unit{2+1}.identity_conv.conv."),
    (r"layer(\d)\.(\d)\.downsample\.1\.", "features.stage{1}.unit{2+1}.identity_conv.bn."), (r"fc\.", "output."))
NOBODY = rules(
    (r"conv1\.", "net.begin.c."), (r"bn1\.", "net.begin.n."), (r"layer(\d)\.(\d)\.conv(\d)\.", "net.trunk.part{1}.piece{2}.c{3}."),
    (r"layer(\d)\.(\d)\.bn(\d)\.", "net.trunk.part{1}.piece{2}.n{3}."), (r"layer(\d)\.(\d)\.downsample\.0\.", "net.trunk.part{1}.piece{2}.side.c."),
    (r"layer(\d)\.(\d)\.downsample\.1\.", "net.trunk.part{1}.piece{2}.side.n."), (r"fc\.", "net.end."))


def children(first):
    return rules((r"conv1\.", "0."), (r"bn1\.", "1."), (r"layer(\d)\.", "{1+%d}." % (first - 1)), (r"fc\.", "9."))


# Those that can say a network with three convolutions in its stem and pooled shortcuts, too.
NAMES = {
    "torchvision": lambda name: name,
    "kuangliu": rules((r"fc\.", "linear."), (r"(layer\d\.\d)\.downsample\.", "{0}")),
    "Cadene": rules((r"fc\.", "last_linear.")),
    "children": children(4),
}
NAMES["kuangliu"] = lambda name: name.replace("downsample", "shortcut").replace("fc.", "linear.")
PLAIN_NAMES = {
    "tutorial": lambda name: name.replace("downsample", "identity_downsample"),
    "Hugging Face": HUGGING_FACE,
    "detectron2": DETECTRON2,
    "weiaicunzai": WEIAICUNZAI,
    "pytorchcv": PYTORCHCV,
    "NVIDIA": rules((r"layer(\d)\.", "layers.{1-1}.")),
    "children of a CIFAR network": children(3),
    "children without activations": children(2),
    "stages": rules((r"layer(\d)\.", "stages.{1-1}.")),
    "nobody": NOBODY,
}


# ---- packagings ------------------------------------------------------------------------------------------------------------


def prefixed(state, prefix):
    return collections.OrderedDict((prefix + name, tensor) for name, tensor in state.items())


def optimizer_state(state):
    momenta = {i: {"momentum_buffer": torch.zeros_like(tensor)} for i, tensor in enumerate(state.values())}
    return {"state": momenta, "param_groups": [{"lr": 0.1, "params": list(momenta)}]}


PACKAGINGS = {
    "state dict": lambda state: state,
    "DataParallel": lambda state: prefixed(state, "module."),
    "a trainer's checkpoint": lambda state: {"epoch": 3, "state_dict": prefixed(state, "module."), "best_acc1": 71.2,
                                             "optimizer": optimizer_state(state), "when": datetime.datetime(2020, 1, 2)},
    "Lightning": lambda state: {"epoch": 3, "global_step": 9, "pytorch-lightning_version": "2.0.0",
                                "state_dict": prefixed(state, "model."), "callbacks": {}, "lr_schedulers": [],
                                "optimizer_states": [optimizer_state(state)], "hyper_parameters": {"lr": 0.1}},
    "deep inside": lambda state: {"run": [{"nets": {"a": prefixed(state, "_orig_mod.")}}, 3]},
}


# ---- checks ------------------------------------------------------------------------------------------------------------------

results = collections.Counter()


def answer(path, *options):
    """The logits, or the line that refuses."""
    result = subprocess.run(
        [RESNET, "predict", path, os.path.join(folder.name, "x.npy"), "--json", "--logits", "--size", "64",
         "--threads", "1", *options], capture_output=True, text=True)
    if result.returncode != 0:
        assert result.returncode == 1 and result.stderr.count("\n") >= 1, result.stderr
        line = result.stderr.strip().split("\n")[-1]
        assert len(line) <= 500, line
        return None, line
    return torch.tensor(json.loads(result.stdout)["logits"], dtype=torch.float64), result.stderr


def check(form, save, expected, options=(), may_refuse="", suffix=".pth"):
    """`save` writes the file at a path. `expected`: the logits, None for a file that must be refused."""
    if only and only not in form:
        return
    path = os.path.join(folder.name, "m" + suffix)
    save(path)
    found, text = answer(path, *options)
    if found is None:
        kind = "refused" if expected is None or (may_refuse and may_refuse in text) else "WRONGLY REFUSED"
    elif expected is None:
        kind = "WRONG: not refused"
    else:
        wanted = expected.double()[0]
        error = float((found - wanted).abs().max() / wanted.abs().max()) if found.shape == wanted.shape else 1
        kind = "right" if error < 1e-4 else f"WRONG by {error:.2g}"
    results[kind.split(" by ")[0].split(":")[0]] += 1
    if kind not in ("right", "refused"):
        print(f"{form}: {kind}: {text.strip()[:400].replace(folder.name, '')}")


def check_said(form, save, words, suffix=".pth"):
    """The file at a path is answered, and `words` stand on stderr: what was assumed."""
    if only and only not in form:
        return
    path = os.path.join(folder.name, "m" + suffix)
    save(path)
    found, text = answer(path)
    said = found is not None and words in text
    results["said" if said else "WRONG"] += 1
    if not said:
        print(f"{form}: WRONG: does not say '{words}': {text.strip()[:400].replace(folder.name, '')}")


def summary():
    return ", ".join(f"{count} {kind}" for kind, count in sorted(results.items())) + f" of {sum(results.values())} forms"


def status():
    return 0 if set(results) <= {"right", "said", "refused"} else 1


@torch.no_grad()
def logits(model):
    return model.eval()(picture)


def exact_logits(model):
    """In float64, which the model becomes: what float32 makes of a norm of weights can be off by 1e-4 in PyTorch itself."""
    return model.double().eval()(picture.double())


def per_tensor(state, rename):
    """Without the counters, which only PyTorch has; `rename` takes module, leaf and whether it is a batch norm."""
    result = collections.OrderedDict()
    for name, tensor in state.items():
        module, leaf = name.rsplit(".", 1)
        if leaf != "num_batches_tracked":
            result[rename(module, leaf, "bn" in module or module.endswith("downsample.1"))] = tensor
    return result


def write_safetensors(state, path):
    import struct
    header, offset = {}, 0
    for name, tensor in sorted(state.items()):
        size = tensor.numel() * tensor.element_size()
        header[name] = {"dtype": {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, tensor in sorted(state.items()):
            file.write(tensor.contiguous().numpy().tobytes())
