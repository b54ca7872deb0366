// The Open Inference Protocol V2 as JSON over REST, with its extension for binary tensors: JSON first, the bytes of
// tensors behind it (Inference-Header-Content-Length says where).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "serve/http.h"
#include "serve/inference.h"

namespace resnet::serve {

// A request whose tensors point into `body`, which must outlive it. `json_length`: of the JSON in front of binary
// tensors; nothing where all is JSON. 0: the body is one tensor, a picture's file or the network's input, of which
// `shape` is that of one picture. Throws kFormat, kLimit and kInvalidArgument. `storage` takes what the body does not
// hold as it is needed, and must outlive the request, too.
InferRequest parse_infer(std::string_view body, std::optional<std::size_t> json_length, const FeatureShape& shape,
                         std::vector<std::string>& storage);

// The parameter `priority` of a request whose JSON this is: for who must know it before the request is read, so that
// nothing is thrown and only so much JSON is looked through as takes no time.
std::optional<std::int64_t> peek_priority(std::string_view json);

// With the header that says where binary tensors begin, if there are any.
HttpResponse format_infer(const InferResponse& response, const ServedModel& model);

std::string model_metadata(const ServedModel& model, const std::vector<std::string>& versions);

// The part of Triton's model configuration that its clients look at, and how the model's pictures are prepared, in the
// words of model files (parameter `preprocessing`).
std::string model_config(const ServedModel& model);
std::string preprocessing_text(const ServedModel& model);

}  // namespace resnet::serve
