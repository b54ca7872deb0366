#include "serve/v2_json.h"

#include <openssl/evp.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "console/json.h"

namespace resnet::serve {
namespace {

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxTensors = 16;  // inputs of a request, and outputs
constexpr std::size_t kMaxPeeked = 16 * 1024;

// Takes a document as it is read, so that a tensor of a million numbers is a million floats and no tree. `path_` says
// where a value stands: "inputs[].shape[]".
class RequestReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  InferRequest request;
  std::vector<std::size_t> binary_sizes;        // of the inputs; kNone: their values stand in the JSON
  std::vector<std::vector<std::string>> texts;  // of the inputs
  std::string error;                            // of the text, with its place

  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  bool null() override { return true; }
  bool boolean(bool value) override {
    if (path_ == "parameters.binary_data_output") request.binary = value;
    if (path_ == "outputs[].parameters.binary_data") wish().binary = value;
    return true;
  }
  bool number_integer(number_integer_t value) override { return number(static_cast<double>(value), value); }
  bool number_unsigned(number_unsigned_t value) override {
    constexpr auto kMax = static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max());
    return number(static_cast<double>(value), static_cast<std::int64_t>(std::min(value, kMax)));
  }
  bool number_float(number_float_t value, const string_t&) override {
    if (in_data_) {
      input().floats.push_back(static_cast<float>(value));
    } else {
      refuse_number();
    }
    return true;
  }
  bool string(string_t& value) override {
    if (in_data_) {
      texts.back().push_back(std::move(value));
    } else if (path_ == "id") {
      request.id = std::move(value);
    } else if (path_ == "inputs[].name") {
      input().name = std::move(value);
    } else if (path_ == "inputs[].datatype") {
      input().datatype = std::move(value);
    } else if (path_ == "outputs[].name") {
      wish().name = std::move(value);
    } else if (path_.starts_with("inputs[].shape") || path_ == "parameters.priority") {
      refuse_number();
    }
    return true;
  }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override {
    if (path_ == "inputs[]") add_input();
    if (path_ == "outputs[]") add_output();
    return push();
  }
  bool key(string_t& value) override {
    path_.resize(lengths_.back());
    if (!path_.empty()) path_ += '.';
    path_ += value;
    in_data_ = path_ == "inputs[].data";
    return true;
  }
  bool end_object() override { return pop(); }
  bool start_array(std::size_t) override {
    push();
    if (!in_data_) path_ += "[]";
    return true;
  }
  bool end_array() override {
    const bool was_in_data = in_data_;
    pop();
    in_data_ = was_in_data && path_ == "inputs[].data" && nested();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    error = fmt::format("no JSON at byte {}", position);
    return false;
  }

 private:
  bool push() {
    if (lengths_.size() >= kMaxDepth) fail(ErrorCode::kLimit, "request", "JSON deeper than {} levels", kMaxDepth);
    lengths_.push_back(path_.size());
    return true;
  }
  // Behind an element of an array the path is the array's, behind an object or array that a key named the key's.
  bool pop() {
    path_.resize(lengths_.back());
    lengths_.pop_back();
    return true;
  }
  // Whether an array of numbers that has ended stands in another one.
  bool nested() const { return !lengths_.empty() && lengths_.back() == path_.size(); }

  bool number(double value, std::int64_t whole) {
    if (in_data_) {
      input().floats.push_back(static_cast<float>(value));
    } else if (path_ == "inputs[].shape[]") {
      input().shape.push_back(whole);
    } else if (path_ == "inputs[].parameters.binary_data_size") {
      binary_sizes.back() = static_cast<std::size_t>(std::max<std::int64_t>(whole, 0));
    } else if (path_ == "outputs[].parameters.classification") {
      wish().classification = small(whole);
    } else if (path_ == "parameters.top") {
      request.top = small(whole);
    } else if (path_ == "parameters.timeout") {
      request.timeout = std::chrono::microseconds(whole);
    } else if (path_ == "parameters.priority") {
      request.priority = whole;
    }
    return true;
  }
  static int small(std::int64_t value) { return static_cast<int>(std::clamp<std::int64_t>(value, 0, 1'000'000)); }
  void refuse_number() const {
    if (path_ == "inputs[].shape[]" || path_.starts_with("parameters.t") || path_ == "parameters.priority") {
      fail(ErrorCode::kFormat, "request", "{} is no whole number", one_line(path_));
    }
  }

