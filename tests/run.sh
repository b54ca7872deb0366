#!/usr/bin/env bash
# Builds and runs every test through CTest; --all adds the long runs. Meant to be called by make.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
all=${1:-}
if [ "$all" = --all ]; then export RESNET_TEST_ALL=1; fi

step() { printf '\n== %s\n' "$*"; }

build() {  # PRESET [TARGET...]
  local preset=$1
  shift
  cmake --preset "$preset" ${TORCH:+"-DRESNET_TORCH=$(realpath "$TORCH")"} > /dev/null
  cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"}
}

run() {  # PRESET [ctest option...]
  local preset=$1
  shift
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$jobs" "$@"
}

step "everything, optimised, warnings are errors"
build dev
run dev

step "AddressSanitizer and UndefinedBehaviorSanitizer; libFuzzer: the corpora, then each target for a while"
targets=$(ls fuzz/fuzz_*.cc | wc -l)
if [ "$all" = --all ]; then seconds=$((3600 / targets)); else seconds=10; fi  # an hour for all
export RESNET_FUZZ_SECONDS=${RESNET_FUZZ_SECONDS:-$seconds}
build asan
run asan -LE 'parity|source'

step "ThreadSanitizer"
if [ "$all" = --all ]; then
  build tsan
  run tsan -LE 'parity|source|cli'
else
  # The test programs of the rooms that have such tests.
  mapfile -t targets < <(grep -rlE '^TEST.*\(Concurrency' src | xargs dirname | sort -u | sed 's|^src/||; s|/|_|g; s|$|_test|')
  build tsan "${targets[@]}"
  run tsan -L concurrency
fi
