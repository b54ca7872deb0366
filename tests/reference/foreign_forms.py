"""Checkpoints as real libraries write them, against those libraries: torch, torchvision, timm, transformers, Lightning,
fastai, huggingface_hub, safetensors and joblib each save networks in their own ways, and `resnet predict` (`features`
where there is no classifier) answers as they do, or refuses the file in one line where that is said here.

    RESNET=build/dev/resnet ENV/bin/python -W ignore tests/reference/foreign_forms.py [WORDS_OF_A_FORM]

ENV is an environment of its own: pip install torch==2.14.1 torchvision==0.29.1 timm==1.0.31 transformers==5.24.0
accelerate
lightning==2.6.6 fastai==2.8.12 safetensors joblib numpy. The forms of forms_parity.py need none of these but torch.
"""
import argparse
import copy
import functools
import logging
import os
import pickle
import shutil
import sys

import numpy

import forms

try:
    import fastai.vision.all as fastai
    import huggingface_hub
    import joblib
    import lightning
    import safetensors.torch
    import timm
    import torch
    import torchvision
    import transformers
    from torch import nn
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

from self_supervised_forms import check_features, check_self_supervised

CLASSES = forms.CLASSES
NAMES = [f"kind {i}" for i in range(CLASSES)]


def torchvision_network(block, **options):
    kind = getattr(torchvision.models.resnet, block)
    return forms.randomize(torchvision.models.ResNet(kind, [1, 1, 1, 1], num_classes=CLASSES, **options))


def timm_network(name, **options):
    return forms.randomize(timm.create_model(name, num_classes=CLASSES, **options))


def hugging_face(kind=transformers.ResNetForImageClassification, **options):
    config = transformers.ResNetConfig(embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 2, 1, 1],
                                       **({"layer_type": "basic"} | options),
                                       id2label=dict(enumerate(NAMES)), label2id={n: i for i, n in enumerate(NAMES)})
    return forms.randomize(kind(config))


class Net(nn.Module):
    """As people wrap a network into one of their own."""

    def __init__(self, body):
        super().__init__()
        self.backbone = body
        self.head = body.fc
        self.backbone.fc = nn.Identity()

    def forward(self, x):
        return self.head(self.backbone(x))


MODELS_OF = {"basic": "BasicBlock", "bottleneck": "Bottleneck"}
# Of each: the network, and as flags what a state dict of it does not tell.
MODELS = {
    "torchvision basic": (torchvision_network("BasicBlock"), ()),
    "torchvision bottleneck": (torchvision_network("Bottleneck"), ()),
    "torchvision resnext": (torchvision_network("Bottleneck", groups=32, width_per_group=4), ()),
    "torchvision dilated": (torchvision_network("Bottleneck", replace_stride_with_dilation=[False, True, True]),
                            ("--dilated-stages", "2")),
    "torchvision wrapped": (Net(torchvision_network("BasicBlock")), ()),
    "timm resnet18": (timm_network("resnet18", layers=(1, 1, 1, 1)), ()),
    "timm resnet26d": (timm_network("resnet26d", layers=(1, 1, 1, 1)), ()),
    "timm resnetblur18": (timm_network("resnetblur18"), ("--antialias", "blur")),
    "timm resnetaa50d": (timm_network("resnetaa50d", layers=(1, 1, 1, 1)), ("--antialias", "average")),
    "timm dilated": (timm_network("resnet26", layers=(1, 1, 1, 1), output_stride=16), ("--dilated-stages", "1")),
    "timm silu": (timm_network("resnet18", layers=(1, 1, 1, 1), act_layer="silu"), ("--activation", "silu")),
}


@torch.no_grad()
def logits(model):
    result = model.eval()(forms.picture)
    return getattr(result, "logits", result)


# ---- packagings that go with any network: how it is written, and whether the file tells what a state dict does not -----


def state(change):
    return lambda model, path: torch.save(change(model), path)


def in_numpy(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def with_optimizer(model):
    model = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters())
    model(forms.picture).sum().backward()
    optimizer.step()
    model.load_state_dict({name: tensor for name, tensor in model.state_dict().items()})
    return optimizer.state_dict()


def example(model):
    """As PyTorch's example for ImageNet saves, with a momentum for each parameter."""
    return {"epoch": 3, "arch": "mine", "state_dict": nn.DataParallel(model).state_dict(), "best_acc1": torch.tensor(71.0),
            "optimizer": with_optimizer(model), "scheduler": {"last_epoch": 3}}


