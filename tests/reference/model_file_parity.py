"""State dicts of PyTorch through `resnet convert` and back: the same names, the same order, the same bits; and the
architecture that `resnet inspect` infers from each. Exits with 77 where torch is not installed.
"""
import collections
import json
import os
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError:
    print("skipped: PyTorch is not installed")
    sys.exit(77)

import models

RESNET = os.environ["RESNET"]
folder = tempfile.TemporaryDirectory()
torch.manual_seed(0)
checks = 0


def path(name):
    return os.path.join(folder.name, name)


def run(*arguments):
    result = subprocess.run([RESNET, *arguments], capture_output=True, text=True)
    assert result.returncode == 0, (arguments, result.stderr)
    return result.stdout


def architecture(file):
    result = json.loads(run("inspect", "--json", path(file)))
    assert result["architecture"], result["problem"]
    return result["architecture"]


def expect_same(actual, expected, what):
    global checks
    assert list(actual) == list(expected), (what, set(actual) ^ set(expected))
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype and actual[name].shape == tensor.shape, (what, name)
        bits = [t.contiguous().reshape(-1).view(torch.uint8) for t in (actual[name], tensor)]
        assert torch.equal(*bits), (what, name)
        checks += 1


def random_state(model):
    """Every tensor random, so that none can be taken for another."""
    for tensor in model.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape) if tensor.is_floating_point() else torch.randint(1 << 40, tensor.shape))
    return model.state_dict()


def through(saved, expected, what):
    """PyTorch -> PyTorch."""
    torch.save(saved, path("in.pth"))
    run("convert", path("in.pth"), path("out.pt"))
    expect_same(torch.load(path("out.pt"), weights_only=True), expected, what)
    return architecture("in.pth")


def round_trip(saved, expected, what):
    """PyTorch -> safetensors -> PyTorch."""
    torch.save(saved, path("in.pth"))
    run("convert", path("in.pth"), path("m.safetensors"))
    run("convert", path("m.safetensors"), path("out.pth"))
    expect_same(torch.load(path("out.pth"), weights_only=True), expected, what)
    return architecture("in.pth")


def check(name, layout="torchvision", expected_name=None, **changes):
    model = models.build(name, layout=layout, **changes)
    options = model.options
    state = random_state(model)
    what = f"{name} {layout} {changes}"
    inferred = round_trip(state, state, what)
    assert inferred["name"] == (expected_name or name), (what, inferred)
    assert inferred["layout"] == layout, (what, inferred)
    for field in ("block", "groups", "width_per_group", "stem", "stem_width", "shortcut", "in_channels", "classes"):
        assert inferred[field] == getattr(options, field), (what, field, inferred)
    assert inferred["conv_bias"] == (options.conv_bias or layout == "tutorial"), (what, inferred)
    assert inferred["depths"] == list(options.depths) and inferred["widths"] == list(options.widths), (what, inferred)
    assert architecture("m.safetensors") == inferred, what

    prefixed = collections.OrderedDict(("module." + key, value) for key, value in state.items())
    wrapped = {"epoch": 3, "state_dict": prefixed, "optimizer": {"param_groups": [{"lr": 0.1}]}}
    assert through(wrapped, state, what + " wrapped") == inferred


check("resnet18")
check("resnet50", classes=7)
check("resnet18d", in_channels=1)
check("resnet50d")
check("resnet20")
check("resnet32", shortcut="projection", expected_name="resnet")
check("resnext50_32x4d")
check("wide_resnet50_2", classes=2)
check("resnet18", conv_bias=True)
check("resnet18", layout="tutorial")
check("resnet50", layout="tutorial", in_channels=4, classes=3)

# Half precision stays what it is; the legacy pickle gives the same.
state = random_state(models.build("resnet20").half())
round_trip(state, state, "half")
torch.save(state, path("legacy.pth"), _use_new_zipfile_serialization=False)
run("convert", path("legacy.pth"), path("out.pth"))
expect_same(torch.load(path("out.pth"), weights_only=True), state, "legacy")

