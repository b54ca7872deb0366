"""Checkpoints in the forms in which people save them, against PyTorch: the same network under many names, wrappers and
packagings, with other heads and stored weights. Each answer of `resnet predict` is PyTorch's, or the file is refused in one
line; which forms may be refused is said here. Forms of other libraries (torchvision, timm, transformers) are made
where these are installed. Exits with 77 where torch is not installed.

    RESNET=build/dev/resnet .venv/bin/python tests/reference/forms_parity.py [WORDS_OF_A_FORM]
"""
import collections
import copy
import datetime
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile

try:
    import torch
    from torch import nn
    from torch.nn.utils import fusion, parametrizations, prune
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


def per_tensor(state, rename):
    """Without the counters, which only PyTorch has; `rename` takes module, leaf and whether it is a batch norm."""
    result = collections.OrderedDict()
    for name, tensor in state.items():
        module, leaf = name.rsplit(".", 1)
        if leaf != "num_batches_tracked":
            result[rename(module, leaf, "bn" in module or module.endswith("downsample.1"))] = tensor
    return result


def mxnet_symbol(module, leaf, norm):
    """Of MXNet's example for ImageNet."""
    leaf = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}[leaf] if norm else leaf
    path = rules((r"conv1$", "conv0"), (r"bn1$", "bn0"), (r"fc$", "fc1"), (r"layer(\d)\.(\d)\.downsample\.0", "stage{1}_unit{2+1}_sc"),
                 (r"layer(\d)\.(\d)\.downsample\.1", "stage{1}_unit{2+1}_sc_bn"), (r"layer(\d)\.(\d)\.", "stage{1}_unit{2+1}_"))(module)
    return f"{path}_{leaf}"


def gluon():
    """Of Gluon's model zoo: numbers run through a stage."""
    counts, places = collections.Counter(), {}

    def rename(module, leaf, norm):
        leaf = {"weight": "gamma", "bias": "beta"}.get(leaf, leaf) if norm else leaf
        if module not in places:
            kind = "batchnorm" if norm else "dense" if module == "fc" else "conv"
            stage = f"stage{module[5]}_" if module.startswith("layer") else ""
            places[module] = f"resnetv10_{stage}{kind}{counts[stage, kind]}"
            counts[stage, kind] += 1
        return f"{places[module]}_{leaf}"
    return rename


def caffe(state, depths, numbered):
    """The blobs of each of Caffe's layers: statistics apart from scales, and times a factor."""
    layers = collections.OrderedDict()
    for name, tensor in state.items():
        module, leaf = name.rsplit(".", 1)
        match = re.match(r"layer(\d)\.(\d)\.(?:(conv|bn)(\d)|downsample\.(\d))", module)
        norm = "bn" in module or module.endswith("downsample.1")
        if leaf == "num_batches_tracked":
            continue
        place = {"bn1": "_conv1"}.get(module, module)
        if match:
            block = int(match[2])
            letter = f"b{block}" if numbered and block else "abcdefgh"[block]
            place = f"{int(match[1]) + 1}{letter}_branch" + ("1" if match[5] else "2" + "abc"[int(match[4]) - 1])
        if leaf.startswith("running"):
            blobs = layers.setdefault("bn" + place, [None, None, numpy.float32([0.25])])
            blobs[leaf == "running_var"] = tensor.numpy() * numpy.float32(0.25)
        else:
            kind = "scale" if norm else "res" if match else ""
            name = {"fc": "fc1000"}.get(place, place)
            layers.setdefault(kind + name, []).append(tensor.numpy())
    return layers


def write_pickle(value, path):
    with open(path, "wb") as file:
        pickle.dump(value, file)


