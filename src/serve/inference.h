// A request to a model and its answer, as the Open Inference Protocol (V2) means them, whichever way they are written.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/metrics.h"
#include "serve/served_model.h"

namespace resnet::serve {

// A tensor of a request. Its values stand in one of the four members behind its shape.
struct InferInput {
  std::string name;      // "input", "image", "pixels"
  std::string datatype;  // "FP32", "BYTES", "UINT8"
  std::vector<std::int64_t> shape;
  std::string_view raw;       // row-major, little-endian; BYTES: each after its length in four bytes
  std::vector<float> floats;  // as JSON and protobuf list them
  std::vector<std::uint8_t> bytes;
  std::vector<std::string_view> texts;  // of BYTES
};

struct InferWish {
  std::string name;        // of an output
  bool binary = false;     // behind the JSON instead of in it
  int classification = 0;  // the highest so many values as "value:index:label"; 0: the tensor itself
};

struct InferRequest {
  std::string id;
  std::vector<InferInput> inputs;
  std::vector<InferWish> outputs;                    // empty: logits, probabilities and labels; of a backbone features
  bool binary = false;                               // all outputs, where none is named
  int top = 5;                                       // of the output `labels`
  std::optional<std::chrono::microseconds> timeout;  // from the request's arrival
  std::optional<std::int64_t> priority;              // kHighestPriority to kLowestPriority
};

inline constexpr std::int64_t kHighestPriority = -100;
inline constexpr std::int64_t kLowestPriority = 100;

struct InferOutput {
  std::string name;
  std::string datatype;  // "FP32", "BYTES"
  std::vector<std::int64_t> shape;
  std::vector<float> floats;
  std::vector<std::string> texts;
  bool binary = false;
};

struct InferResponse {
  std::string id;
  std::vector<InferOutput> outputs;
};

// How long the phases took.
struct Times {
  Clock::duration decode{};
  Clock::duration infer{};
  Clock::duration encode{};
  std::int64_t pictures = 0;
};

// Each picture runs through the network alone, so that its answer does not depend on what came with it. Throws
// kInvalidArgument, kMismatch, kFormat, kLimit and kUnsupported with words for the client. From any thread.
InferResponse infer(const ServedModel& model, const InferRequest& request, Times& times);

// The answer to one picture as `resnet predict --json` prints it, a line. `name` is the picture's.
std::string classify_line(const ServedModel& model, std::string_view file, std::string_view name, int top, bool logits,
                          Times& times);

// Four bytes of length and the text, one after the other.
std::string pack_texts(const std::vector<std::string>& texts);
std::vector<std::string_view> unpack_texts(std::string_view raw, std::string_view where);

}  // namespace resnet::serve
