"""Forms of forms_parity.py that take long to write: names and files of Caffe, MXNet and Gluon, and heads of several layers."""
import collections
import copy
import pickle
import re

from forms import (CLASSES, DETECTRON2, NETWORKS, check, logits, network, optimizer_state, picture, randomize, rules,
                   per_tensor, write_safetensors)

import numpy
import torch
from torch import nn


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
