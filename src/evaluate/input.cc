#include "evaluate/input.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "formats/npy.h"

namespace resnet {
namespace {

// A batch that somebody has preprocessed already.
Input take_array(const NpyArray& array, const std::string& path, const Graph& graph) {
  const int channels = graph.architecture.in_channels;
  std::vector<std::int64_t> shape = array.shape;
  if (shape.size() == 3) shape.insert(shape.begin(), 1);
  if (shape.size() != 4) {
    fail(ErrorCode::kMismatch, path, "an array of {} dimensions; CxHxW or NxCxHxW is expected", shape.size());
  }
  if (shape[1] != channels) {
    fail(ErrorCode::kMismatch, path, "an array of {} channels, but the network takes {}", shape[1], channels);
  }
  if (array.bytes.empty()) fail(ErrorCode::kMismatch, path, "an empty array");
  Input input{{shape[0], shape[1], shape[2], shape[3]}, std::vector<float>(array.bytes.size() / sizeof(float))};
  try {
    infer_shapes(graph, input.shape);
  } catch (const Error& error) {
    fail(error.code(), path, "{}", error.what());
  }
  std::memcpy(input.values.data(), array.bytes.data(), array.bytes.size());
  return input;
}

}  // namespace

ItemBytes::ItemBytes(const Item& item) {
  if (item.error) throw Error(*item.error);
  if (!item.bytes) file_ = read_file(item.path, kMaxFileBytes);
  bytes_ = item.bytes ? *item.bytes : file_;
}

Input read_input(const Item& item, const Classifier& classifier, const DecodeOptions& decode) {
  const ItemBytes file(item);
  const std::span<const std::byte> bytes = file.get();
  if (looks_like_npy(bytes)) {
    const NpyArray array = parse_npy(bytes, item.path);
    if (array.type == NpyType::kF32) return take_array(array, item.path, classifier.engine().graph());
  }
  const FeatureShape shape = classifier.input_shape();
  Input input{shape, std::vector<float>(static_cast<std::size_t>(shape.count()))};
  DecodeOptions options = decode;
  options.notes = &input.notes;
  load_input(bytes, item.path, classifier.preprocessing(), input.values, options);
  return input;
}

void InputBatch::add(const std::string& path, const Input& input) {
  const FeatureShape& s = input.shape;
  const bool same_size = FeatureShape{s.batch, shape_.channels, shape_.height, shape_.width} == s;
  if (!same_size || shape_.batch + s.batch > size_) run();
  shape_ = {shape_.batch + s.batch, s.channels, s.height, s.width};
  values_.insert(values_.end(), input.values.begin(), input.values.end());
  for (std::int64_t i = 0; i < s.batch; ++i) paths_.push_back(s.batch == 1 ? path : fmt::format("{}[{}]", path, i));
}

void InputBatch::run() {
  if (!paths_.empty()) run_(*this);
  shape_ = {};
  values_.clear();
  paths_.clear();
}

InputReader::InputReader(const Classifier& classifier, Source& source, const DecodeOptions& decode, int batch)
    : ParallelReader(
          source, [&classifier, decode](const Item& item) { return read_input(item, classifier, decode); },
          available_processors(), static_cast<std::size_t>(2 * batch + available_processors())) {}

PictureStack read_stack(const Dataset& set, const Classifier& classifier, std::int64_t limit,
                        const DecodeOptions& decode, const ReadingCalls& calls) {
  constexpr int kAhead = 16;
  const auto source = set.items(limit);
  const auto all = static_cast<std::int64_t>(set.count());
  const std::int64_t count = limit < 0 ? all : std::min(all, limit);
  InputReader reader(classifier, *source, decode, kAhead);
  std::multimap<std::string, std::vector<float>> by_path;
  std::int64_t done = 0;
  while (auto item = reader.next()) {
    if (item->error) throw Error(*item->error);
    if (item->value->shape != classifier.input_shape()) {
      fail(ErrorCode::kMismatch, item->path, "is an array of another size than pictures have");
    }
    if (calls.noted) calls.noted(item->path, item->value->notes);
    by_path.emplace(item->path.substr(item->path.rfind(':') + 1),
                    std::move(item->value->values));  // behind the archive's
    if (calls.progress) calls.progress(++done, count);
  }
  PictureStack stack{classifier.input_shape(), {}};
  stack.shape.batch = static_cast<std::int64_t>(by_path.size());
  for (const auto& [path, own] : by_path) stack.values.insert(stack.values.end(), own.begin(), own.end());
  return stack;
}

}  // namespace resnet