def reference(model):
    """As torchvision's references do."""
    return {"model": model.state_dict(), "optimizer": with_optimizer(model), "lr_scheduler": {"last_epoch": 3}, "epoch": 3,
            "args": argparse.Namespace(lr=0.1, batch_size=32, device="cpu"), "scaler": {}}


def dump(module):
    def save(model, path):
        with open(path, "wb") as file:
            module(model, file)
    return save


class Hub(nn.Module, huggingface_hub.PyTorchModelHubMixin):
    def __init__(self, body=None):
        super().__init__()
        self.net = body


def shards(model, path):
    os.makedirs(path)
    huggingface_hub.save_torch_state_dict(model.state_dict(), path, max_shard_size="4MB")


def exported(model, path):
    torch.export.save(torch.export.export(model, (forms.picture,)), path)


def legacy(what):
    return lambda model, path: torch.save(what(model), path, _use_new_zipfile_serialization=False)


TELLS, BARE = True, False
PACKAGINGS = {
    "torch.save of the state dict": (state(lambda m: m.state_dict()), BARE, ".pth"),
    "torch.save of the module": (state(lambda m: m), TELLS, ".pth"),
    "the module in PyTorch's old format": (legacy(lambda m: m), TELLS, ".pt"),
    "the state dict in PyTorch's old format": (legacy(lambda m: m.state_dict()), BARE, ".pth"),
    "DataParallel": (state(lambda m: nn.DataParallel(m).state_dict()), BARE, ".pth"),
    "a DataParallel module": (state(lambda m: nn.DataParallel(m)), TELLS, ".pth"),
    "torch.compile": (state(lambda m: torch.compile(m).state_dict()), BARE, ".pth"),
    "torch.compile of DataParallel": (state(lambda m: torch.compile(nn.DataParallel(m)).state_dict()), BARE, ".pth"),
    "averages of torch": (state(lambda m: torch.optim.swa_utils.AveragedModel(m).state_dict()), BARE, ".pth"),
    "a module of torch's averages": (state(torch.optim.swa_utils.AveragedModel), TELLS, ".pth"),
    "PyTorch's example": (state(example), BARE, ".pth.tar"),
    "torchvision's references": (state(reference), BARE, ".pth"),
    "torch.jit.trace": (lambda m, path: torch.jit.trace(m, forms.picture).save(path), TELLS, ".pt"),
    "torch.jit.script": (lambda m, path: torch.jit.script(m).save(path), TELLS, ".pt"),
    "torch.export": (exported, TELLS, ".pt2"),
    "pickle.dump of arrays": (dump(lambda m, file: pickle.dump(in_numpy(m), file)), BARE, ".pkl"),
    "pickle.dump of the state dict": (dump(lambda m, file: pickle.dump(m.state_dict(), file)), BARE, ".pkl"),
    "joblib of arrays": (lambda m, path: joblib.dump(in_numpy(m), path), BARE, ".joblib"),
    "joblib, compressed": (lambda m, path: joblib.dump(in_numpy(m), path, compress=3), BARE, ".joblib"),
    "numpy.savez": (lambda m, path: numpy.savez(path, **in_numpy(m)), BARE, ".npz"),
    "numpy.savez_compressed": (lambda m, path: numpy.savez_compressed(path, **in_numpy(m)), BARE, ".npz"),
    "safetensors": (lambda m, path: safetensors.torch.save_file(m.state_dict(), path), BARE, ".safetensors"),
    "safetensors.torch.save_model": (lambda m, path: safetensors.torch.save_model(m, path), BARE, ".safetensors"),
    "huggingface_hub's shards": (shards, BARE, "-shards"),
    "huggingface_hub's mixin": (lambda m, path: Hub(m).save_pretrained(path), BARE, "-mixin"),
    "timm's averages": (state(lambda m: timm.utils.ModelEmaV3(m).state_dict()), BARE, ".pth"),
    "Lightning Fabric": (lambda m, path: lightning.Fabric(accelerator="cpu").save(
        path, {"model": m, "optimizer": with_optimizer(m), "step": 3}), BARE, ".ckpt"),
}


def check(form, save, expected, flags=(), may_refuse="", suffix=".pth"):
    path = os.path.join(forms.folder.name, "m" + suffix)
    shutil.rmtree(path, ignore_errors=True)
    try:
        forms.check(form, save, expected, flags, may_refuse, suffix)
    except (AttributeError, RuntimeError, pickle.PicklingError, TypeError, ValueError) as problem:
        forms.results["NOT WRITTEN"] += 1  # by the library
        print(f"{form}: NOT WRITTEN: {str(problem)[:200]}", flush=True)