def check_old_frameworks():
    for network_name in ("basic", "bottleneck"):
        model = NETWORKS[network_name]
        state, expected = model.state_dict(), logits(model)
        for who, named in {"MXNet": per_tensor(state, mxnet_symbol), "Gluon": per_tensor(state, gluon())}.items():
            check(f"{who}, {network_name}, npz", lambda path: write_npz(named, path), expected, suffix=".npz")
            check(f"{who}, {network_name}, safetensors", lambda path: write_safetensors(named, path), expected)
            check(f"{who}, {network_name}, pickle",
                  lambda path: write_pickle({n: t.numpy() for n, t in named.items()}, path), expected, suffix=".pkl")
    # Gluon's bottlenecks have biases in their 1x1 convolutions alone.
    biased = copy.deepcopy(NETWORKS["bottleneck"])
    for module in biased.modules():
        for name, child in list(module.named_children()):
            if name in ("conv1", "conv3") and child.kernel_size == (1, 1):
                child.bias = nn.Parameter(torch.randn(child.out_channels))
    biased = biased.eval()
    named = per_tensor(biased.state_dict(), gluon())
    check("Gluon, biases", lambda path: write_npz(named, path), logits(biased), suffix=".npz")
    check("some biases", lambda path: torch.save(biased.state_dict(), path), logits(biased))
    named = {"bn_data_gamma": torch.ones(3), **per_tensor(NETWORKS["basic"].state_dict(), mxnet_symbol)}
    del named["bn0_gamma"], named["bn0_beta"], named["bn0_moving_mean"], named["bn0_moving_var"]
    check("MXNet, pre-activation", lambda path: write_npz(named, path), None, suffix=".npz")

    model = network("bottleneck", stride_on_first=True, stem_pool="max_ceil")
    for numbered in (False, True):
        layers = caffe(model.state_dict(), (2, 1, 2), numbered)
        check(f"Caffe, {numbered}, lists of blobs", lambda path: write_pickle(layers, path), logits(model), suffix=".pkl")
        flat = {f"{layer}.{i}": torch.tensor(blob) for layer, blobs in layers.items() for i, blob in enumerate(blobs)}
        check(f"Caffe, {numbered}, npz", lambda path: write_npz(flat, path), logits(model), suffix=".npz")
    model = network("bottleneck", stride_on_first=True)
    renamed = {DETECTRON2(name): tensor.numpy() for name, tensor in model.state_dict().items()}
    zoo = {"model": renamed, "__author__": "Caffe2", "matching_heuristics": True}
    check("detectron2's zoo", lambda path: write_pickle(zoo, path), logits(model), suffix=".pkl")
    model = NETWORKS["bottleneck"]
    renamed = {DETECTRON2(name): tensor.numpy() for name, tensor in model.state_dict().items()}
    zoo = {"model": renamed, "__author__": "torchvision", "matching_heuristics": True}
    check("detectron2's zoo, torchvision's", lambda path: write_pickle(zoo, path), logits(model), suffix=".pkl")


class Headed(nn.Module):
    """A body without its last layer, and a head."""

    def __init__(self, body, head, name="head"):
        super().__init__()
        self.backbone = copy.deepcopy(body)
        self.backbone.fc = nn.Identity()
        setattr(self, name, randomize(head))
        self.name = name

    def forward(self, x):
        return getattr(self, self.name)(self.backbone(x))


def check_heads():
    body = NETWORKS["basic"]
    features = 24
    heads = {
        "linear": nn.Linear(features, CLASSES),
        "no bias": nn.Linear(features, CLASSES, bias=False),
        "dropout": nn.Sequential(nn.Dropout(0.5), nn.Linear(features, CLASSES)),
        "flatten, ReLU, dropout": nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Dropout(0.2), nn.Linear(features, CLASSES)),
        "batch norm": nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, CLASSES)),
        "1x1 convolution": nn.Sequential(nn.Unflatten(1, (features, 1, 1)), nn.Conv2d(features, CLASSES, 1), nn.Flatten()),
    }
    for what, head in heads.items():
        for name in ("fc", "classifier", "cls_head"):
            model = Headed(body, head, name).eval()
            check(f"head, {what}, {name}", lambda path: torch.save(model.state_dict(), path), logits(model))
    model = copy.deepcopy(body)
    model.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(features, CLASSES))
    check("head, fc.1", lambda path: torch.save(model.state_dict(), path), logits(model))
    check_chains(body, features)
    two = Headed(body, nn.Linear(features, CLASSES), "first").eval()
    two.second = nn.Linear(features, 3)
    check("two heads", lambda path: torch.save(two.state_dict(), path), None)
    check("one of two heads", lambda path: torch.save(two.state_dict(), path), logits(two), ("--head", "first"))
    model = Headed(body, nn.Sequential(nn.BatchNorm1d(features), nn.ReLU(), nn.Linear(features, CLASSES))).eval()
    check("batch norm and ReLU", lambda path: torch.save(model.state_dict(), path), None)


