"""Writes tests/golden/weights/*.pth, which the tests of the torch readers read on machines without torch.

    python3 tests/reference/make_weights_golden.py tests/golden/weights

Byte j of every dense tensor is (7 * j + 3) % 251, and j % 2 in a boolean one. `tests/golden/weights/README.md` says which
PyTorch wrote the files.
"""
import argparse
import os
import sys
import zipfile

import torch

TYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.int16, torch.int32, torch.int64,
         torch.uint8, torch.bool]
NEW_TYPES = [torch.uint16, torch.uint32, torch.uint64]


def pattern(dtype, shape):
    count = torch.Size(shape).numel()
    if dtype == torch.bool:
        return (torch.arange(count) % 2).to(dtype).reshape(shape)
    size = torch.empty((), dtype=dtype).element_size()
    return ((torch.arange(count * size) * 7 + 3) % 251).to(torch.uint8).view(dtype).reshape(shape)


def state_dict(types):
    tensors = {str(dtype).removeprefix("torch."): pattern(dtype, (3, 5)) for dtype in types}
    tensors["scalar"] = pattern(torch.float32, ())
    tensors["empty"] = torch.empty((0, 4))
    tensors["transposed"] = pattern(torch.int16, (2, 3)).t()
    shared = pattern(torch.int32, (10,))
    tensors["front"] = shared[:6].view(2, 3)
    tensors["back"] = shared[6:]
    tensors["parameter"] = torch.nn.Parameter(pattern(torch.float32, (2,)))
    return tensors


folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
checkpoint = {"epoch": 3, "args": argparse.Namespace(lr=0.1), "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]},
              "model_ema": {"a": torch.zeros(2)}, "model": state_dict(TYPES)}
torch.save(state_dict(TYPES + NEW_TYPES), os.path.join(folder, "zip.pth"))
torch.save(state_dict(TYPES), os.path.join(folder, "legacy.pth"), _use_new_zipfile_serialization=False)
torch.save(checkpoint, os.path.join(folder, "checkpoint.pth"), pickle_protocol=4)
with zipfile.ZipFile(os.path.join(folder, "zip.pth")) as source, \
        zipfile.ZipFile(os.path.join(folder, "deflated.pth"), "w", zipfile.ZIP_DEFLATED) as target:
    for name in source.namelist():
        info = zipfile.ZipInfo(name)  # 1980, so that the bytes stay the same
        info.compress_type = zipfile.ZIP_DEFLATED
        target.writestr(info, source.read(name))
with open(os.path.join(folder, "README.md"), "w") as file:
    file.write(f"Written by `tests/reference/make_weights_golden.py` with PyTorch {torch.__version__.split('+')[0]}.\n")