def check_any():
    for name, (model, flags) in MODELS.items():
        expected = logits(model)
        for packaging, (save, tells, suffix) in PACKAGINGS.items():
            check(f"{name}, {packaging}", functools.partial(save, model), expected, () if tells else flags, suffix=suffix)


# ---- torch and torchvision ----------------------------------------------------------------------------------------------


def check_torch():
    model, _ = MODELS["torchvision basic"]
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        low = copy.deepcopy(model).to(dtype)
        expected = logits(copy.deepcopy(low).float())
        check(f"{dtype}, state dict", lambda path: torch.save(low.state_dict(), path), expected)
        check(f"{dtype}, module", lambda path: torch.save(low, path), expected)
        check(f"{dtype}, safetensors", lambda path: safetensors.torch.save_file(low.state_dict(), path), expected,
              suffix=".safetensors")
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    check("channels last", lambda path: torch.save(last.state_dict(), path), logits(model))
    check("parameters alone", lambda path: torch.save(dict(model.named_parameters()), path), None)
    frozen = torch.jit.freeze(torch.jit.script(copy.deepcopy(model).eval()))
    check("torch.jit.freeze", lambda path: frozen.save(path), logits(model), may_refuse=" ", suffix=".pt")
    fp8 = {name: tensor.to(torch.float8_e4m3fn) if tensor.dim() == 4 else tensor for name, tensor in model.state_dict().items()}
    check("fp8", lambda path: torch.save(fp8, path), None)
    dynamic = torch.ao.quantization.quantize_dynamic(copy.deepcopy(model), {nn.Linear}, dtype=torch.qint8)
    check("quantized by torch", lambda path: torch.save(dynamic.state_dict(), path), None)
    check("torch's weights and categories", lambda path: torch.save(
        {"state_dict": model.state_dict(), "meta": {"categories": NAMES}}, path), logits(model))
    gray = torchvision_network("BasicBlock")
    gray.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    gray.maxpool = nn.Identity()
    check("a CIFAR stem, module", lambda path: torch.save(gray, path), logits(gray))
    check("a CIFAR stem, traced", lambda path: torch.jit.trace(gray, forms.picture).save(path), logits(gray), suffix=".pt")
    check("a CIFAR stem, scripted", lambda path: torch.jit.script(gray).save(path), logits(gray), suffix=".pt")
    first = torchvision_network("Bottleneck", replace_stride_with_dilation=[True, False, False])
    check("dilation of one stage, module", lambda path: torch.save(first, path), None)
    check("dilation of one stage, traced", lambda path: torch.jit.trace(first, forms.picture).save(path), None, suffix=".pt")
    quant = torchvision.models.quantization.resnet18(num_classes=CLASSES).eval()
    check("torchvision's network for quantisation", lambda path: torch.save(quant.state_dict(), path), logits(quant))
    segmentation = torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES)
    check("torchvision's segmentation", lambda path: torch.save(segmentation.state_dict(), path), None)
    detection = torchvision.models.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3)
    check("torchvision's detection", lambda path: torch.save(detection.state_dict(), path), None)
    video = torchvision.models.video.r3d_18(num_classes=CLASSES)
    check("torchvision's video", lambda path: torch.save(video.state_dict(), path), None)


# ---- timm -----------------------------------------------------------------------------------------------------------------


def timm_checkpoint(model, path, name, average=False, **arguments):
    folder = path + "-saver"
    os.makedirs(folder, exist_ok=True)
    args = argparse.Namespace(model=name, num_classes=CLASSES, gp=None, img_size=None, mean=None, model_kwargs=arguments)
    other = copy.deepcopy(model)
    saver = timm.utils.CheckpointSaver(
        other, torch.optim.SGD(other.parameters(), 0.1), args=args, checkpoint_dir=folder,
        model_ema=timm.utils.ModelEmaV3(model) if average else None)
    if average:  # what is taken is the average
        with torch.no_grad():
            other.fc.weight.mul_(2)
    saver.save_checkpoint(0, 0.5)
    shutil.move(os.path.join(folder, "last.pth.tar"), path)
    shutil.rmtree(folder)


