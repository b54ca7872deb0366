#include "recipe/parts.h"

#include <charconv>

#include "base/error.h"
#include "base/text.h"

namespace resnet {

bool is_part_of_network(const std::string& name) noexcept {
  if (name == "stem" || name == "head") return true;
  return name.size() == 6 && name.starts_with("layer") && name[5] >= '1' && name[5] <= '8';
}

std::pair<std::string, double> parse_part_factor(const std::string& text, const std::string& where) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string part = text.substr(0, equals);
  double factor = 0;
  const char* const end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data() + std::min(equals + 1, text.size()), end, factor);
  if (!is_part_of_network(part) || error != std::errc() || after != end || !(factor >= 0 && factor <= 1e6)) {
    fail(ErrorCode::kInvalidArgument, where, "'{}' is not like layer1=0.1", one_line(text));
  }
  return {part, factor};
}

}  // namespace resnet