class ConcatPool(nn.Module):
    """fastai's AdaptiveConcatPool2d, or timm's catavgmax."""

    def __init__(self, max_first=True):
        super().__init__()
        self.max_first = max_first
        self.ap, self.mp = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)

    def forward(self, x):
        pools = [self.mp(x), self.ap(x)]
        return torch.cat(pools if self.max_first else pools[::-1], 1)


def lin_bn_drop(inputs, outputs, activation=None):
    """fastai's block of a head."""
    layers = [nn.BatchNorm1d(inputs), nn.Dropout(0.25), nn.Linear(inputs, outputs, bias=False)]
    return layers + ([] if activation is None else [activation])


def fastai(body, features, widths=(10,), pool=None):
    """vision_learner's network: the children of a ResNet but the last two, and create_head()."""
    children = nn.Sequential(*list(copy.deepcopy(body).children())[:-2])
    sizes = [features * (2 if pool is None else 1), *widths, CLASSES]
    layers = [pool or ConcatPool(), nn.Flatten()]
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        layers += lin_bn_drop(inputs, outputs, nn.ReLU(inplace=True) if i + 2 < len(sizes) else None)
    return nn.Sequential(children, randomize(nn.Sequential(*layers))).eval()


def write_npz(state, path):
    with open(path, "wb") as file:
        numpy.savez(file, **{name: tensor.numpy() for name, tensor in state.items()})


