"""Checkpoints in the forms in which people save them, against PyTorch: the same network under many names, wrappers and
packagings, with other heads and stored weights. Each answer of `resnet predict` is PyTorch's, or the file is refused in one
line; which forms may be refused is said here. Forms of other libraries (torchvision, timm, transformers) are made
where these are installed. Exits with 77 where torch is not installed.

    RESNET=build/dev/resnet .venv/bin/python tests/reference/forms_parity.py [WORDS_OF_A_FORM]
"""
import collections
import copy
import json
import os
import sys

from forms import (CLASSES, HUGGING_FACE, NAMES, NETWORKS, PACKAGINGS, PLAIN_NAMES, check, exact_logits, logits,
                    network, picture, prefixed, status, summary, write_safetensors)
from framework_forms import check_heads, check_old_frameworks

import torch
from torch import nn
from torch.nn.utils import fusion, parametrizations, prune


def check_names():
    for network_name, model in NETWORKS.items():
        state, expected = model.state_dict(), logits(model)
        tables = dict(NAMES)
        if network_name != "deep":
            tables.update(PLAIN_NAMES)
        for who, rename in tables.items():
            renamed = collections.OrderedDict((rename(name), tensor) for name, tensor in state.items())
            unusual = who == "detectron2" and network_name == "bottleneck"  # under its names
            options = ("--stride-on-first=false",) if unusual else ()
            for packaging, pack in PACKAGINGS.items():
                check(f"{network_name}, {who}, {packaging}", lambda path: torch.save(pack(renamed), path), expected,
                      options)


def stored(model, change):
    model = copy.deepcopy(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Conv2d) and "downsample" not in name:
            change(module)
    return model.eval()


def fused(model):
    """Every convolution takes in the batch norm that its block calls behind it."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        for i in (1, 2, 3):
            if hasattr(module, f"conv{i}") and hasattr(module, f"bn{i}"):
                setattr(module, f"conv{i}", fusion.fuse_conv_bn_eval(getattr(module, f"conv{i}"), getattr(module, f"bn{i}")))
                setattr(module, f"bn{i}", nn.Identity())
        if getattr(module, "downsample", None) is not None:
            conv, norm = module.downsample
            module.downsample = nn.Sequential(fusion.fuse_conv_bn_eval(conv, norm))
    return model


def check_stored():
    changes = {
        "pruned": lambda conv: prune.l1_unstructured(conv, "weight", 0.4),
        "pruned channels": lambda conv: prune.ln_structured(conv, "weight", 0.3, n=2, dim=0),
        "weight norm": lambda conv: nn.utils.weight_norm(conv),
        "weight norm as parametrization": lambda conv: parametrizations.weight_norm(conv),
        "weight norm of the whole": lambda conv: nn.utils.weight_norm(conv, dim=None),
        "spectral norm": lambda conv: nn.utils.spectral_norm(conv),
        "spectral norm as parametrization": lambda conv: parametrizations.spectral_norm(conv),
    }
    for network_name in ("basic", "bottleneck"):
        for what, change in changes.items():
            model = stored(NETWORKS[network_name], change)
            state = model.state_dict()
            check(f"{what}, {network_name}", lambda path: torch.save(state, path), exact_logits(model))
        model = fused(NETWORKS[network_name])
        check(f"fused, {network_name}", lambda path: torch.save(model.state_dict(), path), logits(model))
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        half = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor
                for name, tensor in NETWORKS["basic"].state_dict().items()}
        model = network()
        model.load_state_dict(half)
        check(f"{dtype}", lambda path: torch.save(half, path), logits(model))


def check_several():
    one, other = network(), network()
    state, averaged = one.state_dict(), other.state_dict()
    check("timm's averages", lambda path: torch.save({"state_dict": state, "state_dict_ema": averaged, "arch": "x"}, path),
          logits(other))
    check("timm's averages, not taken",
          lambda path: torch.save({"state_dict": state, "state_dict_ema": averaged, "arch": "x"}, path), logits(one),
          ("--take", "state_dict"))
    check("torchvision's averages", lambda path: torch.save({"model": state, "model_ema": prefixed(averaged, "module.")}, path),
          logits(one))
    swa = torch.optim.swa_utils.AveragedModel(other)
    check("AveragedModel", lambda path: torch.save(swa.state_dict(), path), logits(other))
    check("an ensemble", lambda path: torch.save({"a": state, "b": averaged}, path), None)
    check("one of an ensemble", lambda path: torch.save({"a": state, "b": averaged}, path), logits(other), ("--take", "b"))
    body = {name: tensor for name, tensor in state.items() if not name.startswith("fc")}
    head = prefixed({"weight": state["fc.weight"], "bias": state["fc.bias"]}, "head.")
    check("DINO", lambda path: torch.save({"student": prefixed(body, "module.backbone.") | prefixed(head, "module."),
                                           "teacher": prefixed(body, "backbone.") | head}, path), logits(one))


def altered():
    """Networks whose tensors are the usual's: only their attributes tell."""
    model = network()
    model.maxpool = nn.Identity()
    yield "no pooling", model, ("--stem-pool", "none")
    model = network()
    model.maxpool = nn.MaxPool2d(2, 2)
    yield "pooling 2x2", model, ("--stem-pool", "max_2x2")
    model = network()
    model.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "pooling with ceil_mode", model, ("--stem-pool", "max_ceil")
    model = network()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-2
    yield "eps", model, ("--bn-eps", "0.01")
    for name, flag, make in (("LeakyReLU", "leaky_relu", lambda: nn.LeakyReLU(0.01)), ("SiLU", "silu", nn.SiLU)):
        model = network()
        for module in list(model.modules()):
            for child_name, child in list(module.named_children()):
                if isinstance(child, nn.ReLU):
                    setattr(module, child_name, make())
        yield name, model, ("--activation", flag)
    yield "stride on the first", network("bottleneck", stride_on_first=True), ("--stride-on-first",)
    model = network()
    model.layer3[0].conv1.stride = model.layer3[0].downsample[0].stride = (1, 1)
    yield "last stride 1", model, ("--strides", "1,2,1")


