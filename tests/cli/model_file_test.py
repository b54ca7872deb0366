"""resnet init, inspect and convert: what they print, what they write, and how they refuse."""
import json
import os
import struct
import subprocess
import tempfile

import pictures

RESNET = os.environ["RESNET"]
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)


def resnet(*arguments, status=0):
    result = subprocess.run([RESNET, *arguments], capture_output=True, text=True)
    assert result.returncode == status, (arguments, result.returncode, result.stdout, result.stderr)
    return result


def refused(*arguments, status=1):
    """The one line that says why."""
    result = resnet(*arguments, status=status)
    assert result.stdout == "", result.stdout
    assert result.stderr.startswith("resnet: ") and result.stderr.count("\n") == 1, result.stderr
    return result.stderr[len("resnet: "):-1]


def inspect(path):
    return json.loads(resnet("inspect", path, "--json").stdout)


def write_safetensors(path, tensors, metadata=None):
    """`tensors`: name -> shape; all float32 zeros."""
    header, offset = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, shape in tensors.items():
        size = 4
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(offset))


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def read(path):
    with open(path, "rb") as file:
        return file.read()


# init: the seed decides, the bytes repeat.
out = resnet("init", "resnet20", "--seed", "3", "-o", "a.safetensors").stdout
assert out == "a.safetensors: resnet20, 269,722 parameters, seed 3\n", out
resnet("init", "resnet20", "--seed", "3", "-o", "b.safetensors")
resnet("init", "resnet20", "--seed", "4", "-o", "c.safetensors")
assert read("a.safetensors") == read("b.safetensors") != read("c.safetensors")
resnet("init", "resnet20", "--seed", "3", "--calibrated", "-o", "calibrated.safetensors")
assert len(read("calibrated.safetensors")) == len(read("a.safetensors"))
assert read("calibrated.safetensors") != read("a.safetensors")
resnet("init", "resnet18", "--layout", "tutorial", "--classes", "2", "-o", "tutorial.pth")
resnet("init", "--block", "basic", "--depths", "1,1", "--widths", "8,16", "--channels", "1", "-o", "small.pt")
assert refused("init", "resnet20", "-o", "a.onnx") == "a.onnx: the name must end in .safetensors, .pth, .pt, .th or .bin"
assert "did you mean resnet" in refused("init", "resent20", "-o", "x.pth")
assert "x.pth" in refused("init", "resnet20", "-o", "absent/x.pth")
refused("init", "resnet20", status=2)
for seed in ("-1", "99999999999999999999"):
    refused("init", "resnet20", "--seed", seed, "-o", "x.pth", status=2)
assert refused("init", "resnet20", "--sede", "3", "-o", "x.pth", status=2) == "no option '--sede'; did you mean --seed?"

# inspect
everything = inspect("a.safetensors")
assert everything["format"] == "safetensors" and everything["tensor_count"] == 116
assert everything["tensors"][0] == {"name": "conv1.weight", "dtype": "F32", "shape": [16, 3, 3, 3], "size_bytes": 1728}
assert everything["total_bytes"] == sum(tensor["size_bytes"] for tensor in everything["tensors"])
assert everything["architecture"]["name"] == "resnet20" and everything["problem"] is None
assert everything["metadata"]["resnet.version"] == "1"
tutorial = inspect("tutorial.pth")["architecture"]
assert (tutorial["name"], tutorial["layout"], tutorial["classes"]) == ("resnet18", "tutorial", 2), tutorial
small = inspect("small.pt")["architecture"]
assert (small["name"], small["depths"], small["widths"], small["in_channels"]) == ("resnet", [1, 1], [8, 16], 1), small
text = resnet("inspect", "a.safetensors").stdout
assert "layer1.0.conv1.weight             F32   16x16x3x3    9,216\n" in text, text
assert "architecture  resnet20: 20 layers, basic blocks 3-3-3" in text, text

write_safetensors("other.safetensors", {"a\x1b[31m\n": [2, 3], "empty": [0, 7], "scalar": []}, {"who": "me\n"})
other = inspect("other.safetensors")
assert other["architecture"] is None and other["metadata"] == {"who": "me\n"}
assert other["problem"] == ("cannot tell the architecture: there is no conv1.weight, nor any other convolution "
                            "among its 3 tensors")
assert [tensor["shape"] for tensor in other["tensors"]] == [[2, 3], [0, 7], []]
text = resnet("inspect", "other.safetensors").stdout
assert "\x1b" not in text and "a\\x1b[31m\\x0a" in text and "who: me\\x0a\n" in text, text
write_safetensors("many.safetensors", {f"layer{i}": [1] for i in range(100_000)})
usual = pictures.peak("--version")[1]
for flags in ([], ["--json"]):  # no table and no tree of them all
    status, peak = pictures.peak("inspect", "many.safetensors", *flags)
    assert status == 0
    assert pictures.SANITIZED or peak - usual < os.path.getsize("many.safetensors") + (16 << 20), (flags, peak - usual)
