"""Checkpoints of self-supervised training, as the programs of MoCo, DINO, BYOL and others save them: networks without a
classifier, in several copies, with projections behind them. `resnet features` gives what PyTorch gives. Run by
foreign_forms.py."""
import argparse
import copy
import os
import shutil
import subprocess

import numpy
import torch
from torch import nn

import forms


def check_features(form, save, expected, flags=(), suffix=".pth"):
    """The vector behind the pooling, of a file that holds no classifier."""
    if forms.only and forms.only not in form:
        return
    path, out = os.path.join(forms.folder.name, "m" + suffix), os.path.join(forms.folder.name, "out.npy")
    shutil.rmtree(path, ignore_errors=True)
    save(path)
    run = subprocess.run([forms.RESNET, "features", path, os.path.join(forms.folder.name, "x.npy"), "--size", "64", "--threads",
                          "1", "-o", out, *flags], capture_output=True, text=True)
    if run.returncode != 0:
        forms.results["WRONGLY REFUSED"] += 1
        print(f"{form}: WRONGLY REFUSED: {run.stderr.strip()[-400:]}")
        return
    found, wanted = torch.from_numpy(numpy.load(out)).flatten(), expected.detach().flatten()
    right = found.shape == wanted.shape and float((found - wanted).abs().max() / wanted.abs().max()) < 1e-4
    forms.results["right" if right else "WRONG"] += 1
    if not right:
        print(f"{form}: WRONG features")


def encoder(model, projection=True):
    model = copy.deepcopy(model)
    width = model.fc.in_features
    model.fc = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 16)) if projection else nn.Identity()
    return model


def check_self_supervised(kind, model, other):
    """`model` and `other`: networks of torchvision's with other weights."""
    plain = encoder(model, projection=False)
    expected = forms.logits(plain)
    query, key = encoder(model), encoder(other)

    def moco(path):
        net = nn.Module()
        net.encoder_q, net.encoder_k = query, key
        net.register_buffer("queue", torch.randn(16, 128))
        net.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))
        torch.save({"epoch": 1, "arch": "resnet50", "state_dict": nn.DataParallel(net).state_dict()}, path)

    def dino(path):
        head = nn.Module()
        head.mlp = nn.Sequential(nn.Linear(model.fc.in_features, 64), nn.GELU(), nn.Linear(64, 32))
        head.last_layer = nn.utils.weight_norm(nn.Linear(32, 50, bias=False))
        net = nn.Module()
        net.backbone, net.head = plain, head
        torch.save({"student": nn.DataParallel(net).state_dict(), "teacher": net.state_dict(), "epoch": 1,
                    "args": argparse.Namespace(arch="resnet50"), "dino_loss": {"center": torch.zeros(1, 32)}}, path)

    def barlow(path):
        torch.save({name: tensor for name, tensor in model.state_dict().items() if not name.startswith("fc.")}, path)

    def barlow_training(path):
        net = nn.Module()
        net.backbone = plain
        net.projector = nn.Sequential(nn.Linear(model.fc.in_features, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64))
        net.bn = nn.BatchNorm1d(64, affine=False)
        torch.save({"epoch": 1, "model": nn.DataParallel(net).state_dict(), "optimizer": {}}, path)

    def byol(path):
        net = nn.Module()
        net.online_encoder, net.target_encoder = query, key
        net.predictor = nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 16))
        torch.save(net.state_dict(), path)

    def swav(path):
        net = copy.deepcopy(plain)
        net.projection_head = nn.Sequential(nn.Linear(model.fc.in_features, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 16))
        net.prototypes = nn.Linear(16, 30, bias=False)
        torch.save({"state_dict": nn.DataParallel(net).state_dict(), "epoch": 1}, path)

    for who, save in {"MoCo": moco, "DINO": dino, "Barlow Twins": barlow, "Barlow Twins in training": barlow_training,
                      "BYOL": byol, "SwAV": swav}.items():
        check_features(f"{who}, {kind}", save, expected)
        forms.check(f"{who} has no classes, {kind}", save, None)
    check_features(f"children, {kind}", lambda path: torch.save(nn.Sequential(*list(model.children())[:-1]).state_dict(), path),
                   expected)
