"""Writes a network of models.py as the project writes model files: a .safetensors that says its architecture."""
import json
import struct

import torch

FIELDS = ("block", "depths", "widths", "groups", "width_per_group", "stem", "stem_width", "shortcut", "in_channels",
          "classes", "stride_on_first", "conv_bias", "dilated_stages")
LATER = ("stem_kernel", "stem_stride", "stem_pool", "strides", "antialias", "bn_eps",
         "activation",
         "negative_slope", "head_pool", "head_widths", "head_activation")  # said where they are not the usual


def save_model(model, path, layout="torchvision", metadata=None):
    """`metadata`: further keys of the file, name -> text."""
    architecture = {"name": "resnet", "layout": layout, **{field: getattr(model.options, field) for field in FIELDS}}
    usual = type(model.options)()
    architecture |= {field: getattr(model.options, field) for field in LATER
                     if getattr(model.options, field) != getattr(usual, field)}
    architecture["conv_bias"] = model.options.conv_bias or layout == "tutorial"
    said = {"resnet.version": "1", "resnet.architecture": json.dumps(architecture), **(metadata or {})}
    header = {"__metadata__": said}
    offset = 0
    for name, tensor in model.state_dict().items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {"dtype": {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in model.state_dict().values():
            file.write(tensor.contiguous().numpy().tobytes())
