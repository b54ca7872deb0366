"""Our own learning and the LibTorch module against Python PyTorch on the same weights and batch: logits, loss, every
gradient and every statistic; and the engine's logits against the module's.

Both compute in float32 and round differently. The yardstick is therefore the same network in float64: the module may be
at most four times as far from it as PyTorch's own float32 is, or 1e-5, in the Euclidean norm of each tensor. Were an
activation so close to zero that rounding decides whether ReLU lets its gradient through, that gradient alone would be far
more: the pictures are the first on which, in float64, none is. The gradient of a convolution's bias before a batch norm is
zero but for rounding: a bias's is measured against its weights'.

Our own learning is held to this with direct convolutions. With the algorithms that it chooses, Winograd's among them, it
may be 1e-4 away, which is asked where no activation has a kink: more inputs of a ReLU than can be kept from zero would come
out on the other side. Exits with 77 without torch; where LibTorch is not, our own learning alone is compared.
"""
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

BUILD = os.path.dirname(os.environ["RESNET"])
# Programs and what they are told, with the floor of what they are allowed.
NHWC, NCHW = ("train_probe", "nhwc", 1e-5), ("train_probe", "nchw", 1e-5)
SMOOTH = ("silu", "gelu", "hardswish")
OURS = [("learn_probe", "direct", 1e-5), ("learn_probe", "auto", 1e-4)]
FACTOR = 4
MARGIN = 2e-6  # of the standard deviation of a ReLU's inputs; float32's own steps are 1.2e-7 of a value
folder = tempfile.TemporaryDirectory()
failures = []


def path(name):
    return os.path.join(folder.name, name)


def training_pass(model, batch, labels):
    """All that the probe writes but the engine's logits."""
    with torch.no_grad():
        result = {"eval": model.eval()(batch)}
    model.train()
    logits = model(batch)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    result.update(logits=logits.detach(), loss=loss.detach())
    result.update({"grad." + name: value.grad for name, value in model.named_parameters()})
    result.update({"state." + name: value for name, value in model.state_dict().items()})
    return {name: value.double() for name, value in result.items()}


def copy_of(model, layout, dtype):
    copy = models.build(model.options, layout=layout)
    copy.load_state_dict(model.state_dict())
    return copy.to(dtype)


def clear_batch(model, layout, shape, seed):
    """The first batch, from a seed on, on which no input of a ReLU comes within MARGIN of zero, the model being in training."""
    model = copy_of(model, layout, torch.float64).train()
    closest = []
    for module in model.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_pre_hook(lambda _, inputs: closest.append((inputs[0].abs().min() / inputs[0].std()).item()))
    for seed in range(seed, seed + 100):
        batch = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        closest.clear()
        with torch.no_grad():
            model(batch.double())
        if min(closest, default=1) > MARGIN:  # smooth activations have no kink
            return batch
    raise AssertionError("no batch keeps every ReLU's inputs away from zero")


def distance(got, exact, name):
    size = exact[name].norm()
    if name.startswith("grad.") and name.endswith(".bias"):
        size = torch.maximum(size, exact[name[:-len("bias")] + "weight"].norm())
    return ((got[name] - exact[name]).norm() / size.clamp(min=1e-30)).item()


def compare(title, model, layout, images, size, probes, seed=1):
    """Prints, for each program that was built, the largest share that a tensor takes of what it is allowed."""
    torch.manual_seed(len(title))
    models.randomize(model, seed=len(title))
    width = size - 3 if model.options.antialias == "none" else size // 2  # whose strides come out even
    batch = clear_batch(model, layout, (images, model.options.in_channels, size, width), seed)
    labels = torch.randint(model.options.classes, (len(batch),))
    save_model(model, path("model.safetensors"), layout)
    np.save(path("batch.npy"), batch.numpy())
    exact = training_pass(copy_of(model, layout, torch.float64), batch.double(), labels)
    theirs = training_pass(copy_of(model, layout, torch.float32), batch, labels)
    for program, how, floor in probes:
        probe = os.path.join(BUILD, program)
        if not os.path.exists(probe) or (how == "auto" and model.options.activation not in SMOOTH):
            continue
        done = subprocess.run([probe, path("model.safetensors"), path("batch.npy"), ",".join(map(str, labels.tolist())),
                               path("out.pth"), how], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        got = {name: value.double() for name, value in torch.load(path("out.pth"), weights_only=True).items()}
        engine = got.pop("engine")
        assert list(got) == list(theirs), sorted(set(got) ^ set(theirs))
        worst, name = max((distance(got, exact, name) / max(floor, FACTOR * distance(theirs, exact, name)), name)
                          for name in got)
        engine_error = distance({"eval": engine}, got, "eval")
        good = worst <= 1 and engine_error < 1e-5
        print(f"{title:40} {how:6} {worst:5.2f} of what is allowed, at {name}; engine {engine_error:.1e}"
              f"{'' if good else '  WRONG'}", flush=True)
        if not good:
            failures.append(f"{title} {how}")


def compare_all():
    small = models.Options(depths=(1, 2, 1), widths=(24, 40, 56), stem_width=24, classes=11)
    basic = models.Options(block="basic", depths=(2, 1, 1), widths=(8, 20, 36), stem_width=8, classes=5)
    cases = [("resnet18", {}), ("resnet50", {}), ("plain18", {}), ("resnet20", {}), ("plain20", {})]
    cases += [(base, change) for base in (small, basic) for change in (
        {"dilated_stages": 2}, {"conv_bias": True}, {"stem": "deep", "shortcut": "average_pool"}, {"shortcut": "padding"},
        {"in_channels": 1, "stem": "cifar"}, {"stem_kernel": 3, "stem_pool": "max_ceil", "bn_eps": 1e-3},
        {"stem": "cifar", "stem_pool": "average_2x2", "strides": (1, 2, 1)})]
    cases += [(small, {"activation": name}) for name in ("leaky_relu", "relu6", "silu", "gelu", "hardswish")]
    cases += [(base, {"antialias": how}) for base in (small, basic) for how in ("average", "blur")]
    cases += [(basic, {"head_pool": "max_average", "head_widths": (30,)}),
              (small, {"head_pool": "average_max", "head_widths": (30, 20), "head_activation": "silu"})]
    cases += [(small, {"stride_on_first": True}), (small, {"groups": 4, "width_per_group": 32})]
    cases += [("resnet18", {"activation": "silu"})]
    for base, change in cases:
        model = models.build(base, **change)
        title = f"{base if isinstance(base, str) else base.block} {change or ''}".strip()
        images = 4 if model.options.stem == "cifar" else 8  # so few that a clear batch is soon found
        compare(title, model, "torchvision", images, 32, [NHWC, *OURS], 39 if base == "resnet50" else 1)  # which has none before
    compare("resnet18", models.build("resnet18"), "torchvision", 4, 40, [NCHW])
    compare("resnet18 tutorial", models.build("resnet18", layout="tutorial"), "tutorial", 8, 32, [NHWC, *OURS])


if not any(os.path.exists(os.path.join(BUILD, program)) for program, _, _ in [NHWC, *OURS]):
    print("skipped: nothing to compare was built")
    sys.exit(77)
compare_all()
print(f"{len(failures)} wrong {failures}" if failures else "all agree")
sys.exit(1 if failures else 0)
