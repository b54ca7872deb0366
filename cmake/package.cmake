# Debian packages by CPack: `resnet` (the program, its man pages, the completion for bash) and `libresnet-dev` (the
# library's archive and headers). Which libraries they need, dpkg-shlibdeps finds out.
#   cmake --build --preset release && (cd build/release && cpack -G DEB)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR "the resnet.cpp authors")
set(CPACK_PACKAGE_CONTACT "the resnet.cpp authors <resnet.cpp@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # packing builds nothing

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME resnet)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "Residual networks: describe, convert, run and measure them
 Reads .safetensors and PyTorch files, classifies pictures, evaluates and measures models, without Python.
 .
 This package does not hold resnet-train: `resnet train` is not available with it.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libresnet-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libfmt-dev, libjpeg-dev, libpng-dev, libwebp-dev, zlib1g-dev, pkg-config")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_RECOMMENDS "libbz2-dev, liblzma-dev, libzstd-dev, nettle-dev, libprotobuf-dev")  # resnet::tools
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "Residual networks: library for C and C++
 The archives libresnet.a and libresnet-tools.a, their headers, and what CMake and pkg-config need to find them.")
include(CPack)
