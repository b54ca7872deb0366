#include "serve/multipart.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace resnet::serve {
namespace {

// The value of `key` in `text; key="value"`; empty where there is none.
std::string parameter(std::string_view text, std::string_view key) {
  const std::string wanted = fmt::format("{}=", key);
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), [](unsigned char c) { return std::tolower(c); });
  for (std::size_t at = lowered.find(wanted); at != std::string::npos; at = lowered.find(wanted, at + 1)) {
    if (at > 0 && lowered[at - 1] != ' ' && lowered[at - 1] != ';') continue;  // the end of another key
    std::string_view rest = text.substr(at + wanted.size());
    if (!rest.starts_with('"')) return std::string(rest.substr(0, rest.find_first_of("; \r\n")));
    rest.remove_prefix(1);
    std::string value;
    for (std::size_t i = 0; i < rest.size() && rest[i] != '"'; ++i) {
      if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
      value += rest[i];
    }
    return value;
  }
  return "";
}

}  // namespace

FormFile first_file(std::string_view content_type, std::string_view body) {
  const std::string boundary = parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > 70) fail(ErrorCode::kFormat, "content-type", "a form names its boundary");
  const std::string delimiter = "--" + boundary;
  std::string_view rest = body;
  FormFile first;
  bool any = false;
  for (;;) {
    const std::size_t begin = rest.find(delimiter);
    if (begin == std::string_view::npos) break;
    rest.remove_prefix(begin + delimiter.size());
    if (rest.starts_with("--")) break;
    const std::size_t head_end = rest.find("\r\n\r\n");
    if (head_end == std::string_view::npos) break;
    const std::string_view head = rest.substr(0, head_end);
    const std::string_view content = rest.substr(head_end + 4);
    const std::size_t end = content.find("\r\n" + delimiter);
    if (end == std::string_view::npos) fail(ErrorCode::kFormat, "form", "a part has no end");
    const std::string file = parameter(head, "filename");
    if (!any || !file.empty()) first = {file, content.substr(0, end)};
    if (!file.empty()) return first;
    any = true;
    rest = content.substr(end + 2);
  }
  if (!any) fail(ErrorCode::kFormat, "form", "it holds no part");
  return first;
}

}  // namespace resnet::serve
