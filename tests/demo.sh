#!/usr/bin/env bash
# Shows the main job: draw a set of pictures, train a small ResNet on it, judge it, classify single pictures. Called by
# `make demo` after the build; what it makes stays in build/demo.
set -euo pipefail
cd "$(dirname "$0")/.."
resnet=${RESNET:-$PWD/build/release/resnet}
work=$PWD/build/demo
recipe=$PWD/recipes/shapes.toml
rm -rf "$work"
mkdir -p "$work"

# Prints a command as people type it, then runs it in the folder of the demo.
show() {
  printf '\n$ resnet'
  printf ' %s' "${@/#$PWD\//}"
  printf '\n'
  (cd "$work" && "$resnet" "$@")
}

printf '== A network: the CIFAR ResNet beside its deeper relatives\n'
show summary --compare resnet20,resnet56,resnet50

# The model that ships, trained on CIFAR-10 by recipes/cifar10-resnet20.toml.
classify_a_ship() {
  cp tests/demo.jpg "$work/ship.jpg"
  show predict "$PWD/models/resnet20-cifar10.safetensors" ship.jpg --top 3
}

if [ ! -x "$(dirname "$resnet")/resnet-train" ]; then
  printf '\n== PyTorch could not be had, so nothing is trained here. A network that was, on CIFAR-10\n'
  classify_a_ship
  exit
fi

printf '\n== Pictures: ten shapes of any colour, texture, size and place\n'
show make-dataset shapes --out shapes --size 32 --train 6000 --val 1000

printf '\n== A small ResNet learns them, in a minute or two\n'
show train --recipe "$recipe" --data shapes --out run

printf '\n== How good it is, on pictures it has not seen\n'
show eval run/best.safetensors shapes/val --report eval.html

printf '\n== Single pictures, classified\n'
show predict run/best.safetensors shapes/val/heart/00001.jpg shapes/val/star/00001.jpg --top 3
show predict run/best.safetensors shapes/val/ring/00002.jpg --json --top 2
show explain run/best.safetensors shapes/val/star/00001.jpg -o .

printf '\n== A network that knows more: trained on CIFAR-10, it comes with the project\n'
classify_a_ship

printf '\nCurves of the training:      build/demo/run/report.html\n'
printf 'Right and wrong, picture by picture: build/demo/eval.html\n'
printf 'Where it looked:             build/demo/00001-explained.png\n'
printf 'Try it on your own:          build/release/resnet train --data FOLDER --val 0.1 --out RUN\n'
