"""Writes the seeds of the model file and data set targets: small good files, and one of each way in which files go wrong.

    python3 fuzz/make_corpus.py

Inputs that once broke a target stand beside the seeds, under names of their own, and are left alone.
"""
import bz2
import gzip
import io
import json
import lzma
import os
import struct
import subprocess
import tarfile
import zipfile

ROOT = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(ROOT, "..", "tests", "golden", "weights")


def write(target, name, data):
    folder = os.path.join(ROOT, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


write("safetensors", "empty", safetensors({}))
write("safetensors", "two", safetensors({"__metadata__": {"format": "pt", "k": "v\n\u2603"},
                                         "a": entry("F32", [2, 1], 0, 8), "b": entry("BOOL", [], 8, 9)}, bytes(9)))
write("safetensors", "types", safetensors({t: entry(t, [0], 0, 0) for t in
                                           "F32 F16 BF16 F64 I8 I16 I32 I64 U8 U16 U32 U64 BOOL".split()}))
write("safetensors", "overlap", safetensors({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, bytes(6)))
write("safetensors", "overflow", safetensors({"a": entry("F64", [2**63 - 1, 4], 0, 8)}, bytes(8)))
write("safetensors", "twice", safetensors(b'{"a":{"dtype":"U8","dtype":"U8"}}'))
write("safetensors", "deep", safetensors(b'{"a":' + b"[" * 100))
write("safetensors", "utf8", safetensors(b'{"\xff":{}}'))
write("safetensors", "long", struct.pack("<Q", 2**64 - 1) + b"{}")

for name in ("zip.pth", "deflated.pth", "checkpoint.pth"):
    path = os.path.join(GOLDEN, name)
    with open(path, "rb") as file:
        write("torch", name, file.read())
    with zipfile.ZipFile(path) as archive:
        pickle = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        write("pickle", name.replace(".pth", ""), archive.read(pickle))
with open(os.path.join(GOLDEN, "legacy.pth"), "rb") as file:
    legacy = file.read()
write("torch", "legacy.pth", legacy)
write("pickle", "machine", legacy[21:])  # begins with the second of its pickles

tensor = (b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" b"0X\x03\0\0\0cpuK\x04tQK\0"
          b"K\x02K\x02\x86K\x02K\x01\x86\x89ccollections\nOrderedDict\n)RtR")
write("pickle", "small", b"\x80\x02}X\x01\0\0\0a" + tensor + b"s.")
write("pickle", "strided", b"\x80\x02}X\x01\0\0\0a" + tensor.replace(b"K\x02K\x01\x86", b"K\x01K\x02\x86") + b"s.")
write("pickle", "itself", b"\x80\x02}q\0X\x05\0\0\0modelh\0s.")
write("pickle", "system", b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.")
write("pickle", "memo", b"\x80\x02Nr\xff\xff\xff\xff.")


FORMS = os.path.join(GOLDEN, "forms")


def form(name):
    with open(os.path.join(FORMS, name), "rb") as file:
        return file.read()


for protocol in range(6):
    write("plain_pickle", f"tensors{protocol}", form(f"tensors{protocol}.pkl"))
    write("plain_pickle", f"arrays{protocol}", form(f"arrays{protocol}.pkl"))
for name in ("arrays.joblib", "arrays.z", "tensors.joblib"):
    write("plain_pickle", name, form(name))
for name in ("module.pth", "wrapped.pth", "everything.pth", "scripted.pt", "traced.pt"):
    write("torch", name, form(name))
    with zipfile.ZipFile(os.path.join(FORMS, name)) as archive:
        write("pickle", name.split(".")[0], archive.read(next(n for n in archive.namelist() if n.endswith("/data.pkl"))))
for name in ("arrays.npz", "compressed.npz", "program.pt2", "tar.pth"):
    write("torch", name, form(name))
with zipfile.ZipFile(os.path.join(FORMS, "arrays.npz")) as archive:
    for name in archive.namelist():
        write("npz", name, archive.read(name))
with zipfile.ZipFile(os.path.join(FORMS, "program.pt2")) as archive:
    write("torch_export", "config", archive.read("program/data/weights/model_weights_config.json"))
with tarfile.open(os.path.join(FORMS, "tar.pth")) as archive:
    parts = [archive.extractfile(name).read() for name in ("storages", "tensors", "pickle")]
    write("torch_tar", "state_dict", struct.pack("<HH", len(parts[0]), len(parts[1])) + b"".join(parts))
write("pickle", "opaque", b"\x80\x02}(X\x01\0\0\0aca.b\nC\n)\x81}X\x01\0\0\0wNsbX\x01\0\0\0bca.b\nC\nK\x01\x85RK\x02K\x03su.")
write("pickle", "zero", b"(dp0\nVa\np1\n(lp2\nI1\naF0.5\naL7L\naS'b'\nasVc\ng1\ns(ia.b\nC\np3\n.")


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()[:sum(512 + (len(data) + 511) // 512 * 512 for _, data in files) + 1024]


def zipped(files, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


tree = [("data/cat/1.jpg", b"cat"), ("data/dog/old/2.jpg", b"dog"), ("data/README", b"pets")]
parts = [("train/cat/1.jpg", b"1"), ("val/cat/2.jpg", b"2")]
samples = [("0.cls", b"1"), ("0.jpg", b"a"), ("1.jpg", b"b"), ("1.cls", b"0\n")]
batch = (b"\x80\2}(U\6labels](K\6K\1eU\4datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1K\2M\0\x0c\x86"
         b"cnumpy\ndtype\nU\2u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T\0\x18\0\0" + bytes(6144) + b"tbu.")
write("dataset", "tree.tar", tar(tree))
write("dataset", "parts.tar", tar(parts))
write("dataset", "samples.tar", tar(samples))
write("dataset", "twice.tar", tar(tree + [("./data/cat/1.jpg", b"newer")]))
write("dataset", "tree.tar.gz", gzip.compress(tar(tree), mtime=0))
write("dataset", "stored.zip", zipped(tree, zipfile.ZIP_STORED))
write("dataset", "deflated.zip", zipped(samples, zipfile.ZIP_DEFLATED))
write("dataset", "binary.tar", tar([("c/test_batch.bin", b"\3" + bytes(3072)), ("c/batches.meta.txt", b"cat\ndog\n")]))
write("dataset", "python.tar", tar([("c/data_batch_1", batch)]))
write("dataset", "python.zip", zipped([("data_batch_1", batch)], zipfile.ZIP_DEFLATED))
write("tar", "xz", lzma.compress(tar(tree)))
write("tar", "bzip2", bz2.compress(tar(tree)))
write("tar", "zstd", subprocess.run(["zstd", "-c"], input=tar(tree), capture_output=True, check=True).stdout)

network = {"name": "resnet18", "block": "basic", "depths": [2, 2, 2, 2], "widths": [64, 128, 256, 512], "groups": 1,
           "width_per_group": 64, "stem": "imagenet", "stem_width": 64, "shortcut": "projection", "in_channels": 3, "classes": 2,
           "stride_on_first": False, "conv_bias": False, "dilated_stages": 0, "layout": "torchvision"}
for name, change in (("basic", {}), ("grouped", {"block": "bottleneck", "groups": 32, "width_per_group": 4}),
                     ("deep", {"stem": "deep", "shortcut": "average_pool", "dilated_stages": 2}),
                     ("padded", {"stem": "cifar", "shortcut": "padding"}), ("none", {"depths": [], "widths": []}),
                     ("tutorial", {"layout": "tutorial", "conv_bias": True}), ("odd", {"stem": "deep", "stem_width": 3}),
                     ("wide", {"classes": 2**31, "groups": -1}), ("type", {"depths": [2, "2"]}), ("more", {"colour": 1}),
                     ("backbone", {"classes": 0, "strides": [1, 2, 2, 1], "bn_eps": 0.001}),
                     ("later", {"stem_kernel": 3, "stem_stride": 4, "stem_pool": "max_ceil", "antialias": "blur",
                                "activation": "leaky_relu", "negative_slope": 0.2}),
                     ("head", {"head_pool": "max_average", "head_widths": [32, 8], "head_activation": "leaky_relu",
                               "negative_slope": 0.2}),
                     ("even", {"stem_kernel": 4}), ("text", {"bn_eps": "1e-5"}), ("slope", {"negative_slope": 0.2})):
    write("architecture", name, json.dumps({**network, **change}, separators=(",", ":")).encode())
write("architecture", "twice", b'{"name":"a","name":"b"}')
write("architecture", "values", bytes([1, 1, 1, 2, 10, 10, 1, 2, 16, 24, 0, 0, 1, 2, 0, 0, 1, 3]))

modules = "".join(f"\n=layer{s}.0.conv{i}.stride [{n},{n}]" for s, i, n in ((1, 1, 1), (1, 2, 1), (2, 1, 2), (2, 2, 1)))
program = json.dumps("class Net(Module):\n    x = torch.max_pool2d(y, [3, 3], [2, 2], [1, 1], [1, 1], False)\n")
graph = json.dumps({"graph_module": {"signature": {"input_specs": [
    {"parameter": {"arg": {"name": "p"}, "parameter_name": "conv1.weight"}}]}, "graph": {"nodes": [
        {"target": "torch.ops.aten.conv2d.default", "inputs": [{"name": "weight", "arg": {"as_tensor": {"name": "p"}}},
                                                               {"name": "stride", "arg": {"as_ints": [2, 2]}}]}]}}})
for name, text in {
    "basic": "@basic 1,1 8,16 imagenet projection 5 ",
    "bottleneck": "@bottleneck 1,2 8,16 deep average_pool 5 module.",
    "cifar": "@basic 2,1 8,16 cifar padding 5 net.\n~fc linear\n~downsample shortcut",
    "hugging_face": "@basic 1,1 8,16 imagenet projection 5 resnet.\n~layer1 encoder.stages.0.layers\n~layer2 encoder.stages.1."
                    "layers\n~.conv1. .layer.0.convolution.\n~.conv2. .layer.1.convolution.\n~.bn1. .layer.0.normalization.\n"
                    "~.bn2. .layer.1.normalization.\n~downsample.0 shortcut.convolution\n~downsample.1 shortcut.normalization\n"
                    '=config.json {"model_type":"resnet","hidden_act":"relu"}',
    "nobody": "@bottleneck 1,1 8,16 imagenet projection 5 a.\n~layer odd.part\n~conv c.\n~bn n.\n~downsample s",
    "averages": "@basic 1,1 8,16 imagenet projection 5 state_dict.\n@basic 1,1 8,16 imagenet projection 5 state_dict_ema.",
    "dino": "@basic 1,1 8,16 imagenet projection 0 teacher.backbone.\n@basic 1,1 8,16 imagenet projection 0 student.module."
            "backbone.\n+teacher.head.mlp.0.weight 4,16\n+teacher.head.last_layer.weight_v 9,4",
    "heads": "@basic 1,1 8,16 imagenet projection 0 body.\n+a.weight 3,16\n+b.weight 4,16\n>b",
    "transformer": "@basic 1,1 8,16 imagenet projection 0 patch_embed.backbone.\n+patch_embed.proj.weight 12,16,1,1\n"
                   "+blocks.0.qkv.weight 36,12",
    "pruned": "@basic 1,1 8,16 imagenet projection 5 \n~conv1.weight conv1.weight_orig\n+conv1.weight_mask 8,3,7,7\n"
              "+layer1.0.conv1.weight_mask 8,8,3,3\n+layer2.0.conv1.weight_mask 16,8,3,3",
    "fused": "@basic 1,1 8,16 imagenet projection 5 \n-bn\n-downsample.1\n+conv1.bias 8\n+layer1.0.conv1.bias 8\n"
             "+layer1.0.conv2.bias 8\n+layer2.0.conv1.bias 16\n+layer2.0.conv2.bias 16\n+layer2.0.downsample.0.bias 16",
    "timm": "@basic 1,1 8,16 imagenet projection 5 \n=config.json " + json.dumps(
        {"architecture": "resnetaa50", "pretrained_cfg": {"input_size": [3, 64, 64], "crop_pct": 0.9, "interpolation": "bicubic",
                                                          "mean": [0, 0, 0], "std": [1, 1, 1]},
         "model_args": {"output_stride": 16, "num_classes": 5}}),
    "modules": "@basic 1,1 8,16 imagenet projection 5 \n=conv1.stride [2,2]\n=bn1.eps 0.001\n=maxpool.__class__ "
               '"torch.nn.modules.pooling.MaxPool2d"\n=maxpool.kernel_size 3\n=maxpool.stride 2\n=maxpool.padding 1\n'
               '=layer2.0.aa.__class__ "timm.layers.blur_pool.BlurPool2d"\n=relu.__class__ "torch.nn.modules.activation.ReLU"'
               + modules,
    "script": "@basic 1,1 8,16 imagenet projection 5 \n+layer2.0.aa.filt 8,1,3,3\n=__class__ \"__torch__.net.Net\"\n"
              f"=code/__torch__/net.py {program}",
    "exported": f"@basic 1,1 8,16 imagenet projection 5 \n=models/model.json {graph}",
    "prepares": "@basic 1,1 8,16 imagenet projection 5 net.\n+mean 1,3,1,1\n+std 1,3,1,1\n=classes [\"a\",\"b\",\"c\",\"d\",\"e\"]",
}.items():
    write("recognition", name, text.encode())