write("text.pth", "no model")
assert refused("inspect", "text.pth").startswith("text.pth: ")
assert refused("inspect", "absent.pth") == "absent.pth: cannot open: No such file or directory"
assert refused("inspect", ".") .startswith(".: is a directory of several files of weights, name one of them: ")

# convert: classes and preprocessing are kept, and can be changed one by one.
names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
write("names.txt", "\n".join(names) + "\n")
write("names.json", json.dumps(names))
out = resnet("convert", "a.safetensors", "m.safetensors", "--classes", "names.txt", "--preset", "cifar")
assert out.stdout == "m.safetensors: resnet20, torchvision layout, 10 classes\n" and out.stderr == "", out
metadata = inspect("m.safetensors")["metadata"]
assert json.loads(metadata["resnet.classes"]) == names
preprocessing = json.loads(metadata["resnet.preprocessing"])
assert preprocessing["height"] == 32 and preprocessing["resize"] == 0, preprocessing
resnet("convert", "m.safetensors", "n.safetensors", "--mean", "0.5,0.25,0.125", "--interpolation", "bicubic",
       "--classes", "names.json")
changed = json.loads(inspect("n.safetensors")["metadata"]["resnet.preprocessing"])
assert changed == {**preprocessing, "mean": [0.5, 0.25, 0.125], "interpolation": "bicubic"}, changed
assert inspect("n.safetensors")["metadata"]["resnet.classes"] == metadata["resnet.classes"]
resnet("convert", "n.safetensors", "same.safetensors")
assert read("n.safetensors") == read("same.safetensors")
out = resnet("convert", "m.safetensors", "m.pth")
assert "class names and preprocessing are left out" in out.stderr, out.stderr
resnet("convert", "m.pth", "back.safetensors")
assert read("back.safetensors") == read("a.safetensors")
resnet("convert", "m.safetensors", "m.safetensors", "--size", "40", "--resize", "48")  # onto itself
assert json.loads(inspect("m.safetensors")["metadata"]["resnet.preprocessing"])["height"] == 40

resnet("convert", "tutorial.pth", "vision.pth", "--layout", "torchvision")
assert inspect("vision.pth")["architecture"]["conv_bias"] is False
assert inspect("vision.pth")["tensors"][6]["name"] == "layer1.0.conv1.weight"
assert "layout" in refused("convert", "a.safetensors", "x.pth", "--layout", "tutorial")
refused("convert", "a.safetensors", "x.pth", "--layout", "timm", status=2)

write("few.txt", "cat\ndog\n")
assert refused("convert", "a.safetensors", "x.safetensors", "--classes", "few.txt") == \
    "few.txt: 2 class names, but the model has 10 classes"
assert refused("convert", "a.safetensors", "x.safetensors", "--classes", "absent.txt").startswith("absent.txt: ")
assert "std" in refused("convert", "a.safetensors", "x.safetensors", "--std", "0,1,1", status=2)
assert "weights alone" in refused("convert", "a.safetensors", "x.pth", "--classes", "names.txt", status=2)
assert "did you mean resnet20" in refused("convert", "a.safetensors", "x.pth", "--arch", "resnet2")
assert refused("convert", "a.safetensors", "x.txt").startswith("x.txt: the name must end in ")
wrong = refused("convert", "a.safetensors", "x.pth", "--arch", "resnet32")
assert wrong.startswith("a.safetensors: does not fit resnet32: missing layer1.3.conv1.weight; missing "), wrong
wrong = refused("convert", "a.safetensors", "x.pth", "--arch", "resnet152")  # each of them is listed
assert wrong.endswith("; fc.weight: expected 10x2048, got 10x64"), wrong[-200:]
assert not os.path.exists("x.pth") and not os.path.exists("x.safetensors")

# A file that lies about itself.
resnet_metadata = inspect("a.safetensors")["metadata"]


def lie(metadata):
    write_safetensors("lie.safetensors", {t["name"]: t["shape"] for t in everything["tensors"]}, metadata)
    return refused("convert", "lie.safetensors", "x.safetensors")


assert lie({**resnet_metadata, "resnet.version": "2"}) == \
    "lie.safetensors: metadata resnet.version: '2' is not a version that is known ('1' is)"
assert lie({**resnet_metadata, "resnet.classes": "[1]"}) == \
    "lie.safetensors: metadata resnet.classes: not a JSON array of strings"
assert lie({**resnet_metadata, "resnet.architecture": "{"}) == \
    "lie.safetensors: metadata resnet.architecture: not a JSON object"
assert lie({**resnet_metadata, "resnet.preprocessing": "{}"}) == \
    "lie.safetensors: metadata resnet.preprocessing: height is missing"
huge = json.dumps({**everything["architecture"], "depths": [1900, 1, 1]})
assert lie({**resnet_metadata, "resnet.architecture": huge}) == \
    "lie.safetensors: does not fit resnet20: 1902 blocks, but only 116 tensors"

for command in ("init", "inspect", "convert"):
    assert f"\n  resnet {command} " in resnet(command, "--help").stdout
print("ok")
