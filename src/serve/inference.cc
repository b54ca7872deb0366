#include "serve/inference.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "console/answer.h"
#include "model/answer.h"

namespace resnet::serve {
namespace {

constexpr std::int64_t kMaxPictures = 1024;  // of a request
constexpr std::size_t kValue = sizeof(float);

// "[2,3]"
std::string shape_text(const std::vector<std::int64_t>& shape) {
  constexpr std::size_t kShown = 8;
  const std::size_t count = std::min(shape.size(), kShown);
  return fmt::format("[{}{}]", fmt::join(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(count), ","),
                     count < shape.size() ? ",..." : "");
}

// Values of a shape; throws where there are more than memory could hold, or a size below zero.
std::size_t count_of(const InferInput& input) {
  std::uint64_t count = 1;
  for (const std::int64_t size : input.shape) {
    if (size < 0 || size > (1 << 24))
      fail(ErrorCode::kInvalidArgument, input.name, "no shape: {}", shape_text(input.shape));
    count *= static_cast<std::uint64_t>(size);
    if (count > (std::uint64_t{1} << 32)) fail(ErrorCode::kLimit, input.name, "{} values are too many", count);
  }
  return static_cast<std::size_t>(count);
}

void require(const InferInput& input, std::string_view datatype, std::size_t dimensions) {
  if (input.datatype != datatype) {
    fail(ErrorCode::kMismatch, input.name, "its datatype is {}, not {}", datatype, one_line(input.datatype));
  }
  if (input.shape.size() != dimensions) {
    fail(ErrorCode::kMismatch, input.name, "{} has {} dimensions, not {}", shape_text(input.shape), input.shape.size(),
         dimensions);
  }
  if (input.shape[0] < 1 || input.shape[0] > kMaxPictures) {
    fail(ErrorCode::kLimit, input.name, "{} pictures; a request has 1 to {}", input.shape[0], kMaxPictures);
  }
}

[[noreturn]] void fail_count(const InferInput& input, std::size_t there, std::size_t needed) {
  fail(ErrorCode::kMismatch, input.name, "{} values, but the shape {} has {}", there, shape_text(input.shape), needed);
}

// The pictures of a request, one after the other as the network takes them.
class Pictures {
 public:
  Pictures(const ServedModel& model, const InferInput& input)
      : model_(model), input_(input), shape_(model.classifier().input_shape()) {
    if (input.name == "input") {
      take_tensor();
    } else if (input.name == "image") {
      take_files();
    } else if (input.name == "pixels") {
      take_pixels();
    } else {
      fail(ErrorCode::kInvalidArgument, one_line(input.name), "no such input: there are input, image and pixels");
    }
  }

  std::int64_t count() const { return count_; }
  const FeatureShape& shape() const { return shape_; }

  std::span<const float> at(std::int64_t index) {
    const auto each = static_cast<std::size_t>(shape_.count());
    const auto i = static_cast<std::size_t>(index);
    if (input_.name == "input") return tensor_.subspan(i * each, each);
    prepared_.resize(each);
    const std::string where = fmt::format("{}[{}]", input_.name, index);
    if (input_.name == "image") {
      const std::span<const char> file(texts_[i]);
      load_input(std::as_bytes(file), where, model_.classifier().preprocessing(), prepared_, model_.decode_options());
    } else {
      const std::size_t size = pixels_.size() / static_cast<std::size_t>(count_);
      const ImageView view(static_cast<int>(input_.shape[2]), static_cast<int>(input_.shape[1]),
                           static_cast<int>(input_.shape[3]), pixels_.subspan(i * size, size));
      preprocess(view, model_.classifier().preprocessing(), prepared_, where);
    }
    return prepared_;
  }

 private:
  void take_tensor() {
    require(input_, "FP32", 4);
    const std::size_t needed = count_of(input_);
    count_ = input_.shape[0];
    // Of one size alone: each further one would cost a plan, which is kept.
    if (input_.shape[1] != shape_.channels || input_.shape[2] != shape_.height || input_.shape[3] != shape_.width) {
      fail(ErrorCode::kMismatch, "input", "{} is not [N,{},{},{}]", shape_text(input_.shape), shape_.channels,
           shape_.height, shape_.width);
    }
    if (!input_.floats.empty() || needed == 0) {
      if (input_.floats.size() != needed) fail_count(input_, input_.floats.size(), needed);
      tensor_ = input_.floats;
      return;
    }
    if (input_.raw.size() != needed * kValue) fail_count(input_, input_.raw.size() / kValue, needed);
    if (reinterpret_cast<std::uintptr_t>(input_.raw.data()) % alignof(float) == 0) {
      tensor_ = {reinterpret_cast<const float*>(input_.raw.data()), needed};
      return;
    }
    aligned_.resize(needed);
    std::memcpy(aligned_.data(), input_.raw.data(), input_.raw.size());
    tensor_ = aligned_;
  }

