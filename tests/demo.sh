#!/usr/bin/env bash
# Shows the main job: draw a set of pictures, train a small ResNet on it, judge it, classify single pictures, look at a
# mistake. Called by `make demo` after the build, whose two steps come first. What it makes stays in build/demo and is
# not made again the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
resnet=${RESNET:-$PWD/build/release/resnet}
work=$PWD/build/demo
recipe=$PWD/recipes/shapes.toml
drawn=(--size 64 --train 12000 --val 1000 --seed 1)

# What was made by another recipe, or of other pictures, is not what is shown here.
made_by=$(printf '%s ' "${drawn[@]}" && cat "$recipe")
if [ "$(cat "$work/made-by" 2> /dev/null)" != "$made_by" ]; then rm -rf "$work"; fi
mkdir -p "$work"
printf '%s' "$made_by" > "$work/made-by"

# Prints a command as people type it, then runs it in the folder of the demo.
show() {
  printf '\n$ resnet'
  printf ' %s' "${@/#$PWD\//}"
  printf '\n'
  (cd "$work" && "$resnet" "$@")
}

# The model that ships, trained on CIFAR-10 by recipes/cifar10-resnet20.toml.
classify_a_ship() {
  cp tests/demo.jpg "$work/ship.jpg"
  show predict "$PWD/models/resnet20-cifar10.safetensors" ship.jpg --top 3
}

printf '\n== 3 of 8: pictures, ten shapes of any colour, texture, size and place\n'
if [ -e "$work/shapes/complete" ]; then
  printf 'They are there since the last time.\n'
else
  rm -rf "$work/shapes" "$work/run"
  show make-dataset shapes -o shapes "${drawn[@]}"
  touch "$work/shapes/complete"
fi

printf '\n== 4 of 8: a small ResNet learns them, in a few minutes; where it was stopped, it goes on\n'
show train --recipe "$recipe" --data shapes -o run --resume

printf '\n== 5 of 8: how good it is, on pictures it has not seen\n'
show eval run/best.safetensors shapes/val --report eval.html

printf '\n== 6 of 8: the first picture of each shape\n'
first=(arrow circle crescent cross heart hexagon ring square star triangle)
first=("${first[@]/#/shapes/val/}")
show predict run/best.safetensors "${first[@]/%//00001.jpg}" --top 1

printf '\n== 7 of 8: one that it takes for something else, and what spoke for that\n'
wrong=$(cd "$work" && "$resnet" predict run/best.safetensors shapes/val --top 1 --csv 2> /dev/null | awk -F, '
  NR > 1 && !found { split($1, part, "/"); if (part[3] != $4) { found = 1; print $1 } }')
if [ -n "$wrong" ]; then
  show explain run/best.safetensors "$wrong" -o .
else
  printf 'There is none.\n'
fi

printf '\n== 8 of 8: a network that knows more comes with the project, trained on CIFAR-10\n'
classify_a_ship

cat << END

Open in a browser:
  file://$work/eval.html        right and wrong, class by class, picture by picture
  file://$work/run/report.html  how it learned

On pictures of your own, a FOLDER with a folder for each class:
  build/release/resnet predict models/resnet20-cifar10.safetensors FOLDER
  build/release/resnet train --from models/resnet20-cifar10.safetensors --data FOLDER --val 0.2 -o run
  build/release/resnet eval run/best.safetensors FOLDER --report report.html
END
