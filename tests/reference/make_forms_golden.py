"""Writes tests/golden/weights/forms/*: one small network in every packaging that PyTorch, NumPy and joblib write.

    python3 tests/reference/make_forms_golden.py tests/golden/weights/forms

The tensors are those of state_dict.pth in all of them. README.md there says which versions wrote the files.
"""
import collections
import datetime
import functools
import io
import os
import pickle
import re
import struct
import sys
import tarfile
import zipfile

import joblib
import numpy as np
import torch

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)


def path(name):
    return os.path.join(folder, name)


def clean(name):
    """Takes out of an archive where on this machine PyTorch lies."""
    with zipfile.ZipFile(path(name)) as source:
        entries = [(info, source.read(info)) for info in source.infolist() if not info.filename.endswith(".debug_pkl")]
    with zipfile.ZipFile(path(name), "w") as target:
        for info, data in entries:
            if info.filename.endswith("model.json"):
                data = re.sub(rb'"stack_trace": "(?:[^"\\]|\\.)*"', b'"stack_trace": ""', data)
            target.writestr(zipfile.ZipInfo(info.filename), data)


class Shift(torch.nn.Module):
    """Has what a state dict leaves out."""

    def __init__(self):
        super().__init__()
        self.register_buffer("hidden", torch.ones(3), persistent=False)
        self.register_buffer("shown", torch.arange(2, dtype=torch.float32))
        self.register_parameter("absent", None)
        self.loose = torch.ones(5)
        self.rate = 0.5

    def forward(self, x):
        return x


Shift.__module__ = "project.layers"
sys.modules["project"] = sys.modules["project.layers"] = sys.modules[__name__]

model = torch.nn.Sequential(collections.OrderedDict(
    conv=torch.nn.Conv2d(1, 2, (1, 3), stride=2, padding=(0, 1), bias=False), bn=torch.nn.BatchNorm2d(2, eps=1e-3),
    act=torch.nn.LeakyReLU(0.2))).eval()
with torch.no_grad():
    for place, tensor in enumerate(model.state_dict().values()):
        tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) + place)
state = model.state_dict()
arrays = {key: tensor.numpy() for key, tensor in state.items()}

torch.save(state, path("state_dict.pth"))
torch.save(model, path("module.pth"))
torch.serialization.get_source_lines_and_file = lambda *_: (["class Layer: ...\n"], 1, "layers.py")  # it saves classes' source
torch.save(model, path("module_legacy.pth"), _use_new_zipfile_serialization=False)
torch.save({"net": [torch.nn.DataParallel(model), Shift()], "epoch": 3}, path("wrapped.pth"))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
torch.save({"nested": [({"weights": state},)], "optimizer": optimizer, "when": datetime.date(2026, 1, 2),
            "loss": functools.partial(max, 1), "best": np.float32(0.5), "mean": np.arange(3.0), 7: {"a": (1, 2)},
            "odd": torch.zeros(2, dtype=torch.complex64), "fp8": torch.zeros(2, dtype=torch.float8_e4m3fn),
            "sparse": torch.eye(2).to_sparse(), "quantized": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
            "meta": torch.zeros(2, device="meta")}, path("everything.pth"))
torch.jit.save(torch.jit.script(model), path("scripted.pt"))
torch.jit.save(torch.jit.trace(model, torch.zeros(1, 1, 4, 4)), path("traced.pt"))
clean("scripted.pt")
clean("traced.pt")
torch.export.save(torch.export.export(model, (torch.zeros(1, 1, 4, 4),)), path("program.pt2"))
clean("program.pt2")
for protocol in range(6):
    with open(path(f"tensors{protocol}.pkl"), "wb") as file:
        pickle.dump(dict(state), file, protocol=protocol)
    with open(path(f"arrays{protocol}.pkl"), "wb") as file:
        pickle.dump(arrays, file, protocol=protocol)
joblib.dump(arrays, path("arrays.joblib"))
joblib.dump(arrays, path("arrays.z"), compress=("zlib", 3))
joblib.dump(dict(state), path("tensors.joblib"))
np.savez(path("arrays.npz"), **arrays)
np.savez_compressed(path("compressed.npz"), **arrays)

# PyTorch 0.1, whose writer is gone; torch.load(weights_only=False) still reads it.
storages, tensors, keys = io.BytesIO(), io.BytesIO(), {}
pickle.dump(len(state), storages, protocol=2)
pickle.dump(len(state), tensors, protocol=2)
for number, (name, tensor) in enumerate(state.items()):
    kind = {torch.float32: torch.FloatStorage, torch.int64: torch.LongStorage}[tensor.dtype]
    pickle.dump((2 * number, "cpu", kind), storages, protocol=2)
    storages.write(struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes())
    pickle.dump((2 * number + 1, 2 * number, torch.Tensor), tensors, protocol=2)
    tensors.write(struct.pack(f"<q{tensor.dim()}q{tensor.dim()}qq", tensor.dim(), *tensor.shape, *tensor.stride(), 0))
    keys[name] = 2 * number + 1
pickle.dump([], storages, protocol=2)


class Key:
    def __init__(self, value):
        self.value = value


class Pickler(pickle.Pickler):
    def persistent_id(self, object):
        return str(object.value) if isinstance(object, Key) else None


content = io.BytesIO()
Pickler(content, protocol=2).dump(collections.OrderedDict((name, Key(key)) for name, key in keys.items()))
with tarfile.open(path("tar.pth"), "w", format=tarfile.PAX_FORMAT) as archive:
    for name, data in (("storages", storages), ("tensors", tensors), ("pickle", content)):
        info = tarfile.TarInfo(name)
        info.size = len(data.getvalue())
        archive.addfile(info, io.BytesIO(data.getvalue()))
loaded = torch.load(path("tar.pth"), weights_only=False)
assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())
with open(path("tar.pth"), "rb") as file:
    bytes_of_tar = file.read().rstrip(b"\0")
with open(path("tar.pth"), "wb") as file:  # without the padding to 10 KiB
    file.write(bytes_of_tar + b"\0" * (-len(bytes_of_tar) % 512 + 1024))
with open(path("README.md"), "w") as file:
    file.write(f"Written by `tests/reference/make_forms_golden.py` with PyTorch {torch.__version__.split('+')[0]}, "
               f"NumPy {np.__version__}, joblib {joblib.__version__}.\n")
