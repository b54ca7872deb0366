// The fields of a JSON object that stands in a file's metadata, read strictly: each is taken by its name and must be of
// its type; one that is missing, stands twice or is left over is an error (kFormat) that names it.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

inline constexpr std::size_t kMaxJsonBytes = 65'536;  // such a document stays small in memory however it is nested

class JsonFields {
 public:
  // `where` names file and key in errors. Throws kFormat for what is no object, kLimit for more than kMaxJsonBytes.
  JsonFields(const std::string& text, std::string where);

  bool has(std::string_view field) const { return object_.contains(field); }

  // Whole numbers from 0 on; the functions validate() know narrower limits.
  int integer(std::string_view field);
  std::vector<int> integers(std::string_view field);
  double number(std::string_view field);  // finite
  std::vector<float> floats(std::string_view field);
  bool boolean(std::string_view field);
  std::string text(std::string_view field);

  // Throws where a field was not taken.
  void done() const;

  [[noreturn]] void refuse(std::string_view field, const std::string& message) const;

 private:
  using Json = nlohmann::ordered_json;
  const Json& take(std::string_view field);
  const Json& array(std::string_view field);
  int integer(const Json& value, std::string_view field) const;

  std::string where_;
  Json object_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace resnet