  void take_files() {
    require(input_, "BYTES", input_.shape.size() == 2 ? 2 : 1);
    if (input_.shape.size() == 2 && input_.shape[1] != 1) {
      fail(ErrorCode::kMismatch, "image", "{} is not [N] or [N,1]", shape_text(input_.shape));
    }
    texts_ = input_.texts.empty() ? unpack_texts(input_.raw, "image") : input_.texts;
    count_ = input_.shape[0];
    if (texts_.size() != static_cast<std::size_t>(count_)) fail_count(input_, texts_.size(), count_of(input_));
  }

  void take_pixels() {
    require(input_, "UINT8", 4);
    const std::size_t needed = count_of(input_);
    count_ = input_.shape[0];
    pixels_ = input_.bytes;
    if (input_.bytes.empty()) {
      pixels_ = {reinterpret_cast<const std::uint8_t*>(input_.raw.data()), input_.raw.size()};
    }
    if (pixels_.size() != needed) fail_count(input_, pixels_.size(), needed);
    if (needed == 0) fail(ErrorCode::kInvalidArgument, "pixels", "{} has no pixels", shape_text(input_.shape));
  }

  const ServedModel& model_;
  const InferInput& input_;
  FeatureShape shape_;  // of one picture
  std::int64_t count_ = 0;
  std::span<const float> tensor_;
  std::vector<float> aligned_;
  std::vector<std::string_view> texts_;
  std::span<const std::uint8_t> pixels_;
  std::vector<float> prepared_;
};

std::vector<float> softmax(std::span<const float> logits) {
  const float highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float value : logits) sum += std::exp(static_cast<double>(value) - highest);
  std::vector<float> result;
  result.reserve(logits.size());
  for (const float value : logits) {
    result.push_back(static_cast<float>(std::exp(static_cast<double>(value) - highest) / sum));
  }
  return result;
}

// One output, which grows picture by picture.
class Output {
 public:
  Output(const ServedModel& model, const InferWish& wish, int top) : model_(model), wish_(wish), top_(top) {
    const std::vector<TensorMetadata> known = model.outputs();
    if (std::none_of(known.begin(), known.end(), [&](const TensorMetadata& t) { return t.name == wish.name; })) {
      std::vector<std::string> names;
      names.reserve(known.size());
      for (const TensorMetadata& tensor : known) names.push_back(tensor.name);
      fail(ErrorCode::kInvalidArgument, one_line(wish.name), "no such output: there are {}", fmt::join(names, ", "));
    }
    if (wish.classification < 0 || (wish.classification > 0 && wish.name != "logits" && wish.name != "probabilities")) {
      fail(ErrorCode::kInvalidArgument, wish.name, "logits and probabilities alone have a classification");
    }
    result_.name = wish.name;
    result_.binary = wish.binary;
    result_.datatype = wish.name == "labels" || wish.classification > 0 ? "BYTES" : "FP32";
  }

  const std::string& name() const { return wish_.name; }

  void add(std::span<const float> logits, std::span<const float> features, const Heatmap& heatmap) {
    if (wish_.name == "features") return add_floats(features, {static_cast<std::int64_t>(features.size())});
    if (wish_.name == "heatmap") return add_floats(heatmap.values, {heatmap.height, heatmap.width});
    if (wish_.name == "labels") return add_labels(logits);
    const std::vector<float> values =
        wish_.name == "probabilities" ? softmax(logits) : std::vector<float>(logits.begin(), logits.end());
    if (wish_.classification > 0) return add_classes(logits, values);
    add_floats(values, {static_cast<std::int64_t>(values.size())});
  }

  InferOutput take(std::int64_t pictures) {
    result_.shape.insert(result_.shape.begin(), pictures);
    return std::move(result_);
  }

 private:
  void add_floats(std::span<const float> values, std::vector<std::int64_t> shape) {
    result_.floats.insert(result_.floats.end(), values.begin(), values.end());
    result_.shape = std::move(shape);
  }

  void add_labels(std::span<const float> logits) {
    const std::vector<Guess> guesses = model_.classifier().top(logits, top_);
    for (const Guess& guess : guesses) result_.texts.push_back(guess.label);
    result_.shape = {static_cast<std::int64_t>(guesses.size())};
  }

  // As Triton's extension writes them.
  void add_classes(std::span<const float> logits, std::span<const float> values) {
    const std::vector<Guess> guesses = model_.classifier().top(logits, wish_.classification);
    for (const Guess& guess : guesses) {
      result_.texts.push_back(
          fmt::format("{}:{}:{}", values[static_cast<std::size_t>(guess.index)], guess.index, guess.label));
    }
    result_.shape = {static_cast<std::int64_t>(guesses.size())};
  }