def check_timm():
    for name, arguments in (("resnet18", {}), ("resnet18d", {}), ("resnetblur18", {}), ("resnetaa34d", {}),
                            ("resnet26", {"output_stride": 8}), ("resnext50_32x4d", {"layers": (1, 1, 1, 1)})):
        model = timm_network(name, **arguments)
        expected = logits(model)
        check(f"timm's hub, {name}", lambda path: timm.models.save_for_hf(model, path, safe_serialization=True), expected,
              suffix="-hub")
        check(f"timm's hub in PyTorch's format, {name}", lambda path: timm.models.save_for_hf(model, path), expected, suffix="-hub")
        for average in (False, True):
            check(f"timm's checkpoints, {name}{', averaged' if average else ''}",
                  lambda path: timm_checkpoint(model, path, name, average, **arguments), expected)
        if not arguments:
            config = transformers.TimmWrapperConfig(architecture=name, num_labels=CLASSES, model_args=arguments or None)
            wrapper = transformers.TimmWrapperForImageClassification(config)
            wrapper.timm_model.load_state_dict(model.state_dict())
            check(f"transformers' wrapper of timm, {name}", lambda path: wrapper.save_pretrained(path), expected,
                  suffix="-wrapper")
    features = timm.create_model("resnet18", features_only=True)
    check("timm's features_only", lambda path: torch.save(features.state_dict(), path), None)
    for options, right in (({"global_pool": "avgmax"}, False), ({"global_pool": "catavgmax"}, True),
                           ({"aa_layer": nn.AvgPool2d}, True)):
        model = timm_network("resnet18", **options)
        expected = logits(model) if right else None
        if "aa_layer" not in options:  # a class, which no config.json holds
            check(f"timm's hub, {options}", lambda path: timm.models.save_for_hf(model, path), expected, suffix="-hub")
        check(f"timm's module, {options}", lambda path: torch.save(model, path), expected)
    pooled = timm_network("resnet18d", output_stride=16)
    check("timm's pooled shortcuts that dilate, hub", lambda path: timm.models.save_for_hf(pooled, path), None, suffix="-hub")
    check("timm's pooled shortcuts that dilate, module", lambda path: torch.save(pooled, path), None)
    check("timm's pooled shortcuts that dilate, traced", lambda path: torch.jit.trace(pooled, forms.picture).save(path), None,
          suffix=".pt")


# ---- transformers ---------------------------------------------------------------------------------------------------------


def check_transformers():
    options = {"basic": {}, "bottleneck": {"layer_type": "bottleneck"}, "strides first": {"layer_type": "bottleneck", "downsample_in_bottleneck": True},
               "first stage strides": {"downsample_in_first_stage": True}}
    for name, changes in options.items():
        model = hugging_face(**changes)
        expected = logits(model)
        check(f"transformers, {name}", model.save_pretrained, expected, suffix="-hf")
        check(f"transformers' shards, {name}", lambda path: model.save_pretrained(path, max_shard_size="50KB"), expected,
              suffix="-hf")
        check(f"transformers' module, {name}", lambda path: torch.save(model, path), expected)
        traced = torch.jit.trace(model, forms.picture, strict=False)
        check(f"transformers, traced, {name}", traced.save, expected, suffix=".pt")
    for dtype in (torch.bfloat16, torch.float16):
        low = hugging_face().to(dtype)
        check(f"transformers, {dtype}", low.save_pretrained, logits(copy.deepcopy(low).float()), suffix="-hf")
    processor = transformers.ConvNextImageProcessor(size={"shortest_edge": 64})

    def with_processor(path):
        model.save_pretrained(path)
        processor.save_pretrained(path)

    check("transformers with a processor", with_processor, logits(model), suffix="-hf")

    def trained(path):
        trainer = transformers.Trainer(model=model, args=transformers.TrainingArguments(output_dir=path + "-out", report_to=[]))
        trainer.save_model(path)
        torch.save({"state": {}}, os.path.join(path, "optimizer.pt"))

    check("transformers' Trainer", trained, logits(model), suffix="-hf")
    body = hugging_face(transformers.ResNetModel)
    check_features("transformers' ResNetModel", body.save_pretrained, body(forms.picture).pooler_output, suffix="-hf")
    for act in ("silu", "gelu", "mish"):  # of stem and additions: inside of blocks is ReLU
        mixed = hugging_face(hidden_act=act)
        check(f"transformers' hidden_act {act}", mixed.save_pretrained, None, suffix="-hf")
        check(f"transformers' hidden_act {act}, module", lambda path: torch.save(mixed, path), None)
    other = transformers.RegNetForImageClassification(transformers.RegNetConfig(
        embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], groups_width=8))
    check("transformers' RegNet", other.save_pretrained, None, suffix="-hf")


# ---- Lightning ------------------------------------------------------------------------------------------------------------


