"""resnet export: what it prints and writes, and how it refuses. What the file means is for the parity test."""
import json
import os
import subprocess
import tempfile

RESNET = os.environ["RESNET"]
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)


def resnet(*arguments, status=0):
    result = subprocess.run([RESNET, *arguments], capture_output=True, text=True)
    assert result.returncode == status, (arguments, result.returncode, result.stdout, result.stderr)
    return result


def refused(*arguments, status=1):
    result = resnet(*arguments, status=status)
    assert result.stdout == "", result.stdout
    assert result.stderr.startswith("resnet: ") and result.stderr.count("\n") == 1, result.stderr
    return result.stderr[len("resnet: "):-1]


resnet("init", "resnet20", "-o", "a.safetensors")
out = resnet("export", "a.safetensors", "a.onnx").stdout
size = os.path.getsize("a.onnx")
assert out == f"a.onnx: resnet20, fp32, opset 13, input Nx3x32x32 -> logits Nx10, {size:,} bytes\n", out
described = json.loads(resnet("export", "a.safetensors", "b.onnx", "--json").stdout)
assert described == {"path": "b.onnx", "architecture": "resnet20", "precision": "fp32", "opset": 13,
                     "input": "input", "output": "logits", "input_shape": [None, 3, 32, 32], "output_shape": [None, 10], "nodes": 73,
                     "size_bytes": size}, described
with open("a.onnx", "rb") as a, open("b.onnx", "rb") as b:
    assert a.read() == b.read()

# What the file says of its pictures decides the size; --arch says what it does not show.
resnet("convert", "a.safetensors", "m.safetensors", "--size", "40x48", "--resize", "48")
assert "input Nx3x40x48" in resnet("export", "m.safetensors", "m.onnx").stdout
resnet("init", "plain20", "-o", "plain.pth")
assert ": plain20," in resnet("export", "plain.pth", "plain.onnx", "--arch", "plain20").stdout

# int8 needs weights that are.
assert refused("export", "a.safetensors", "x.onnx", "--int8") == \
    "x.onnx: the weights are not int8; 'resnet quantize' makes a model whose are"

# Refused; the old file stays.
assert refused("export", "absent.pth", "a.onnx").startswith("absent.pth: ")
assert os.path.getsize("a.onnx") == size
assert refused("export", "a.safetensors", "a.pth", status=2) == "a.pth: the name must end in .onnx"
assert refused("export", "a.safetensors", "none/a.onnx").startswith("none/a.onnx: cannot write")
assert "did you mean resnet20" in refused("export", "a.safetensors", "x.onnx", "--arch", "resnet2")
assert not os.path.exists("x.onnx")
assert sorted(os.listdir()) == ["a.onnx", "a.safetensors", "b.onnx", "m.onnx", "m.safetensors", "plain.onnx",
                                "plain.pth"]

assert "\n  resnet export " in resnet("export", "--help").stdout
print("ok")
