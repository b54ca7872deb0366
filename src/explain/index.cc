#include "explain/index.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"
#include "base/text.h"
#include "console/json.h"
#include "formats/npy.h"
#include "weights/metadata.h"

namespace resnet {
namespace {

using Parsed = nlohmann::json;  // whose objects copy no member when they grow, as those of ordered ones do

constexpr const char* kVersion = "resnet_index";

std::string text_of(const Parsed& json, const char* key, const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) fail(ErrorCode::kFormat, where, "the index has no text '{}'", key);
  return restore_bytes(found->get<std::string>());
}

// What nobody but us writes need not be looked into at any depth.
bool is_flat(const Parsed& value) {
  const auto is_plain = [](const Parsed& item) { return item.is_primitive(); };
  return std::all_of(value.begin(), value.end(), [&](const Parsed& member) {
    return is_plain(member) || (member.is_array() && std::all_of(member.begin(), member.end(), is_plain));
  });
}

Precision precision_of(const Parsed& json, const std::string& where) {
  try {
    return parse_precision(text_of(json, "precision", where));
  } catch (const Error& error) {
    if (error.where() == where) throw;
    fail(ErrorCode::kFormat, where, "{}", one_line(error.what()));
  }
}

IndexNotes parse_notes(std::span<const std::byte> bytes, std::int64_t rows, const std::string& where) {
  const std::string text = hide_byte_escapes({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const Parsed json = Parsed::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains(kVersion)) fail(ErrorCode::kFormat, where, "not an index of embeddings");
  if (json[kVersion] != 1) fail(ErrorCode::kUnsupported, where, "an index of another version");
  IndexNotes notes;
  notes.model = text_of(json, "model", where);
  notes.model_sha256 = text_of(json, "model_sha256", where);
  if (json.contains("architecture")) notes.architecture = text_of(json, "architecture", where);
  if (json.contains("take")) notes.take = text_of(json, "take", where);
  if (json.contains("head")) notes.head = text_of(json, "head", where);
  if (json.contains("network")) {
    if (!is_flat(json["network"]))
      fail(ErrorCode::kFormat, where, "what the index says of its network is nothing of ours");
    notes.network = read_architecture({{kArchitectureKey, json["network"].dump()}}, where);
  }
  notes.precision = precision_of(json, where);
  notes.layer = text_of(json, "layer", where);
  const auto turned = json.find("apply_orientation");
  if (turned == json.end() || !turned->is_boolean()) {
    fail(ErrorCode::kFormat, where, "the index does not say whether pictures were turned");
  }
  notes.apply_orientation = turned->get<bool>();
  const Parsed nothing;
  const auto member = [&](const char* key) -> const Parsed& { return json.contains(key) ? json[key] : nothing; };
  const Parsed& how = member("preprocessing");
  if (!is_flat(how)) fail(ErrorCode::kFormat, where, "what the index says of preprocessing is nothing of ours");
  const int channels = how.is_object() && how.contains("mean") ? static_cast<int>(how["mean"].size()) : 0;
  notes.preprocessing = *read_preprocessing({{kPreprocessingKey, how.dump()}}, channels, where);
  const Parsed& paths = member("paths");
  if (!paths.is_array() || static_cast<std::int64_t>(paths.size()) != rows) {
    fail(ErrorCode::kFormat, where, "the index does not name a path for each of its {} rows", rows);
  }
  for (const Parsed& path : paths) {
    if (!path.is_string()) fail(ErrorCode::kFormat, where, "a path of the index is no text");
    notes.paths.push_back(restore_bytes(path.get<std::string>()));
  }
  return notes;
}

}  // namespace

std::vector<std::uint8_t> to_json(const IndexNotes& notes) {
  JsonObject json = {{kVersion, 1}, {"model", notes.model}, {"model_sha256", notes.model_sha256}};
  if (notes.architecture) json.add("architecture", *notes.architecture);
  if (!notes.take.empty()) json.add("take", notes.take);
  if (!notes.head.empty()) json.add("head", notes.head);
  if (notes.network) json.add("network", JsonObject::from_text(to_json(*notes.network).dump()));
  json.add("precision", name(notes.precision));
  json.add("layer", notes.layer);
  json.add("apply_orientation", notes.apply_orientation);
  json.add("preprocessing", JsonObject::from_text(to_json(notes.preprocessing).dump()));
  json.add("paths", notes.paths);
  return {json.text().begin(), json.text().end()};
}

EmbeddingIndex EmbeddingIndex::open(const std::string& path) {
  EmbeddingIndex index;
  index.file_ = CheckedFile::open(path);
  std::span<const std::byte> rest = index.file_->range();
  const auto load_first = [&](std::size_t count) {
    return index.file_->load(rest.first(std::min(rest.size(), count)));
  };
  const std::span<const std::byte> beginning = load_first(12);
  if (!looks_like_npy(beginning)) {
    fail(ErrorCode::kFormat, path,
         "not a .npy file, so no index: `resnet features MODEL PICTURES -o photos.npy` makes one");
  }
  load_first(npy_header_size(beginning));
  const NpyArray rows = take_npy(rest, path);
  if (rest.empty()) {
    fail(ErrorCode::kFormat, path, "an array alone, not an index: `resnet features -o {}` makes one", path);
  }
  const NpyArray notes = parse_npy(index.file_->load(rest), path);
  constexpr std::int64_t kMaxSize = 1 << 24;
  if (rows.type != NpyType::kF32 || rows.shape.size() != 2 || rows.shape[1] < 1 || rows.shape[1] > kMaxSize ||
      notes.type != NpyType::kU8 || notes.shape.size() != 1) {
    fail(ErrorCode::kFormat, path, "not an index of embeddings");
  }
  index.rows_ = rows.bytes;
  index.size_ = static_cast<int>(rows.shape[1]);
  index.notes_ = parse_notes(notes.bytes, rows.shape[0], path);
  return index;
}

std::vector<Match> EmbeddingIndex::nearest(std::span<const float> embedding, std::size_t count) const {
  if (embedding.size() != static_cast<std::size_t>(size_)) {
    fail(ErrorCode::kMismatch, "embedding", "{} values, but the index has {}", embedding.size(), size_);
  }
  double length = 0;
  for (const float value : embedding) length += static_cast<double>(value) * value;
  constexpr std::size_t kAtOnce = 65536;  // values that are in memory at a time, at least a row
  const std::size_t step = std::max<std::size_t>(1, kAtOnce / embedding.size());
  std::vector<float> rows(step * embedding.size());
  std::vector<Match> matches(notes_.paths.size());
  for (std::size_t i = 0; i < matches.size(); ++i) {
    if (i % step == 0) {
      const std::size_t row_bytes = embedding.size() * sizeof(float);
      const auto part = rows_.subspan(i * row_bytes, std::min(step, matches.size() - i) * row_bytes);
      file_->copy(part, std::as_writable_bytes(std::span(rows)).first(part.size()));
    }
    const auto row = std::span<const float>(rows).subspan(i % step * embedding.size(), embedding.size());
    double product = 0;
    double own = 0;
    for (std::size_t k = 0; k < row.size(); ++k) {
      product += static_cast<double>(row[k]) * embedding[k];
      own += static_cast<double>(row[k]) * row[k];
    }
    const double cosine = product / std::sqrt(own * length);
    matches[i] = {i, std::isfinite(cosine) ? static_cast<float>(cosine) : 0};
  }
  const auto kept = matches.begin() + static_cast<std::ptrdiff_t>(std::min(count, matches.size()));
  std::partial_sort(matches.begin(), kept, matches.end(), [](const Match& a, const Match& b) {
    return a.cosine != b.cosine ? a.cosine > b.cosine : a.row < b.row;
  });
  matches.erase(kept, matches.end());
  return matches;
}

}  // namespace resnet