class Lit(lightning.LightningModule):
    def __init__(self, body=None, classes=(), weight=None):
        super().__init__()
        self.save_hyperparameters({"learning_rate": 0.1, "class_names": list(classes)})
        self.model = body
        self.criterion = nn.CrossEntropyLoss(weight=weight)
        self.train_acc = timm.utils.AverageMeter()

    def forward(self, x):
        return self.model(x)

    def training_step(self, batch, _):
        return self.criterion(self(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), 1e-4)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1)}


def lit_checkpoint(module, path, weights_only=False, **options):
    data = torch.utils.data.TensorDataset(torch.randn(4, 3, 64, 64), torch.randint(CLASSES, (4,)))
    trainer = lightning.Trainer(max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                                enable_progress_bar=False, enable_model_summary=False, **options)
    trainer.fit(module, torch.utils.data.DataLoader(data, 4))
    trainer.save_checkpoint(path, weights_only=weights_only)


def check_lightning():
    for name in ("torchvision basic", "torchvision bottleneck", "torchvision wrapped", "timm resnet26d"):
        for what, options in {"": {}, ", weights only": {"weights_only": True}}.items():
            path = os.path.join(forms.folder.name, "lit.ckpt")
            module = Lit(copy.deepcopy(MODELS[name][0]), NAMES, torch.ones(CLASSES))
            if forms.only in f"Lightning, {name}{what}":
                lit_checkpoint(module, path, **options)
            check(f"Lightning, {name}{what}", lambda new: shutil.copy(path, new), logits(module.model), suffix=".ckpt")
    module = Lit(copy.deepcopy(MODELS["torchvision basic"][0]), NAMES)
    check("Lightning's module", lambda path: torch.save(module, path), logits(module.model))
    module.model = torch.compile(module.model)
    check("Lightning, compiled", lambda path: torch.save({"state_dict": module.state_dict()}, path), logits(module.model._orig_mod),
          suffix=".ckpt")


# ---- fastai ---------------------------------------------------------------------------------------------------------------


def fastai_learner(model):
    pictures = torch.randn(8, 3, 64, 64)
    data = fastai.TfmdLists(list(range(8)), [lambda i: (pictures[i], i % CLASSES)])
    loaders = fastai.DataLoaders.from_dsets(data, data, bs=4, device=torch.device("cpu"))
    loaders.vocab = NAMES
    return fastai.Learner(loaders, model, loss_func=nn.CrossEntropyLoss(), path=forms.folder.name)


def check_fastai():
    cut = fastai.create_body(copy.deepcopy(MODELS["torchvision basic"][0]), pretrained=False)
    simple = forms.randomize(nn.Sequential(cut, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES))))
    two = forms.randomize(nn.Sequential(copy.deepcopy(cut), fastai.create_head(512, CLASSES)))
    average = forms.randomize(nn.Sequential(copy.deepcopy(cut), fastai.create_head(512, CLASSES, concat_pool=False, lin_ftrs=[])))
    for name, model, refused in (("torchvision's network", copy.deepcopy(MODELS["torchvision basic"][0]), ""),
                                 ("a body and a linear layer", simple, ""), ("fastai's head", two, ""),
                                 ("fastai's head on averages", average, "whose order its tensors tell")):
        learner = fastai_learner(model)
        folder = forms.folder.name
        expected = logits(model)

        def saved(path, **options):
            learner.save("learner", **options)
            shutil.move(os.path.join(folder, "models", "learner.pth"), path)

        def exported(path):
            learner.export("learner.pkl")
            shutil.move(os.path.join(folder, "learner.pkl"), path)

        check(f"fastai's save, {name}", saved, expected, may_refuse=refused)
        check(f"fastai's save without optimiser, {name}", lambda path: saved(path, with_opt=False), expected, may_refuse=refused)
        check(f"fastai's state dict, {name}", lambda path: torch.save(model.state_dict(), path), expected, may_refuse=refused)
        check(f"fastai's module, {name}", lambda path: torch.save(model, path), expected, may_refuse=refused)
        check(f"fastai's module of a learner, {name}", lambda path: torch.save(learner.model, path), expected, may_refuse=refused)
    x = forms.randomize(fastai.xresnet18(n_out=CLASSES))
    check("fastai's xresnet", lambda path: torch.save(x.state_dict(), path), logits(x))


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for part in (check_any, check_torch, check_timm, check_transformers, check_lightning, check_fastai):
        part()
    for name in ("basic", "bottleneck"):
        check_self_supervised(name, *(torchvision_network(MODELS_OF[name]) for _ in range(2)))
    print(forms.summary())
    sys.exit(forms.status())
