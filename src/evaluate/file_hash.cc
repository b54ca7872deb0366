#include "evaluate/file_hash.h"

#include <fmt/format.h>
#include <nettle/sha2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/input_file.h"
#include "weights/model_source.h"

namespace resnet {

namespace {

WeightsDigest digest_of(const std::vector<std::string>& paths) {
  WeightsDigest result;
  sha256_ctx context;
  sha256_init(&context);
  std::vector<std::byte> bytes(std::size_t{1} << 18);
  for (const std::string& path : paths) {
    const InputFile file(path);
    if (!file.is_regular()) fail(ErrorCode::kInvalidArgument, path, "is a pipe, not a file");
    for (std::size_t at = 0; at < file.size(); at += bytes.size()) {
      const auto step = std::span(bytes).first(std::min(bytes.size(), file.size() - at));
      file.read_at(at, step);
      sha256_update(&context, step.size(), reinterpret_cast<const std::uint8_t*>(step.data()));
    }
    result.bytes += static_cast<std::int64_t>(file.size());
  }
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest;
  sha256_digest(&context, digest.size(), digest.data());
  result.sha256 = fmt::format("{:02x}", fmt::join(digest, ""));
  return result;
}

}  // namespace

WeightsDigest digest_of_model(const std::string& path) { return digest_of(weights_of_model_source(path)); }

}  // namespace resnet