  void add_input() {
    if (request.inputs.size() >= kMaxTensors) fail(ErrorCode::kLimit, "request", "more than {} inputs", kMaxTensors);
    request.inputs.emplace_back();
    binary_sizes.push_back(kNone);
    texts.emplace_back();
  }
  void add_output() {
    if (request.outputs.size() >= kMaxTensors) fail(ErrorCode::kLimit, "request", "more than {} outputs", kMaxTensors);
    request.outputs.emplace_back();
  }
  InferInput& input() {
    if (request.inputs.empty()) fail(ErrorCode::kFormat, "request", "`inputs` is a list of objects");
    return request.inputs.back();
  }
  InferWish& wish() {
    if (request.outputs.empty()) fail(ErrorCode::kFormat, "request", "`outputs` is a list of objects");
    return request.outputs.back();
  }

  std::string path_;
  std::vector<std::size_t> lengths_;  // of the path, at each level's beginning
  bool in_data_ = false;
};

std::string decode_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  EVP_ENCODE_CTX* context = EVP_ENCODE_CTX_new();
  if (context == nullptr) throw std::bad_alloc();
  EVP_DecodeInit(context);
  int first = 0;
  int last = 0;
  auto* out = reinterpret_cast<unsigned char*>(bytes.data());
  const int status = EVP_DecodeUpdate(context, out, &first, reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()));
  const int finished = status < 0 ? -1 : EVP_DecodeFinal(context, out + first, &last);
  EVP_ENCODE_CTX_free(context);
  if (finished < 0) fail(ErrorCode::kFormat, "image", "a picture's file stands in JSON as base64, which this is not");
  bytes.resize(static_cast<std::size_t>(first) + static_cast<std::size_t>(last));
  return bytes;
}

// Values that stood in the JSON become what their datatype says.
void settle_values(InferInput& input, std::vector<std::string>& texts, std::vector<std::string>& storage) {
  if (input.datatype == "BYTES") {
    if (!input.floats.empty()) fail(ErrorCode::kFormat, one_line(input.name), "BYTES are strings, not numbers");
    for (std::string& text : texts) storage.push_back(decode_base64(text));
    for (std::size_t i = storage.size() - texts.size(); i < storage.size(); ++i) input.texts.emplace_back(storage[i]);
    return;
  }
  if (!texts.empty())
    fail(ErrorCode::kFormat, one_line(input.name), "{} are numbers, not strings", one_line(input.datatype));
  if (input.datatype != "UINT8") return;
  input.bytes.reserve(input.floats.size());
  for (const float value : input.floats) {
    const int byte = value >= 0 && value <= 255 ? static_cast<int>(value) : -1;
    if (static_cast<float>(byte) != value) fail(ErrorCode::kFormat, one_line(input.name), "{} is not 0 to 255", value);
    input.bytes.push_back(static_cast<std::uint8_t>(byte));
  }
  input.floats.clear();
}

bool is_picture(std::string_view body) {
  return body.starts_with("\xFF\xD8") || body.starts_with("\x89PNG") ||
         (body.starts_with("RIFF") && body.size() > 12 && body.substr(8, 4) == "WEBP");
}

InferRequest one_tensor(std::string_view body, const FeatureShape& shape) {
  InferRequest request;
  InferInput input;
  const auto each = static_cast<std::size_t>(shape.count()) * sizeof(float);
  if (is_picture(body)) {
    input.name = "image";
    input.datatype = "BYTES";
    input.shape = {1};
    input.texts = {body};
  } else if (!body.empty() && body.size() % each == 0) {
    input.name = "input";
    input.datatype = "FP32";
    input.shape = {static_cast<std::int64_t>(body.size() / each), shape.channels, shape.height, shape.width};
    input.raw = body;
  } else {
    fail(ErrorCode::kMismatch, "body", "{} bytes are neither a picture's file nor tensors of {}x{}x{} float32 values",
         body.size(), shape.channels, shape.height, shape.width);
  }
  request.inputs.push_back(std::move(input));
  return request;
}

}  // namespace

