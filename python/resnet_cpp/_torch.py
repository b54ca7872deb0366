"""A network of resnet_cpp as a module of PyTorch: the same operations, under the same names."""
import torch
from torch import nn
from torch.nn import functional as F

_ACTIVATIONS = {
    "relu": lambda node: nn.ReLU(),
    "leaky_relu": lambda node: nn.LeakyReLU(node["negative_slope"]),
    "relu6": lambda node: nn.ReLU6(),
    "silu": lambda node: nn.SiLU(),
    "gelu": lambda node: nn.GELU(),
    "hardswish": lambda node: nn.Hardswish(),
}


def _layer(node):
    """The module of an operation that has parameters or is called by its path; None of others."""
    op, inputs, outputs = node["op"], node["in_channels"], node["out_channels"]
    if op == "conv":
        return nn.Conv2d(inputs, outputs, node["kernel"], node["stride"], node["padding"], node["dilation"], node["groups"], node["bias"])
    if op == "batch_norm":
        return nn.BatchNorm2d(outputs, eps=node["epsilon"])
    if op == "linear":
        return nn.Linear(inputs, outputs, node["bias"])
    return None


def _blur(x, node):
    line = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
    weight = torch.outer(line, line).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (node["padding"],) * 4, mode="reflect"), weight, stride=node["stride"], groups=x.shape[1])


def _pad_shortcut(x, node):
    before = (node["out_channels"] - node["in_channels"]) // 2
    after = node["out_channels"] - node["in_channels"] - before
    return F.pad(x[:, :, :: node["stride"], :: node["stride"]], (0, 0, 0, 0, before, after))


_FUNCTIONS = {
    "activation": lambda node: lambda x: _ACTIVATIONS[node["activation"]](node)(x),
    "max_pool": lambda node: lambda x: F.max_pool2d(x, node["kernel"], node["stride"], node["padding"], ceil_mode=node["ceil_mode"]),
    "average_pool": lambda node: lambda x: F.avg_pool2d(
        x, node["kernel"], node["stride"], node["padding"], ceil_mode=node["ceil_mode"], count_include_pad=False),
    "blur": lambda node: lambda x: _blur(x, node),
    "pad_shortcut": lambda node: lambda x: _pad_shortcut(x, node),
    "add": lambda node: torch.add,
    "global_average_pool": lambda node: lambda x: F.adaptive_avg_pool2d(x, 1),
    "global_max_pool": lambda node: lambda x: F.adaptive_max_pool2d(x, 1),
    "concat": lambda node: lambda *parts: torch.cat(parts, 1),
    "flatten": lambda node: lambda x: torch.flatten(x, 1),
}


class Network(nn.Module):
    """The operations one after another; its state dict has torchvision's names."""

    def __init__(self, nodes):
        super().__init__()
        self._nodes = nodes
        self._functions = []
        for node in nodes[1:]:
            layer = _layer(node)
            if layer is not None:
                self._place(node["path"], layer)
            self._functions.append(layer if layer is not None else _FUNCTIONS[node["op"]](node))

    def _place(self, path, layer):
        *outer, last = path.split(".")
        parent = self
        for name in outer:
            if name not in parent._modules:
                parent.add_module(name, nn.Module())
            parent = parent._modules[name]
        parent.add_module(last, layer)

    def forward(self, x):
        values = [x]
        for node, function in zip(self._nodes[1:], self._functions):
            values.append(function(*[values[i] for i in node["inputs"]]))
        return values[-1]


def build(model):
    network = Network(model._nodes())
    network.load_state_dict({name: torch.as_tensor(values) for name, values in model.state_dict().items()})
    return network.eval()
