#!/usr/bin/env bash
# Makes docs/images/explain.png and similar.png with the program alone: draws shapes, trains a small network on them (a minute
# or two), and looks inside.
#   docs/make_images.sh
set -euo pipefail
cd "$(dirname "$0")/.."
resnet=${RESNET:-$PWD/build/release/resnet}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$resnet" make-dataset shapes --out "$work/shapes" --size 32 --train 6000 --val 1000
"$resnet" train --recipe recipes/shapes.toml --data "$work/shapes" --epochs 14 --out "$work/run"
# The same shapes in ten times the size, for people.
"$resnet" make-dataset shapes --out "$work/large" --size 320 --train 10 --val 120 --seed 12
cp "$work/large/train/star/"*.jpg "$work/star.jpg"
"$resnet" explain "$work/run/best.safetensors" "$work/star.jpg" --size 32 --resize 32 -o "$work"
mv "$work/star-explained.png" docs/images/explain.png
"$resnet" features "$work/run/best.safetensors" "$work/large/val" --size 32 --resize 32 -o "$work/index.npy"
"$resnet" similar "$work/index.npy" "$work/star.jpg" --top 12 -o docs/images/similar.png