InferRequest parse_infer(std::string_view body, std::optional<std::size_t> json_length, const FeatureShape& shape,
                         std::vector<std::string>& storage) {
  if (json_length == 0) return one_tensor(body, shape);
  if (json_length && *json_length > body.size()) {
    fail(ErrorCode::kFormat, "body", "Inference-Header-Content-Length is {}, but it has {} bytes", *json_length,
         body.size());
  }
  const std::string_view json = body.substr(0, json_length.value_or(body.size()));
  RequestReader reader;
  if (!nlohmann::json::sax_parse(json, &reader)) {
    fail(ErrorCode::kFormat, "body", "{}", reader.error.empty() ? "no JSON" : reader.error);
  }
  std::size_t texts = storage.size();
  for (const auto& list : reader.texts) texts += list.size();
  storage.reserve(texts);  // views of its strings stay true
  std::string_view rest = body.substr(json.size());
  for (std::size_t i = 0; i < reader.request.inputs.size(); ++i) {
    InferInput& input = reader.request.inputs[i];
    const std::size_t size = reader.binary_sizes[i];
    if (size == RequestReader::kNone) {
      settle_values(input, reader.texts[i], storage);
      continue;
    }
    if (!input.floats.empty() || !reader.texts[i].empty()) {
      fail(ErrorCode::kFormat, one_line(input.name), "its values stand both in the JSON and behind it");
    }
    if (size > rest.size()) {
      fail(ErrorCode::kFormat, one_line(input.name), "binary_data_size is {}, but {} bytes are left", size,
           rest.size());
    }
    input.raw = rest.substr(0, size);
    rest.remove_prefix(size);
  }
  if (!rest.empty()) fail(ErrorCode::kFormat, "body", "{} bytes follow that belong to no input", rest.size());
  return std::move(reader.request);
}

std::optional<std::int64_t> peek_priority(std::string_view json) {
  if (json.size() > kMaxPeeked || json.find("\"priority\"") == std::string_view::npos) return std::nullopt;
  RequestReader reader;
  try {
    nlohmann::json::sax_parse(json, &reader);
  } catch (const Error&) {  // whoever reads it will say so
    return std::nullopt;
  }
  return reader.request.priority;
}

HttpResponse format_infer(const InferResponse& response, const ServedModel& model) {
  JsonArray outputs;
  std::string binary;
  for (const InferOutput& output : response.outputs) {
    JsonObject object = {{"name", output.name}, {"datatype", output.datatype}, {"shape", output.shape}};
    if (output.binary) {
      const std::size_t begin = binary.size();
      if (output.datatype == "FP32") {
        binary.append(reinterpret_cast<const char*>(output.floats.data()), output.floats.size() * sizeof(float));
      } else {
        binary += pack_texts(output.texts);
      }
      object.add("parameters", JsonObject{{"binary_data_size", binary.size() - begin}});
    } else if (output.datatype == "FP32") {
      object.add("data", output.floats);
    } else {
      object.add("data", output.texts);
    }
    outputs.add(object);
  }
  JsonObject object = {{"model_name", model.name()}, {"model_version", model.version()}};
  if (!response.id.empty()) object.add("id", response.id);
  object.add("outputs", outputs);
  if (binary.empty()) return json_response(object.text());
  HttpResponse answer{200, {{"content-type", "application/octet-stream"}}, object.text()};
  answer.headers.emplace_back("inference-header-content-length", std::to_string(answer.body.size()));
  answer.body += binary;
  return answer;
}

std::string model_metadata(const ServedModel& model, const std::vector<std::string>& versions) {
  const auto list = [](const std::vector<TensorMetadata>& tensors) {
    JsonArray array;
    for (const TensorMetadata& tensor : tensors) {
      array.add(JsonObject{{"name", tensor.name}, {"datatype", tensor.datatype}, {"shape", tensor.shape}});
    }
    return array;
  };
  return JsonObject{{"name", model.name()},
                    {"versions", versions},
                    {"platform", "resnet"},
                    {"inputs", list(model.inputs())},
                    {"outputs", list(model.outputs())}}
      .text();
}

std::string preprocessing_text(const ServedModel& model) {
  const Preprocessing& how = model.classifier().preprocessing();
  return JsonObject{{"height", how.height},
                    {"width", how.width},
                    {"resize", how.resize},
                    {"interpolation", resnet::name(how.interpolation)},
                    {"mean", how.mean},
                    {"std", how.std},
                    {"channels", resnet::name(how.channels)}}
      .text();
}

std::string model_config(const ServedModel& model) {
  const auto list = [](const std::vector<TensorMetadata>& tensors, bool input) {
    JsonArray array;
    for (const TensorMetadata& tensor : tensors) {
      const std::string type = tensor.datatype == "BYTES" ? "STRING" : tensor.datatype;
      JsonObject object = {{"name", tensor.name}, {"data_type", "TYPE_" + type}, {"dims", tensor.shape}};
      if (input) object.add("optional", true);  // a request has one of them
      array.add(object);
    }
    return array;
  };
  return JsonObject{
      {"name", model.name()},
      {"platform", "resnet"},
      {"max_batch_size", 0},
      {"input", list(model.inputs(), true)},
      {"output", list(model.outputs(), false)},
      {"parameters", JsonObject{{"preprocessing", JsonObject{{"string_value", preprocessing_text(model)}}}}}}
      .text();
}

}  // namespace resnet::serve
