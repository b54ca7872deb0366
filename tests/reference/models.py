"""The networks of the catalog in plain PyTorch, as the reference for parity tests.

Two module structures: torchvision's (with timm's names for the deep stem and the average-pooled shortcut), and the
widespread from-scratch tutorial's. Written for comparison, not for training.

    model = randomize(build("resnet50", layout="tutorial"), seed=0)
    model = build(Options(block="basic", depths=(2, 2), widths=(16, 32), classes=7))
    model = build("resnet20", shortcut="projection")
"""
import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional as F


@dataclasses.dataclass(frozen=True)
class Options:
    """The fields of resnet::Architecture, by the same names and with the same defaults."""

    block: str = "bottleneck"  # or "basic"
    depths: tuple = (3, 4, 6, 3)
    widths: tuple = (64, 128, 256, 512)
    groups: int = 1
    width_per_group: int = 64
    stem: str = "imagenet"  # or "deep", "cifar"
    stem_width: int = 64
    shortcut: str = "projection"  # or "padding", "average_pool", "none"
    in_channels: int = 3
    classes: int = 1000
    stride_on_first: bool = False
    conv_bias: bool = False
    dilated_stages: int = 0
    stem_kernel: int = 0  # 0: the stem's own, as for the stride
    stem_stride: int = 0
    stem_pool: str = "usual"  # or "none", "max", "max_ceil", "max_2x2", "average_2x2"
    strides: tuple = ()  # of the stages; empty: 1, then 2
    bn_eps: float = 1e-5
    antialias: str = "none"  # or "average", "blur"
    activation: str = "relu"  # or "leaky_relu", "relu6", "silu", "gelu", "hardswish"
    negative_slope: float = 0.01  # of leaky_relu
    head_pool: str = "average"  # or "average_max", "max_average"
    head_widths: tuple = ()  # of the linear layers before the last one
    head_activation: str = "relu"  # or another, or "none"

    @property
    def first_kernel(self):
        return self.stem_kernel or (7 if self.stem == "imagenet" else 3)

    @property
    def first_stride(self):
        return self.stem_stride or (1 if self.stem == "cifar" else 2)

    def stride_of(self, stage):
        return self.strides[stage] if self.strides else (1 if stage == 0 else 2)

    @property
    def expansion(self):
        return 4 if self.block == "bottleneck" else 1


def _catalog():
    basic = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
    bottleneck = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
    catalog = {}
    for layers, depths in basic.items():
        options = Options(block="basic", depths=depths)
        catalog[f"resnet{layers}"] = options
        catalog[f"resnet{layers}d"] = dataclasses.replace(options, stem="deep", shortcut="average_pool")
        catalog[f"plain{layers}"] = dataclasses.replace(options, shortcut="none")
    for layers, depths in bottleneck.items():
        catalog[f"resnet{layers}"] = Options(depths=depths)
        if layers != 152:
            catalog[f"resnet{layers}d"] = Options(depths=depths, stem="deep", shortcut="average_pool")
    for layers, groups, width in ((50, 32, 4), (101, 32, 8), (101, 64, 4)):
        catalog[f"resnext{layers}_{groups}x{width}d"] = Options(
            depths=bottleneck[layers], groups=groups, width_per_group=width)
    for layers in (50, 101):
        catalog[f"wide_resnet{layers}_2"] = Options(depths=bottleneck[layers], width_per_group=128)
    for layers in (20, 32, 44, 56, 110, 1202):
        n = (layers - 2) // 6
        options = Options(block="basic", depths=(n, n, n), widths=(16, 32, 64), stem="cifar", stem_width=16,
                          shortcut="padding", classes=10)
        catalog[f"resnet{layers}"] = options
        if layers != 1202:
            catalog[f"plain{layers}"] = dataclasses.replace(options, shortcut="none")
    return catalog


CATALOG = _catalog()


def build(name_or_options, layout="torchvision", **changes):
    """A fresh model in eval mode. `changes` replace fields: build("resnet18", classes=10, dilated_stages=2)."""
    options = CATALOG[name_or_options] if isinstance(name_or_options, str) else name_or_options
    options = dataclasses.replace(options, **changes)
    model = {"torchvision": ResNet, "tutorial": TutorialResNet.build}[layout](options)
    model.options = options
    return model.eval()


def input_size(model):
    """Height and width that the network was made for."""
    return 32 if model.options.stem == "cifar" else 224


