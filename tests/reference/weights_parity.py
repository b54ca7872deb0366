"""Model files against live PyTorch: what torch.save wrote, our readers and writers, what torch.load then reads.

Every value must come back bit for bit. safetensors files are read and written here by hand: the format is tiny, and the
test needs no package for it. Exits with 77 where torch is not installed.
"""
import argparse
import collections
import json
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError:
    print("skipped: PyTorch is not installed")
    sys.exit(77)

import numpy as np

CONVERT = os.path.join(os.path.dirname(os.environ["RESNET"]), "convert_tensors")
TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int8: "I8",
         torch.int16: "I16", torch.int32: "I32", torch.int64: "I64", torch.uint8: "U8", torch.uint16: "U16",
         torch.uint32: "U32", torch.uint64: "U64", torch.bool: "BOOL"}
folder = tempfile.TemporaryDirectory()
checks = 0


def path(name):
    return os.path.join(folder.name, name)


def raw(tensor):
    """The values as bytes, whatever the strides."""
    return bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()) if tensor.numel() else b""


def read_safetensors(name):
    with open(path(name), "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    assert size % 8 == 0
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    types = {text: type for type, text in TYPES.items()}
    tensors = {}
    for key, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[key] = (types[entry["dtype"]], tuple(entry["shape"]), data[8 + size + begin:8 + size + end])
    return tensors, metadata


def write_safetensors(tensors, name):
    header, blob = {}, b""
    for key, tensor in tensors.items():
        values = raw(tensor)
        header[key] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape),
                       "data_offsets": [len(blob), len(blob) + len(values)]}
        blob += values
    text = json.dumps(header).encode()
    with open(path(name), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + blob)


def convert(source, target, container=""):
    return subprocess.run([CONVERT, path(source), path(target), *([container] if container else [])], capture_output=True,
                          text=True)


def check_same(expected, got, what):
    assert list(expected) == list(got), f"{what}: {list(expected)} became {list(got)}"
    for key, tensor in expected.items():
        type, shape, values = got[key] if isinstance(got[key], tuple) else \
            (got[key].dtype, tuple(got[key].shape), raw(got[key]))
        assert (type, shape) == (tensor.dtype, tuple(tensor.shape)), f"{what}: {key}: {type} {shape}"
        assert values == raw(tensor), f"{what}: {key}: values differ"


def check_round_trip(saved, tensors, what, container="", **options):
    """torch.save -> ours -> both formats -> read back; and the torch file that we wrote through torch.load."""
    global checks
    torch.save(saved, path("in.pth"), **options)
    for target in ("out.safetensors", "out.pth"):
        result = convert("in.pth", target, container)
        assert result.returncode == 0, f"{what}: {result.stderr}"
    got, metadata = read_safetensors("out.safetensors")
    check_same(tensors, got, what)
    legacy = options.get("_use_new_zipfile_serialization") is False
    assert metadata == {"format": "torch-legacy" if legacy else "torch-zip"}, metadata
    for mmap in (False, True):
        check_same(tensors, torch.load(path("out.pth"), weights_only=True, mmap=mmap), f"{what}, torch.load")
    with open(path("out.pth"), "rb") as file:
        first = file.read()
    assert convert("out.safetensors", "again.pth").returncode == 0
    with open(path("again.pth"), "rb") as file:
        assert file.read() == first, f"{what}: safetensors to torch differs from torch to torch"
    checks += 1


def random_bits(dtype, shape, generator):
    """Any bits that the type allows: also NaNs with payloads, infinities and subnormals."""
    count = int(np.prod(shape, dtype=np.int64))
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=generator).to(dtype)
    size = torch.empty((), dtype=dtype).element_size()
    return torch.randint(0, 256, (count * size,), generator=generator).to(torch.uint8).view(dtype).reshape(shape)


generator = torch.Generator().manual_seed(7)
every = collections.OrderedDict()
for dtype in TYPES:
    name = str(dtype).removeprefix("torch.")
    every[f"{name}.plain"] = random_bits(dtype, (3, 1, 5, 7), generator)
    every[f"{name}.scalar"] = random_bits(dtype, (), generator)
    every[f"{name}.empty"] = torch.empty((2, 0, 3), dtype=dtype)
    every[f"{name}.transposed"] = random_bits(dtype, (4, 6), generator).t()
    every[f"{name}.window"] = random_bits(dtype, (8, 9), generator)[2:7:2, 1:8:3]
    every[f"{name}.expanded"] = random_bits(dtype, (1, 3), generator).expand(5, 3)
every["caf\u00e9 \u2603 \U0001f408"] = torch.ones(1)
shared = torch.arange(24, dtype=torch.float32)
every["shared.front"] = shared[:12].view(3, 4)
every["shared.back"] = shared[10:]
every["channels_last"] = torch.randn(4, 3, 5, 5, generator=generator).to(memory_format=torch.channels_last)
every["parameter"] = torch.nn.Parameter(torch.randn(3, generator=generator))

check_round_trip(every, every, "every type, zip")
for protocol in (3, 4, 5):
    check_round_trip(every, every, f"every type, zip, protocol {protocol}", pickle_protocol=protocol)
