"""Heatmaps and embeddings against live PyTorch: Grad-CAM by autograd, Ablation-CAM and Eigen-CAM by hooks.

The largest difference must stay under 1e-4 of a map's maximum, for the top class and for others. Networks are random in
every term (models.randomize), but for the ResNet-20 that ships and, with RESNET_TEST_DATA, one that others trained, on
photographs of CIFAR-10. Exits with 77 without torch.
"""
import io
import os
import subprocess
import sys
import tarfile
import tempfile

try:
    import numpy as np
    import torch
except ImportError:
    print("skipped: PyTorch is not installed")
    sys.exit(77)

import models
import pillow_pipeline
from saving import save_model

LIMIT = 1e-4
DATA = os.environ.get("RESNET_TEST_DATA")
SOURCE = os.environ["RESNET_SOURCE_DIR"]
folder = tempfile.TemporaryDirectory()
failures = []


def path(name):
    return os.path.join(folder.name, name)


def resnet(*arguments):
    result = subprocess.run([os.environ["RESNET"], *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, (arguments, result.stderr)
    return result.stdout


def heatmap(file, picture, class_index, *options):
    resnet("explain", file, picture, "--class", "top" if class_index is None else class_index, "--raw",
           path("raw.npy"), *options)
    return np.load(path("raw.npy"))


def layer_of(model, name):
    stage, _, block = name.partition(".")
    module = getattr(model, stage)
    return module[int(block)] if block else module


def grad_cam(model, x, class_index):
    """Selvaraju et al. 2017: ReLU of the channels weighted by the mean gradient of the class's score."""
    kept = []
    hook = layer_of(model, f"layer{len(model.options.depths)}").register_forward_hook(
        lambda module, inputs, output: kept.append(output))
    scores = model(x)[0]
    hook.remove()
    index = int(scores.argmax()) if class_index is None else class_index
    gradient, = torch.autograd.grad(scores[index], kept[0])
    weights = gradient.mean((2, 3), keepdim=True)
    return torch.relu((weights * kept[0]).sum(1))[0].detach().double().numpy()


def ablation_cam(model, x, class_index, layer):
    """Desai and Ramaswamy 2020, without the division by the score."""
    kept, silent = [], []

    def hook(module, inputs, output):
        if not silent:
            kept.append(output)
            return output
        output = output.clone()
        output[:, silent[0]] = 0
        return output

    with torch.no_grad():
        handle = layer_of(model, layer).register_forward_hook(hook)
        score = model(x)[0, class_index]
        weights = []
        for channel in range(kept[0].shape[1]):
            silent[:] = [channel]
            weights.append(float(score - model(x)[0, class_index]))
        handle.remove()
        return torch.relu(torch.einsum("k,khw->hw", torch.tensor(weights), kept[0][0])).double().numpy()


def activations(model, x, layer):
    kept = []
    with torch.no_grad():
        handle = layer_of(model, layer).register_forward_hook(lambda module, inputs, output: kept.append(output))
        model(x)
        handle.remove()
    return kept[0][0].double().numpy()


def eigen_cam(model, x, layer):
    """Muhammad and Yeasin 2020: the projection on the first right singular vector."""
    a = activations(model, x, layer)
    matrix = a.reshape(a.shape[0], -1).T
    vector = np.linalg.svd(matrix, full_matrices=False)[2][0]
    return np.maximum(matrix @ (vector * np.sign(vector.sum())), 0).reshape(a.shape[1:])


def compare(title, got, expected):
    assert got.shape == expected.shape, (title, got.shape, expected.shape)
    assert expected.std() > 0.01 * expected.max(), f"{title}: a constant map shows nothing"
    error = np.abs(got - expected).max() / expected.max()
    print(f"{title:60} {error:.1e}{'' if error < LIMIT else '  WRONG'}", flush=True)
    if error >= LIMIT:
        failures.append(title)


def check(title, model, file, picture, x, classes, layers):
    for index in (None, *classes):
        expected = grad_cam(model, x, index)
        if expected.max() > 0:
            compare(f"{title} cam {'top' if index is None else index}", heatmap(file, picture, index), expected)
    for layer in layers:
        compare(f"{title} eigen {layer}", heatmap(file, picture, None, "--method", "eigen", "--layer", layer),
                eigen_cam(model, x, layer))
        # Random weights leave some classes without any channel that speaks for them: the first that has a map.
        maps = ((index, ablation_cam(model, x, index, layer)) for index in (classes[0], *range(model.options.classes)))
        index, expected = next((index, values) for index, values in maps if values.std() > 0.01 * values.max())
        compare(f"{title} ablation {layer}",
                heatmap(file, picture, index, "--method", "ablation", "--layer", layer), expected)
        resnet("features", file, picture, "-o", path("features.npy"), "--layer", layer)
        got = np.load(path("features.npy"))
        expected = activations(model, x, layer).mean((1, 2))[None]
        assert np.abs(got - expected).max() < 1e-5 * np.abs(expected).max(), (title, layer)


def check_random(title, model, size, layers):
    models.randomize(model, seed=len(title))
    file = path("model.pth")
    if model.options.shortcut == "none" or model.options.head_activation != "relu":  # which tensors do not tell
        file = path("model.safetensors")
        save_model(model, file)
    else:
        torch.save(model.state_dict(), file)
    torch.manual_seed(len(title))
    x = torch.randn(1, model.options.in_channels, *size)
    np.save(path("picture.npy"), x.numpy())
    check(title, model, file, path("picture.npy"), x, (1, model.options.classes - 1), layers)


def check_shipped():
    file = os.path.join(SOURCE, "models", "resnet20-cifar10.safetensors")
    resnet("convert", file, path("shipped.pth"))
    model = models.build("resnet20")
    model.load_state_dict(torch.load(path("shipped.pth"), weights_only=True))
    resnet("preprocess", os.path.join(SOURCE, "tests", "demo.jpg"), "--model", file, "-o", path("demo.npy"))
    x = torch.from_numpy(np.load(path("demo.npy")))
    check("the trained resnet20 that ships", model, file, path("demo.npy"), x, (0, 1, 8), ("layer2", "layer3"))


def check_trained():
    """The network of others in shared data, on the first pictures of three classes."""
    weights = os.path.join(DATA, "weights", "resnet20-12fca82f.th")
    state = torch.load(weights, map_location="cpu", weights_only=True)["state_dict"]
    model = models.build("resnet20")
    model.load_state_dict({name.removeprefix("module.").replace("linear.", "fc."): tensor
                           for name, tensor in state.items()}, strict=False)
    pictures = []
    with tarfile.open(os.path.join(DATA, "data", "cifar10-jpeg.tar.gz")) as archive:
        for member in archive:
            if "/test/" in f"/{member.name}" and member.isfile():
                pictures.append(archive.extractfile(member).read())
            if len(pictures) == 3:
                break
    for i, picture in enumerate(pictures):
        with open(path(f"{i}.jpg"), "wb") as file:
            file.write(picture)
        x = torch.from_numpy(pillow_pipeline.normalise(np.asarray(pillow_pipeline.decode(io.BytesIO(picture)))))
        check(f"trained resnet20, picture {i}", model, weights, path(f"{i}.jpg"), x, (3, 5, 9),
              ("layer2", "layer3"))


small = models.Options(depths=(1, 2, 1), widths=(24, 40, 56), stem_width=24, classes=11)
basic = models.Options(block="basic", depths=(2, 1, 1), widths=(8, 20, 36), stem_width=8, classes=5)
check_random("bottleneck", models.build(small), (224, 224), ("layer2", "layer1.0"))
check_random("basic", models.build(basic), (224, 224), ("layer1.0", "layer3"))
check_random("plain", models.build(basic, shortcut="none", stem="cifar"), (32, 32), ("layer2",))
check_random("average pool, gray", models.build(basic, shortcut="average_pool", in_channels=1), (224, 224), ("layer2",))
check_random("chain of linear layers", models.build(small, head_widths=(40,), head_activation="silu"), (224, 224), ("layer2",))
check_random("two poolings", models.build(basic, head_pool="max_average", head_widths=(40,)), (224, 224), ("layer2",))
check_random("resnet20", models.build("resnet20"), (32, 32), ("layer2.1",))
check_random("tutorial's resnet18", models.build("resnet18", layout="tutorial"), (96, 96), ("layer4.0",))
check_shipped()
if DATA:
    check_trained()
print(f"{len(failures)} wrong {failures}" if failures else "all agree")
sys.exit(1 if failures else 0)