# ---- torchvision's structure -----------------------------------------------------------------------------------------


def conv(options, inputs, outputs, kernel, stride=1, dilation=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2 * dilation, dilation=dilation, groups=groups,
                     bias=options.conv_bias)


def norm(options, channels):
    return nn.BatchNorm2d(channels, eps=options.bn_eps)


def act(options, name=None):
    return {"relu": lambda: nn.ReLU(inplace=True),
            "leaky_relu": lambda: nn.LeakyReLU(options.negative_slope, inplace=True),
            "relu6": lambda: nn.ReLU6(inplace=True),
            "silu": lambda: nn.SiLU(inplace=True),
            "gelu": lambda: nn.GELU(),
            "hardswish": lambda: nn.Hardswish(),
            "none": nn.Identity,
            }[name or options.activation]()


class ConcatPool2d(nn.Module):
    """Both poolings, in the order of the name."""

    def __init__(self, order):
        super().__init__()
        self.order = order.split("_")

    def forward(self, x):
        pools = {"average": F.adaptive_avg_pool2d, "max": F.adaptive_max_pool2d}
        return torch.cat([pools[kind](x, 1) for kind in self.order], 1)


def make_head(options):
    """One linear layer, or a Sequential of them in which each has an even number."""
    widths = [options.widths[-1] * options.expansion * (1 if options.head_pool == "average" else 2), *options.head_widths,
              options.classes]
    layers = [nn.Linear(inputs, outputs) for inputs, outputs in zip(widths, widths[1:])]
    if len(layers) == 1:
        return layers[0]
    return nn.Sequential(*[module for layer in layers for module in (layer, act(options, options.head_activation))][:-1])


class BlurPool2d(nn.Module):
    """As timm has it: 1 2 1 by 1 2 1, the picture reflected at its edges."""

    def __init__(self, stride):
        super().__init__()
        self.stride, self.padding = stride, (stride + 1) // 2

    def forward(self, x):
        line = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
        weight = torch.outer(line, line).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (self.padding,) * 4, mode="reflect"), weight, stride=self.stride, groups=x.shape[1])


def make_antialias(options, stride, dilates):
    """What strides behind a 3x3; None where nothing does."""
    if options.antialias == "average" and stride > 1:
        return nn.AvgPool2d(stride)
    if options.antialias == "blur" and (stride > 1 or dilates):
        return BlurPool2d(stride)
    return None


def make_stem_pool(options):
    """None where there is no pooling."""
    usual = {"none": "max", "average": "average_2x2", "blur": "max_blur"}[options.antialias]
    usual = "none" if options.stem == "cifar" else usual
    return {"none": lambda: None,
            "max": lambda: nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            "max_ceil": lambda: nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            "max_2x2": lambda: nn.MaxPool2d(kernel_size=2, stride=2),
            "average_2x2": lambda: nn.AvgPool2d(kernel_size=2, stride=2),
            "max_blur": lambda: nn.Sequential(nn.MaxPool2d(kernel_size=3, stride=1, padding=1), BlurPool2d(2)),
            }[usual if options.stem_pool == "usual" else options.stem_pool]()


