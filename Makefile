# make build   the program, build/release/resnet
# make demo    build, then train a small network, judge it and classify pictures with it
# make install the program, its models and recipes, and the library below PREFIX (/usr/local)
# make package the Debian packages, build/release/*.deb
# make wheel   the Python package with all that it needs inside, build/wheel/*.whl
# make test    everything but the long runs; make test-all adds them
# make lint    clang-format and clang-tidy
# make bench                      times every network
# make bench-peers                times the engine beside ONNX Runtime, OpenVINO, PyTorch, MNN, ncnn; renews docs/benchmarks.md
# make bench-serve                times the server beside Triton, MLServer, Ray Serve, FastAPI, LitServe and BentoML with ONNX Runtime
# make bench-serve-mlperf         runs MLPerf's LoadGen against it
# make bench-layers               times its convolutions beside oneDNN's, layer by layer
# make bench-compare BASE=main    times this tree beside another commit; all of them take OPTIONS="...", OPTIONS=--help says which
# What is needed and missing is installed first (Debian packages, as root or with sudo).
# TORCH=DIR names LibTorch, which then trains: the archive unpacked, or an installed torch package. Without it test fetches the
# wheel for CPUs into .venv, and build uses that where it is; where none is, networks learn with the project's own kernels.

BUILD_PACKAGES := cmake ninja-build g++ ccache pkg-config libfmt-dev nlohmann-json3-dev libcli11-dev \
  libjpeg62-turbo-dev libpng-dev libwebp-dev zlib1g-dev libbz2-dev liblzma-dev libzstd-dev libprotobuf-dev protobuf-compiler \
  libonnx-dev libtomlplusplus-dev libgloo-dev libstb-dev nettle-dev fonts-roboto-unhinted \
  libboost1.81-dev libnghttp2-dev libssl-dev
TEST_PACKAGES := $(BUILD_PACKAGES) libgtest-dev libgmock-dev clang clang-format clang-tidy libclang-rt-14-dev \
  python3 python3-venv python3-dev man-db dpkg-dev file chromium xz-utils bzip2 zstd zsh fish curl openssl haproxy \
  nginx-light nghttp2-client wrk slowhttptest parallel
LINT_PACKAGES := libomp-dev
LONG_PACKAGES := $(LINT_PACKAGES) libb64-0d debootstrap
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
OPTIONS ?=
TORCH ?=
export TORCH
CONFIGURE := $(if $(TORCH),-DRESNET_TORCH=$(abspath $(TORCH)))

.PHONY: build demo install package wheel test test-all bench bench-peers bench-serve bench-serve-mlperf bench-layers \
  bench-compare format lint packages-build packages-test

build: packages-build
	cmake --preset release $(CONFIGURE) > /dev/null
	cmake --build --preset release -j $(JOBS)

install: build
	cmake --install build/release --prefix $(abspath $(PREFIX)) > /dev/null
	@echo "installed: $(DESTDIR)$(abspath $(PREFIX))/bin/resnet; models and recipes in $(DESTDIR)$(abspath $(PREFIX))/share/resnet"

package: build
	$(call install,dpkg-dev file)
	cd build/release && cpack -G DEB
	@ls build/release/*.deb

wheel: packages-build
	$(call install,python3 python3-venv python3-dev)
	cmake --preset release $(CONFIGURE) > /dev/null
	cmake --build --preset release -j $(JOBS) --target resnet resnet_with_tools
	python/make_wheel.sh build/release build/wheel

demo:
	@printf '\n== 1 of 8: Debian packages that it is built with\n'
	@$(MAKE) --no-print-directory packages-build
	@printf '\n== 2 of 8: the program\n'
	@$(MAKE) --no-print-directory build
	@tests/demo.sh

test: packages-test .venv/complete
	tests/run.sh

test-all: packages-test .venv/complete build/peers/clients/complete build/peers/ray/complete
	$(call install,$(LONG_PACKAGES))
	tests/run.sh --all

lint: packages-test
	$(call install,$(LINT_PACKAGES))
	cmake --preset dev > /dev/null
	RESNET_TEST_ALL=1 ctest --test-dir build/dev --output-on-failure -R 'check_(format|tidy)'

bench: build
	$(call install,python3)
	python3 benchmarks/bench.py $(OPTIONS)

bench-peers: build
	$(call install,python3 python3-venv)
	python3 benchmarks/peers/install.py
	build/peers/venv/bin/python benchmarks/peers/run.py $(OPTIONS)

bench-serve: build
	$(call install,python3 python3-venv)
	python3 benchmarks/peers/serve.py $(OPTIONS)
	python3 benchmarks/serve.py build/release/resnet

bench-serve-mlperf: build
	$(call install,python3 python3-venv)
	python3 benchmarks/serve_mlperf.py $(OPTIONS)

bench-layers: build
	$(call install,libdnnl-dev)
	cmake --preset release > /dev/null
	cmake --build --preset release -j $(JOBS) --target onednn_bench
	build/release/onednn_bench $(OPTIONS)

bench-compare: build
	$(call install,git python3)
	python3 benchmarks/compare.py $(BASE) $(OPTIONS)

format: packages-test
	git ls-files '*.h' '*.cc' '*.c' | xargs clang-format -i

# Installs what is missing, and only that.
define install
@missing=$$(for package in $(1); do \
    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
  if [ -n "$$missing" ]; then \
    if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
    echo "installing, which takes a minute or more: $$missing"; \
    $$sudo apt-get update -qq && \
    DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing > /dev/null; \
  fi
endef

packages-build:
	$(call install,$(BUILD_PACKAGES))

packages-test:
	$(call install,$(TEST_PACKAGES))

# The wheel of PyTorch, whose LibTorch the trainer learns with. Without it our own learner does, and it is tried again next time.
.venv/torch:
	$(call install,python3 python3-venv)
	python3 -m venv .venv
	@echo "fetching PyTorch for CPUs into .venv, once: some 200 MB"
	.venv/bin/pip install --quiet torch==2.13.0+cpu 2> /dev/null || \
	  .venv/bin/pip install --retries 1 --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 || \
	  { echo "PyTorch could not be installed: nothing is built or tested that needs it"; exit 0; } && touch $@

# NumPy, Pillow and what else the parity tests compare with. Without them these tests skip and golden files serve.
.venv/complete: tests/requirements.txt .venv/torch
	.venv/bin/pip install --quiet -r tests/requirements.txt
	touch $@

# Clients of the server, and Ray: they bring many packages, so each has an environment of its own. Without one its tests skip.
build/peers/clients/complete: tests/clients.txt | packages-test
	python3 -m venv build/peers/clients
	build/peers/clients/bin/pip install --quiet -r tests/clients.txt && touch $@ || echo "without clients of the server: their tests skip"

build/peers/ray/complete: | packages-test
	python3 benchmarks/peers/serve_peers.py "Ray Serve" || echo "without Ray: its test skips"