# timm's order of names and other programs' names for the same tensors.
state = random_state(models.build("resnet20", shortcut="projection"))
renamed = {"model._orig_mod." + key.replace("downsample", "shortcut").replace("fc.", "linear."): value
           for key, value in reversed(state.items())}
round_trip(renamed, state, "renamed")

# plain20 has the tensors of resnet20: --arch tells them apart.
torch.save(random_state(models.build("plain20", classes=5)), path("plain.pth"))
assert architecture("plain.pth")["name"] == "resnet20"
run("convert", path("plain.pth"), path("plain.safetensors"), "--arch", "plain20")
plain = architecture("plain.safetensors")
assert plain["name"] == "plain20" and plain["shortcut"] == "none" and plain["classes"] == 5, plain


def logits(layout, state, x, **changes):
    model = models.build("resnet50", layout=layout, **changes)
    model.load_state_dict(state)
    with torch.no_grad():
        return model.double()(x)


# A change of layout changes no logit beyond float32's rounding of the folded means.
x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
tutorial = models.randomize(models.build("resnet50", layout="tutorial", classes=9), seed=1).state_dict()
torch.save(tutorial, path("tutorial.pth"))
run("convert", path("tutorial.pth"), path("folded.pth"), "--layout", "torchvision")
folded = torch.load(path("folded.pth"), weights_only=True)
before = logits("tutorial", tutorial, x, classes=9)
after = logits("torchvision", folded, x, classes=9)
error = ((before - after).abs().max() / before.abs().max()).item()
print(f"tutorial to torchvision: logits differ by {error:.1e}")
assert error < 1e-5, error

run("convert", path("folded.pth"), path("biased.pth"), "--layout", "tutorial")
biased = torch.load(path("biased.pth"), weights_only=True)
assert torch.equal(logits("tutorial", biased, x, classes=9), after)
run("convert", path("biased.pth"), path("again.pth"), "--layout", "torchvision")
expect_same(torch.load(path("again.pth"), weights_only=True), folded, "layouts there and back")

# Untrained weights have PyTorch's shapes and the statistics of its initialisation.
run("init", "resnet18", "--seed", "5", "-o", path("init.pth"))
initial = torch.load(path("init.pth"), weights_only=True)
reference = models.build("resnet18")
reference.load_state_dict(initial)
for name, module in reference.named_modules():
    if isinstance(module, torch.nn.Conv2d):
        wanted = torch.nn.init.kaiming_normal_(torch.empty_like(module.weight), mode="fan_out", nonlinearity="relu")
        ratio = (module.weight.std() / wanted.std()).item()
        assert abs(ratio - 1) < 0.05, (name, ratio)
print(f"{checks} tensors bit for bit")

weights = os.path.join(os.environ.get("RESNET_TEST_DATA", ""), "weights")
if not os.environ.get("RESNET_TEST_DATA"):
    print("RESNET_TEST_DATA is not set: no files of others")
    sys.exit(0)
for name, file in (("resnet20", "resnet20-12fca82f.th"), ("resnet32", "resnet32-d509ac18.th")):
    source = os.path.join(weights, file)
    run("convert", source, path("other.pth"))
    theirs = torch.load(source, map_location="cpu", weights_only=True)["state_dict"]
    expected = {key.removeprefix("module.").replace("linear.", "fc."): value for key, value in theirs.items()}
    converted = torch.load(path("other.pth"), weights_only=True)
    counters = {key: value for key, value in converted.items() if key.endswith("num_batches_tracked")}
    assert architecture("other.pth")["name"] == name
    missing = set(converted) - set(expected)
    assert missing <= set(counters) and all(counters[key].item() == 0 for key in missing), missing
    expect_same({key: converted[key] for key in expected}, expected, file)
    print(f"{file}: {name}, {len(expected)} tensors")
