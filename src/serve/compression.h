// Bodies that HTTP carries compressed: gzip (RFC 1952) and deflate (RFC 1950).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "resnet/error.h"

namespace resnet::serve {

enum class Coding { kIdentity, kGzip, kDeflate };

// A body is compressed in a way that is not read here.
class UnknownCoding : public Error {
 public:
  explicit UnknownCoding(std::string_view header)
      : Error(ErrorCode::kUnsupported, std::string(header), "gzip, deflate and identity are read here") {}
};

// Of the header of this name. Throws UnknownCoding.
Coding parse_coding(std::string_view text, std::string_view header);

// The first of those in an Accept-Encoding that is known here and not refused with q=0; kIdentity where none is.
Coding choose_coding(std::string_view accepted) noexcept;

// Throws kFormat for bytes that are broken or cut short, kLimit where they would give more than `limit` bytes: these
// are never made.
std::string inflate_body(std::string_view bytes, Coding coding, std::size_t limit);
std::string deflate_body(std::string_view bytes, Coding coding);

}  // namespace resnet::serve
