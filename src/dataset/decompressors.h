// What data sets are packed by: gzip, bzip2, xz and Zstandard (RFC 8878), told by their first bytes.
#pragma once

#include "formats/decompressor.h"

namespace resnet {

// Null where it is none of these. Memory of a stream is at most 256 MiB.
std::unique_ptr<Decompressor> any_decompressor(std::span<const std::byte> begin);

}  // namespace resnet