def check_chains(body, features):
    """Linear layers behind each other."""
    def names(layers):
        return nn.Sequential(collections.OrderedDict(layers))

    linear, norm, relu, drop = nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout
    heads = {
        "two layers": nn.Sequential(linear(features, 10), relu(), linear(10, CLASSES)),
        "two layers, dropout": nn.Sequential(drop(), linear(features, 10), relu(), drop(), linear(10, CLASSES)),
        "three layers": nn.Sequential(linear(features, 30), relu(), linear(30, 20), relu(), linear(20, CLASSES)),
        "LogSoftmax": nn.Sequential(linear(features, 10), relu(), drop(0.2), linear(10, CLASSES)),
        "equal widths": nn.Sequential(linear(features, features), relu(), linear(features, features), relu(), linear(features, CLASSES)),
        "norm, ReLU": nn.Sequential(linear(features, 10), norm(10), relu(), drop(), linear(10, CLASSES)),
        "ReLU, norm": nn.Sequential(linear(features, 10), relu(), norm(10), drop(), linear(10, CLASSES)),
        "norm first": nn.Sequential(norm(features), linear(features, 10), relu(), linear(10, CLASSES)),
        "norm last": nn.Sequential(linear(features, 10), relu(), linear(10, CLASSES), norm(CLASSES)),
        "nothing between": nn.Sequential(linear(features, 10), linear(10, CLASSES)),
        "a norm between": nn.Sequential(linear(features, 10), norm(10), linear(10, CLASSES)),
        "no biases": nn.Sequential(linear(features, 10, bias=False), norm(10), relu(), linear(10, CLASSES, bias=False)),
        "named": names([("fc1", linear(features, 10)), ("relu", relu()), ("fc2", linear(10, CLASSES))]),
        "named, norms": names([("fc1", linear(features, 10)), ("norm1", norm(10)), ("relu", relu()), ("drop", drop()),
                               ("fc2", linear(10, 8)), ("norm2", norm(8)), ("relu2", relu()), ("out", linear(8, CLASSES))]),
        "nested": nn.Sequential(nn.Sequential(linear(features, 10), norm(10), relu()), nn.Sequential(linear(10, CLASSES))),
        "bottleneck": names([("bottleneck", norm(features)), ("classifier", linear(features, CLASSES, bias=False))]),
        "1x1 convolutions": nn.Sequential(nn.Unflatten(1, (features, 1, 1)), nn.Conv2d(features, 10, 1), relu(),
                                          nn.Conv2d(10, CLASSES, 1), nn.Flatten()),
    }
    for what, head in heads.items():
        for name in ("fc", "classifier", "mlp"):
            model = Headed(body, head, name).eval()
            check(f"chain, {what}, {name}", lambda path: torch.save(model.state_dict(), path), logits(model))
        model = copy.deepcopy(body)
        model.fc = randomize(copy.deepcopy(head))
        check(f"chain, {what}, in place of fc", lambda path: torch.save(model.state_dict(), path), logits(model))
        check(f"chain, {what}, module", lambda path: torch.save(model, path), logits(model))
        check(f"chain, {what}, safetensors", lambda path: write_safetensors(model.state_dict(), path), logits(model),
              suffix=".safetensors")
        check(f"chain, {what}, npz", lambda path: write_npz(model.state_dict(), path), logits(model), suffix=".npz")
    for flag, make in (("gelu", nn.GELU), ("silu", nn.SiLU), ("hardswish", nn.Hardswish), ("relu6", nn.ReLU6),
                       ("leaky_relu", nn.LeakyReLU), ("none", nn.Identity)):
        model = copy.deepcopy(body)
        model.fc = randomize(nn.Sequential(linear(features, 10), make(), drop(), linear(10, CLASSES)))
        check(f"chain, {flag}, flag", lambda path: torch.save(model.state_dict(), path), logits(model), ("--head-activation", flag))
        check(f"chain, {flag}, module", lambda path: torch.save(model, path), logits(model))
    model.fc = nn.Sequential(linear(features, 10), nn.Tanh(), linear(10, CLASSES)).eval()
    check("chain, Tanh, module", lambda path: torch.save(model, path), None)
    model.fc = nn.Sequential(linear(features, 10), nn.Sigmoid(), linear(10, CLASSES)).eval()
    check("chain, Sigmoid, module", lambda path: torch.save(model, path), None)
    model.fc = nn.Sequential(linear(features, 10), nn.GELU(), linear(10, 9), relu(), linear(9, CLASSES)).eval()
    check("chain, GELU and ReLU, module", lambda path: torch.save(model, path), None)
    model.fc = nn.Sequential(linear(features, 10), linear(10, 9), relu(), linear(9, CLASSES)).eval()
    check("chain, one gap, state dict", lambda path: torch.save(model.state_dict(), path), None)
    model.fc = nn.Sequential(linear(features, 10), nn.LeakyReLU(0.2), drop(), linear(10, CLASSES)).eval()
    check("chain, LeakyReLU(0.2), module", lambda path: torch.save(model, path), logits(model))
    check("chain, LeakyReLU(0.2), traced", lambda path: torch.jit.trace(model, picture).save(path), logits(model))
    model.fc = nn.Sequential(linear(features, 10), nn.PReLU(), linear(10, CLASSES)).eval()
    check("chain, PReLU", lambda path: torch.save(model.state_dict(), path), None)
    model.fc = nn.Sequential(linear(features, 10), nn.LayerNorm(10), relu(), linear(10, CLASSES)).eval()
    check("chain, LayerNorm", lambda path: torch.save(model.state_dict(), path), None)
    for network_name in ("basic", "bottleneck", "cifar", "deep"):
        net = NETWORKS[network_name]
        width = net.fc.in_features
        for what, model in {"fastai": fastai(net, width), "fastai, one layer": fastai(net, width, ()),
                            "fastai, three layers": fastai(net, width, (12, 9)),
                            "fastai, average pooling": fastai(net, width, (10,), nn.AdaptiveAvgPool2d(1))}.items():
            check(f"{what}, {network_name}", lambda path: torch.save(model.state_dict(), path), logits(model))
            check(f"{what}, {network_name}, learn.save", lambda path: torch.save(
                {"model": model.state_dict(), "opt": optimizer_state(model.state_dict())}, path), logits(model))
    model = copy.deepcopy(body)
    model.avgpool, model.fc = ConcatPool(max_first=False), nn.Linear(2 * features, CLASSES)
    check("timm's catavgmax", lambda path: torch.save(model.state_dict(), path), logits(model), ("--head-pool", "average_max"))
    model = Headed(body, nn.ModuleDict({"a": nn.Sequential(linear(features, 10), relu(), linear(10, CLASSES)),
                                        "b": nn.Sequential(linear(features, 9), norm(9), relu(), linear(9, 3))}), "heads")
    check("two chains", lambda path: torch.save(model.eval().state_dict(), path), None)
    for which in "ab":
        expected = model.heads[which](model.backbone(picture)).detach()
        check(f"two chains, {which}", lambda path: torch.save(model.state_dict(), path), expected, ("--head", which))


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
