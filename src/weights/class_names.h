// Names of classes, from the files in which people keep them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace resnet {

// A JSON array of strings. A name is 1 to 1000 bytes of UTF-8 without control characters. At most `max_count` names
// (kMismatch). `where` names the text in errors (kFormat).
std::vector<std::string> parse_class_names_json(std::string_view json, std::size_t max_count, const std::string& where);

// The names in the order of the classes, from a file of any of these forms (base/list_file.h):
//   one name a line; behind its WordNet id where every line begins with one ("n01440764 tench")
//   a JSON array of names
//   a JSON object of names by index, {"0": "cat", "1": "dog"}, or of indices by name, {"cat": 0, "dog": 1}
//   either of pairs of a WordNet id and a name, {"0": ["n01440764", "tench"]}
// Indices count from 0 without a gap. Throws kFormat, kMismatch for more than 10,000,000 names, and what opening a file
// throws.
std::vector<std::string> read_class_names(const std::string& path);

// The names in a text such as "cat,dog,ship". Likewise.
std::vector<std::string> list_class_names(std::string_view text, const std::string& where);

// Throws kFormat where `name` is none. `number` counts from 1.
void check_class_name(std::string_view name, std::size_t number, const std::string& where);

}  // namespace resnet
