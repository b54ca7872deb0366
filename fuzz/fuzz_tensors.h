// What the fuzz targets of model files share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/checked_file.h"
#include "base/json_text.h"
#include "base/text.h"
#include "resnet/error.h"
#include "resnet/tensor_file.h"

namespace resnet {

// Stops the run where the library broke its word.
inline void require(bool condition) {
  if (!condition) std::abort();
}

inline void touch(const TensorFile& file) {
  unsigned sum = 0;
  const auto readable = [](const std::string& text) { require(valid_utf8_prefix(text) == text.size()); };
  for (const auto& [path, json] : file.values) {
    readable(path);
    require(nlohmann::json::accept(hide_byte_escapes(json)));
  }
  for (const OpaquePart& part : file.opaque) readable(part.path + part.type + part.why);
  for (const TensorContainer& container : file.containers) readable(container.path + container.type);
  for (const auto& [name, tensor] : file.tensors) {
    readable(name);
    require(static_cast<std::size_t>(tensor.count()) * size_in_bytes(tensor.dtype()) == tensor.bytes().size());
    for (const std::byte byte : tensor.bytes()) sum += static_cast<unsigned>(byte);
  }
  volatile unsigned sink = sum;  // the bytes must really be read
  static_cast<void>(sink);
}

inline void check_line(const Error& error) {
  const std::string message = error.what();
  require(!message.empty() && message.size() <= 1000 && message.find('\n') == std::string::npos);
}

inline void check_error(const Error& error) {
  const std::string message = error.what();
  require(message.starts_with("file: ") && message.find('\n') == std::string::npos);
}

template <typename Reader>
int fuzz_reader(const std::uint8_t* data, std::size_t size, Reader read) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  try {
    touch(read(CheckedFile::from_bytes({bytes, size}), "file"));
  } catch (const Error& error) {
    check_error(error);
  }
  return 0;
}

}  // namespace resnet
