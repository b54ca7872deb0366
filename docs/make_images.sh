#!/usr/bin/env bash
# Makes docs/images/explain.png and similar.png with the program alone: draws shapes, trains a small network on them (a few
# minutes), and looks inside.
#   docs/make_images.sh
set -euo pipefail
cd "$(dirname "$0")/.."
resnet=${RESNET:-$PWD/build/release/resnet}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$resnet" make-dataset shapes --out "$work/shapes" --size 64 --train 12000 --val 1000 --seed 1
"$resnet" train --recipe recipes/shapes.toml --data "$work/shapes" --out "$work/run"
# The same shapes in five times the size, for people.
"$resnet" make-dataset shapes --out "$work/large" --size 320 --train 10 --val 120 --seed 12
cp "$work/large/train/star/"*.jpg "$work/star.jpg"
"$resnet" explain "$work/run/best.safetensors" "$work/star.jpg" --size 64 --resize 64 -o "$work"
mv "$work/star-explained.png" docs/images/explain.png
"$resnet" features "$work/run/best.safetensors" "$work/large/val" --size 64 --resize 64 -o "$work/index.npy"
"$resnet" similar "$work/index.npy" "$work/star.jpg" --top 12 -o docs/images/similar.png
