// The first file of a form (multipart/form-data, RFC 7578), as browsers and `curl -F` send it.
#pragma once

#include <string>
#include <string_view>

namespace resnet::serve {

struct FormFile {
  std::string name;        // "cat.jpg"; empty where the form does not say it
  std::string_view bytes;  // part of the body
};

// Throws kFormat where the body is no form or holds no part.
FormFile first_file(std::string_view content_type, std::string_view body);

}  // namespace resnet::serve