  const ServedModel& model_;
  InferWish wish_;
  int top_;
  InferOutput result_;
};

std::vector<Output> make_outputs(const ServedModel& model, const InferRequest& request) {
  std::vector<InferWish> wishes = request.outputs;
  if (wishes.empty()) {
    if (model.has_head()) {
      for (const char* name : {"logits", "probabilities", "labels"}) wishes.push_back({name, request.binary, 0});
    } else {
      wishes.push_back({"features", request.binary, 0});
    }
  }
  std::vector<Output> outputs;
  outputs.reserve(wishes.size());
  for (const InferWish& wish : wishes) outputs.emplace_back(model, wish, request.top);
  return outputs;
}

bool has(const std::vector<Output>& outputs, std::string_view name) {
  return std::any_of(outputs.begin(), outputs.end(), [&](const Output& output) { return output.name() == name; });
}

}  // namespace

InferResponse infer(const ServedModel& model, const InferRequest& request, Times& times) {
  if (request.inputs.size() != 1) {
    fail(ErrorCode::kInvalidArgument, "inputs", "{} are given; a request has one: input, image or pixels",
         request.inputs.size());
  }
  if (request.top < 1) fail(ErrorCode::kInvalidArgument, "top", "must be at least 1");
  std::vector<Output> outputs = make_outputs(model, request);
  const bool map = has(outputs, "heatmap");
  const bool features = has(outputs, "features");
  const bool logits = has(outputs, "logits") || has(outputs, "probabilities") || has(outputs, "labels");
  auto begun = Clock::now();
  const auto lap = [&begun](Clock::duration& phase) {
    const auto now = Clock::now();
    phase += now - begun;
    begun = now;
  };
  Pictures pictures(model, request.inputs[0]);
  for (std::int64_t i = 0; i < pictures.count(); ++i) {
    const std::span<const float> input = pictures.at(i);
    if (model.drift() != nullptr) model.drift()->add(input, pictures.shape());
    lap(times.decode);
    std::vector<float> scores, embedding;
    Heatmap heatmap;
    if (logits) scores = model.classifier().logits(input, pictures.shape());
    if (features) embedding = model.embedder().embed(input, pictures.shape());
    if (map) heatmap = model.explainer().explain(input, pictures.shape());
    lap(times.infer);
    const std::string where = fmt::format("{}[{}]", request.inputs[0].name, i);
    check_answer(scores, where);
    check_answer(embedding, where);
    for (Output& output : outputs) output.add(scores, embedding, heatmap);
    lap(times.encode);
  }
  times.pictures = pictures.count();
  InferResponse response{request.id, {}};
  for (Output& output : outputs) response.outputs.push_back(output.take(pictures.count()));
  lap(times.encode);
  return response;
}

std::string classify_line(const ServedModel& model, std::string_view file, std::string_view name, int top, bool logits,
                          Times& times) {
  const Classifier& classifier = model.classifier();
  require_head(classifier.architecture(), model.name());
  auto begun = Clock::now();
  std::vector<float> input(static_cast<std::size_t>(classifier.input_shape().count()));
  load_input(std::as_bytes(std::span(file)), name, classifier.preprocessing(), input, model.decode_options());
  if (model.drift() != nullptr) model.drift()->add(input, classifier.input_shape());
  times.decode += Clock::now() - begun;
  begun = Clock::now();
  const std::vector<float> scores = classifier.logits(input, classifier.input_shape());
  times.infer += Clock::now() - begun;
  begun = Clock::now();
  check_answer(scores, name);
  Answer answer{std::string(name), {}, {}};
  for (const Guess& guess : classifier.top(scores, top)) {
    answer.classes.push_back({guess.index, guess.label, guess.probability});
  }
  if (logits) answer.logits = scores;
  times.pictures = 1;
  std::string line = format_answer(AnswerFormat::kJson, answer);
  times.encode += Clock::now() - begun;
  return line;
}

std::string pack_texts(const std::vector<std::string>& texts) {
  std::string packed;
  for (const std::string& text : texts) {
    const auto length = static_cast<std::uint32_t>(text.size());
    for (int shift = 0; shift < 32; shift += 8) packed += static_cast<char>(length >> shift & 0xFF);
    packed += text;
  }
  return packed;
}

std::vector<std::string_view> unpack_texts(std::string_view raw, std::string_view where) {
  std::vector<std::string_view> texts;
  while (!raw.empty()) {
    std::uint32_t length = 0;
    if (raw.size() >= 4) {
      for (std::size_t i = 0; i < 4; ++i)
        length |= static_cast<std::uint32_t>(static_cast<unsigned char>(raw[i])) << 8 * i;
    }
    if (raw.size() < 4 || length > raw.size() - 4) {
      fail(ErrorCode::kFormat, std::string(where),
           "element {} is cut short: each stands behind its length in four bytes", texts.size());
    }
    texts.push_back(raw.substr(4, length));
    raw.remove_prefix(4 + std::size_t{length});
  }
  return texts;
}

}  // namespace resnet::serve