# The old stream views storages by their class and knows none for unsigned integers of 16 to 64 bits.
old = {key: value for key, value in every.items() if not key.startswith(("uint16", "uint32", "uint64"))}
for protocol in (2, 3, 4, 5):
    check_round_trip(old, old, f"every type, legacy, protocol {protocol}", pickle_protocol=protocol,
                     _use_new_zipfile_serialization=False)

# Whole checkpoints, as training scripts save them.
model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
model(torch.randn(2, 3, 8, 8, generator=generator)).sum().backward()
optimizer.step()
schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 6])
weights = {key: value.clone() for key, value in model.state_dict().items()}
averaged = {key: value + 1 for key, value in weights.items()}
arguments = argparse.Namespace(lr=0.1, name="run", device=torch.device("cpu"), sizes=(1, 2, 3, 4), output=pathlib.Path("x"),
                               amp=None, types={1, 2}, frozen=frozenset([1]), raw=b"abc", number=2**70, half=torch.float16)
rest = {"optimizer": optimizer.state_dict(), "lr_scheduler": schedule.state_dict(), "epoch": 3, "args": arguments,
        "best": np.float64(0.5), "mean": np.arange(3.0), "history": [1.5, -2, {"loss": 1e-3}],
        "lazy": collections.defaultdict(dict, a={}), "shape": torch.Size([1, 2]), "complex": 1j}
for legacy in (False, True):
    for protocol in (2, 4):
        options = {"_use_new_zipfile_serialization": not legacy, "pickle_protocol": protocol}
        kind = f"{'legacy' if legacy else 'zip'}, protocol {protocol}"
        check_round_trip(model.state_dict(), weights, f"state dict with _metadata, {kind}", **options)
        for container in ("state_dict", "model", "state_dict_ema", "model_ema"):
            check_round_trip({container: model.state_dict(), **rest}, weights, f"{container}, {kind}", container, **options)
        check_round_trip({"model_ema": averaged, "model": weights, **rest}, weights, f"beside EMA, {kind}", "model", **options)
        check_round_trip(model, weights, f"whole model, {kind}", **options)
        check_round_trip({"model": torch.nn.DataParallel(model), **rest},
                         {f"module.{name}": tensor for name, tensor in weights.items()}, f"whole model in a checkpoint, {kind}",
                         "model", **options)
        check_round_trip([{"net": (weights,)}], weights, f"a list, {kind}", "0.net.0", **options)
        check_round_trip({"a": torch.ones(2), "f": os.system}, {"a": torch.ones(2)}, f"a function, {kind}", **options)

# Other packagings, through the same file.
for name, write in (("script", lambda: torch.jit.save(torch.jit.script(model), path("in.pth"))),
                    ("trace", lambda: torch.jit.save(torch.jit.trace(model.eval(), torch.zeros(1, 3, 8, 8)), path("in.pth"))),
                    ("export", lambda: torch.export.save(torch.export.export(model, (torch.zeros(1, 3, 8, 8),)), path("in.pt2"))),
                    *((f"pickle {protocol}", lambda protocol=protocol: pickle.dump(dict(weights), open(path("in.pth"), "wb"), protocol))
                      for protocol in range(6)),
                    ("arrays", lambda: pickle.dump({k: v.numpy() for k, v in weights.items()}, open(path("in.pth"), "wb"))),
                    ("npz", lambda: np.savez(open(path("in.pth"), "wb"), **{k: v.numpy() for k, v in weights.items()})),
                    ("npz, packed", lambda: np.savez_compressed(open(path("in.pth"), "wb"),
                                                                **{k: v.numpy() for k, v in weights.items()}))):
    write()
    result = convert("in.pt2" if name == "export" else "in.pth", "out.pth")
    assert result.returncode == 0, f"{name}: {result.stderr}"
    check_same(weights, torch.load(path("out.pth"), weights_only=True), name)
    checks += 1

# safetensors by hand -> ours -> torch, and back.
dense = {key: value.detach().contiguous() for key, value in every.items()}
write_safetensors(dense, "hand.safetensors")
assert convert("hand.safetensors", "hand.pth").returncode == 0
check_same(dense, torch.load(path("hand.pth"), weights_only=True), "safetensors to torch")
assert convert("hand.pth", "hand2.safetensors").returncode == 0
check_same(dense, read_safetensors("hand2.safetensors")[0], "and back")

# Weights that others trained and saved with an old PyTorch.
data = os.environ.get("RESNET_TEST_DATA")
if data:
    for name in ("resnet20-12fca82f.th", "resnet32-d509ac18.th"):
        source = os.path.join(data, "weights", name)
        expected = torch.load(source, map_location="cpu", weights_only=True)["state_dict"]
        assert subprocess.run([CONVERT, source, path("old.pth"), "state_dict"]).returncode == 0
        check_same(expected, torch.load(path("old.pth"), weights_only=True), name)
        checks += 1
else:
    print("RESNET_TEST_DATA is not set: no third-party weights compared")
print(f"{checks} files agree")