def check_words():
    for what, model, flags in altered():
        expected = logits(model)
        check(f"{what}, flags", lambda path: torch.save(model.state_dict(), path), expected, flags)
        check(f"{what}, whole module", lambda path: torch.save(model, path), expected)
    for network_name, model in NETWORKS.items():
        check(f"{network_name}, whole module", lambda path: torch.save(model, path), logits(model))
        check(f"{network_name}, whole module in a checkpoint", lambda path: torch.save({"net": model, "epoch": 3}, path),
              logits(model))
        check(f"{network_name}, DataParallel module", lambda path: torch.save(nn.DataParallel(model), path), logits(model))
        check(f"{network_name}, traced", lambda path: torch.jit.trace(model, picture).save(path), logits(model))
    for what, model, _ in altered():
        if what in ("LeakyReLU", "SiLU"):
            check(f"{what}, traced", lambda path: torch.jit.trace(model, picture).save(path), logits(model))


class Normalising(nn.Module):
    """Prepares its pictures itself."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.register_buffer("std", torch.ones(3, 1, 1))

    def forward(self, x):
        return self.model((x - self.mean) / self.std)


def check_folders():
    model = NETWORKS["bottleneck"]
    state = collections.OrderedDict((HUGGING_FACE(name), tensor) for name, tensor in model.state_dict().items())
    config = {"model_type": "resnet", "hidden_act": "relu", "id2label": {str(i): f"class {i}" for i in range(CLASSES)}}

    def hub(config, shards=1):
        def save(path):
            os.makedirs(path)
            with open(os.path.join(path, "config.json"), "w") as file:
                json.dump(config, file)
            if shards == 1:
                return write_safetensors(state, os.path.join(path, "model.safetensors"))
            weight_map = {name: f"model-{i % shards}.safetensors" for i, name in enumerate(state)}
            for shard in set(weight_map.values()):
                write_safetensors({n: t for n, t in state.items() if weight_map[n] == shard}, os.path.join(path, shard))
            with open(os.path.join(path, "model.safetensors.index.json"), "w") as file:
                json.dump({"weight_map": weight_map}, file)
        return save

    check("Hugging Face's folder", hub(config), logits(model), suffix="-hub")
    check("Hugging Face's folder of shards", hub(config, 3), logits(model), suffix="-shards")
    first = network("bottleneck", stride_on_first=True)
    first.load_state_dict(model.state_dict())
    check("downsample_in_bottleneck", hub(config | {"downsample_in_bottleneck": True}), logits(first), suffix="-first")
    check("an activation that nobody has", hub(config | {"hidden_act": "mish"}), None, suffix="-mish")
    check("a network that prepares its pictures", lambda path: torch.save(Normalising(model).state_dict(), path), logits(model))


def check_others():
    """Networks that are not ours."""

    class Gate(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.fc1 = nn.Conv2d(channels, 4, 1)
            self.fc2 = nn.Conv2d(4, channels, 1)

    model = network()
    for stage in (model.layer1, model.layer2, model.layer3):
        for block in stage:
            block.se = Gate(block.conv2.out_channels)
    check("squeeze-and-excitation", lambda path: torch.save(model.state_dict(), path), None)
    model = network()
    for module in model.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.GroupNorm(4, child.num_features))
    check("group norm", lambda path: torch.save(model.state_dict(), path), None)
    body = {name: tensor for name, tensor in network().state_dict().items() if not name.startswith("fc")}
    check("no classifier", lambda path: torch.save(prefixed(body, "module.encoder_q."), path), None)
    check("not a network", lambda path: torch.save({"a": torch.zeros(3)}, path), None)
    check("another network", lambda path: torch.save(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(8, 3)).state_dict(), path),
          None)


if __name__ == "__main__":
    check_names()
    check_old_frameworks()
    check_heads()
    check_stored()
    check_several()
    check_words()
    check_folders()
    check_others()
    print(summary())
    sys.exit(status())
