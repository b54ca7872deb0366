#!/usr/bin/env bash
# Shows the main job: describe a network, make a model file, classify a picture. Called by `make demo` after the build.
set -euo pipefail
cd "$(dirname "$0")/.."
resnet=${RESNET:-$PWD/build/release/resnet}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints a command as people type it, then runs it beside the files of the demo.
show() {
  printf '\n$ resnet'
  printf ' %s' "$@"
  printf '\n'
  (cd "$work" && "$resnet" "$@")
}

cp tests/demo.jpg "$work/house.jpg"
printf '== A network: ResNet-18 beside its deeper relatives\n'
show summary --compare resnet18,resnet34,resnet50

printf '\n== A model file. No trained model ships with the project yet, so this one is made from a seed: its weights are\n'
printf '   random, and so are its answers. With a file of yours, .pth or .safetensors, the same commands give real ones.\n'
show init resnet18 --seed 1 --calibrated -o resnet18.safetensors
show convert resnet18.safetensors model.safetensors --preset torchvision

printf '\n== A picture, classified\n'
show predict model.safetensors house.jpg

printf '\n== The same for programs\n'
show predict model.safetensors house.jpg --json --top 2

printf '\nTry it on your own: build/release/resnet predict MODEL PICTURE...\n'