class PadShortcut(nn.Module):
    """Option A: every stride-th pixel, and zero channels, half of them before and half after."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.inputs, self.outputs, self.stride = inputs, outputs, stride

    def extra_repr(self):
        return f"{self.inputs}, {self.outputs}, stride={self.stride}"

    def forward(self, x):
        pad = (self.outputs - self.inputs) // 2
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, pad, pad))


def make_shortcut(options, inputs, outputs, stride):
    """None for the identity."""
    if options.shortcut == "none" or (stride == 1 and inputs == outputs):
        return None
    if options.shortcut == "padding":
        return PadShortcut(inputs, outputs, stride)
    if options.shortcut == "average_pool":
        pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
        return nn.Sequential(pool, conv(options, inputs, outputs, 1), norm(options, outputs))
    return nn.Sequential(conv(options, inputs, outputs, 1, stride), norm(options, outputs))


class BasicBlock(nn.Module):
    def __init__(self, options, inputs, width, stride, first_dilation, dilation):
        super().__init__()
        self.has_shortcut = options.shortcut != "none"
        self.aa = make_antialias(options, stride, first_dilation != dilation)
        self.conv1 = conv(options, inputs, width, 3, 1 if options.antialias != "none" else stride, first_dilation)
        self.bn1 = norm(options, width)
        self.relu = act(options)
        self.conv2 = conv(options, width, width, 3, 1, dilation)
        self.bn2 = norm(options, width)
        self.downsample = make_shortcut(options, inputs, width, stride)

    def forward(self, x):
        f = self.relu(self.bn1(self.conv1(x)))
        f = self.bn2(self.conv2(f if self.aa is None else self.aa(f)))
        if self.has_shortcut:
            f = f + (x if self.downsample is None else self.downsample(x))
        return self.relu(f)


class Bottleneck(nn.Module):
    def __init__(self, options, inputs, width, stride, first_dilation, dilation):
        super().__init__()
        self.has_shortcut = options.shortcut != "none"
        inner = width * options.width_per_group // 64 * options.groups
        stride1, stride2 = (stride, 1) if options.stride_on_first else (1, stride)
        self.aa = make_antialias(options, stride2, first_dilation != dilation)
        stride2 = 1 if options.antialias != "none" else stride2
        self.conv1 = conv(options, inputs, inner, 1, stride1)
        self.bn1 = norm(options, inner)
        self.conv2 = conv(options, inner, inner, 3, stride2, first_dilation, options.groups)
        self.bn2 = norm(options, inner)
        self.conv3 = conv(options, inner, 4 * width, 1)
        self.bn3 = norm(options, 4 * width)
        self.relu = act(options)
        self.downsample = make_shortcut(options, inputs, 4 * width, stride)

    def forward(self, x):
        f = self.relu(self.bn1(self.conv1(x)))
        f = self.relu(self.bn2(self.conv2(f)))
        f = self.bn3(self.conv3(f if self.aa is None else self.aa(f)))
        if self.has_shortcut:
            f = f + (x if self.downsample is None else self.downsample(x))
        return self.relu(f)


class ResNet(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.stages = len(options.depths)
        width = options.stem_width
        first = options.first_kernel, options.first_stride
        if options.stem != "deep":
            self.conv1 = conv(options, options.in_channels, width, *first)
        else:
            half = width // 2
            self.conv1 = nn.Sequential(
                conv(options, options.in_channels, half, *first), norm(options, half), act(options),
                conv(options, half, half, 3), norm(options, half), act(options),
                conv(options, half, width, 3))
        self.bn1 = norm(options, width)
        self.relu = act(options)
        pool = make_stem_pool(options)
        if pool is not None:
            self.maxpool = pool
        self.make_stages(options)
        both = options.head_pool != "average"
        self.avgpool = ConcatPool2d(options.head_pool) if both else nn.AdaptiveAvgPool2d((1, 1))
        if options.classes:
            self.fc = make_head(options)

    def make_stages(self, options):
        block = {"basic": BasicBlock, "bottleneck": Bottleneck}[options.block]
        inputs, dilation = options.stem_width, 1
        for stage, (depth, width) in enumerate(zip(options.depths, options.widths)):
            stride, first_dilation = options.stride_of(stage), dilation
            if stage >= self.stages - options.dilated_stages:
                dilation, stride = dilation * stride, 1
            blocks = [block(options, inputs, width, stride, first_dilation, dilation)]
            inputs = width * options.expansion
            blocks += [block(options, inputs, width, 1, dilation, dilation) for _ in range(depth - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        if hasattr(self, "maxpool"):
            x = self.maxpool(x)
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(x) if hasattr(self, "fc") else x


# ---- the tutorial's structure ----------------------------------------------------------------------------------------


class block(nn.Module):  # noqa: N801, the name is printed
    """Three convolutions and an expansion of 4, or two and none."""

    def __init__(self, options, inputs, width, stride, first_dilation, dilation, identity_downsample):
        super().__init__()

        def conv3x3(inputs, stride, dilation):
            return nn.Conv2d(inputs, width, kernel_size=3, stride=stride, padding=dilation, dilation=dilation)

        if options.block == "bottleneck":
            stride1, stride2 = (stride, 1) if options.stride_on_first else (1, stride)
            self.conv1 = nn.Conv2d(inputs, width, kernel_size=1, stride=stride1)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = conv3x3(width, stride2, first_dilation)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1)
            self.bn3 = nn.BatchNorm2d(4 * width)
        else:
            self.conv1 = conv3x3(inputs, stride, first_dilation)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = conv3x3(width, 1, dilation)
            self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.identity_downsample = identity_downsample

    def forward(self, x):
        f = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "conv3"):
            f = self.bn3(self.conv3(self.relu(f)))
        shortcut = x if self.identity_downsample is None else self.identity_downsample(x)
        return self.relu(f + shortcut)


class TutorialResNet(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.stages = len(options.depths)
        self.inputs = options.stem_width
        self.conv1 = nn.Conv2d(options.in_channels, self.inputs, kernel_size=7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(self.inputs)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.dilation = 1
        for stage, (depth, width) in enumerate(zip(options.depths, options.widths)):
            stride, dilated = (1 if stage == 0 else 2), stage >= self.stages - options.dilated_stages
            setattr(self, f"layer{stage + 1}", self.make_stage(options, depth, width, stride, dilated))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(self.inputs, options.classes)

    @staticmethod
    def build(options):
        assert options.stem == "imagenet" and options.shortcut == "projection"
        assert options.groups == 1 and options.width_per_group == 64
        model = TutorialResNet(options)
        model._get_name = lambda: "ResNet"
        return model

    def make_stage(self, options, depth, width, stride, dilated):
        outputs, first_dilation = width * options.expansion, self.dilation
        if dilated:
            self.dilation, stride = self.dilation * stride, 1
        projection = None
        if stride != 1 or self.inputs != outputs:
            projection = nn.Sequential(nn.Conv2d(self.inputs, outputs, kernel_size=1, stride=stride),
                                       nn.BatchNorm2d(outputs))
        blocks = [block(options, self.inputs, width, stride, first_dilation, self.dilation, projection)]
        self.inputs = outputs
        blocks += [block(options, outputs, width, 1, self.dilation, self.dilation, None) for _ in range(depth - 1)]
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        x = self.avgpool(x)
        return self.fc(x.reshape(x.shape[0], -1))


# ---- weights ---------------------------------------------------------------------------------------------------------


def randomize(model, seed):
    """Random weights that exercise every term of every layer and keep activations of order one; returns the model.

    Convolutions are He-initialised; biases and betas are random; a fifth of the gammas is negative. Running means are
    random, running variances a random multiple of the mean square of what each batch norm sees on random input. The
    last gamma of a block is divided by the square root of the stage's depth, so that sums do not grow.

    The mean square is that of the whole layer. Statistics of each channel, as in training, make deep plain networks
    chaotic: float32's rounding grows from layer to layer to 2 % after 110 of them, and nothing can be compared.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor, scale):
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale)

    def uniform(tensor, low, high):
        tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    last_norm = "bn3" if model.options.block == "bottleneck" else "bn2"
    damping = {}
    for stage, depth in enumerate(model.options.depths):
        for index in range(depth):
            norm = getattr(getattr(model, f"layer{stage + 1}")[index], last_norm)
            damping[norm] = 1.0 if model.options.shortcut == "none" else 1 / math.sqrt(depth)

    def set_batch_norm(norm, inputs):
        x = inputs[0]
        shape = norm.running_mean.shape
        power = x.square().mean()
        norm.running_mean.copy_(torch.randn(shape, generator=generator) * 0.3 * power.sqrt())
        uniform(norm.running_var, 0.6, 1.6)
        norm.running_var.mul_(power)
        uniform(norm.weight, 0.5, 1.5)
        norm.weight.mul_(torch.where(torch.rand(shape, generator=generator) < 0.2, -1.0, 1.0))
        norm.weight.mul_(damping.get(norm, 1.0))
        normal(norm.bias, 0.3 * damping.get(norm, 1.0))
        norm.num_batches_tracked.fill_(1000 + seed)

    with torch.no_grad():
        hooks = []
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                normal(module.weight, math.sqrt(2 / module.weight[0].numel()))
                if module.bias is not None:
                    normal(module.bias, 0.3)
            elif isinstance(module, nn.Linear):
                normal(module.weight, 1 / math.sqrt(module.in_features))
                normal(module.bias, 0.3)
            elif isinstance(module, nn.BatchNorm2d):
                hooks.append(module.register_forward_pre_hook(set_batch_norm))
        size = 32 if model.options.stem == "cifar" else 128
        model(torch.randn((2, model.options.in_channels, size, size), generator=generator))
        for hook in hooks:
            hook.remove()
    return model.eval()
