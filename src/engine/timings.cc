#include "engine/timings.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/processor.h"

namespace resnet {
namespace {

constexpr std::string_view kHeader = "resnet timings 1";
constexpr std::size_t kMaxBytes = std::size_t{16} << 20;

// The text up to `end`, which is taken away with it; false where there is none.
bool take(std::string_view& text, char end, std::string_view& part) {
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos) return false;
  part = text.substr(0, at);
  text.remove_prefix(at + 1);
  return true;
}

}  // namespace

std::string Timings::key(const Kernels& kernels, int threads, const ConvShape& s) {
  std::string key =
      fmt::format("{} {} threads {}: {}x{}x{}x{} -> {}x{}x{}", processor_name(), name(kernels.isa), threads, s.batch,
                  s.in_channels, s.in_height, s.in_width, s.out_channels, s.out_height, s.out_width);
  key += fmt::format(" kernel {} stride {} padding {} dilation {} groups {}", s.kernel, s.stride, s.padding, s.dilation,
                     s.groups);
  key += fmt::format(" bytes {} {}{}{}{}{}", size_in_bytes(s.in_type), size_in_bytes(s.out_type),
                     s.weights == WeightRule::kShort ? " short" : "", s.dense_input ? " dense" : "",
                     s.residual ? " residual" : "", s.relu ? " relu" : "");
  if (s.curve != Curve::kNone) key += fmt::format(" curve {}", static_cast<int>(s.curve));
  return key;
}

std::optional<double> Timings::find(const std::string& key, const std::string& algorithm) const {
  const auto place = values_.find({key, algorithm});
  return place == values_.end() ? std::nullopt : std::optional(place->second);
}

void Timings::set(const std::string& key, const std::string& algorithm, double milliseconds) {
  values_[{key, algorithm}] = milliseconds;
}

void Timings::add(const Timings& others) {
  for (const auto& [name, value] : others.values_) values_[name] = value;
}

Timings Timings::load(const std::string& path) {
  std::vector<std::byte> bytes;
  try {
    bytes = read_file(path, kMaxBytes);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) return {};
    throw;
  }
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string_view line;
  if (!take(text, '\n', line) || line != kHeader) return {};
  Timings timings;
  while (!text.empty()) {
    std::string_view key, algorithm;
    if (!take(text, '\n', line) || !take(line, '\t', key) || !take(line, '\t', algorithm)) return {};
    double value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc() || end != line.data() + line.size() || !std::isfinite(value) || value < 0) return {};
    timings.set(std::string(key), std::string(algorithm), value);
  }
  return timings;
}

void Timings::save(const std::string& path) const {
  std::error_code error;
  const std::string directory = std::filesystem::path(path).parent_path().string();
  std::filesystem::create_directories(directory, error);
  if (error) fail(ErrorCode::kIo, directory, "cannot make the directory: {}", error.message());
  Timings all = load(path);
  all.add(*this);
  AtomicFile file(path);
  std::string text(kHeader);
  text += '\n';
  for (const auto& [name, value] : all.values_) text += fmt::format("{}\t{}\t{}\n", name.first, name.second, value);
  file.write(text);
  file.commit();
}

std::string timings_path() { return cache_directory() + "/timings.tsv"; }

}  // namespace resnet
