// Names of classes: one per line of a text file, or a JSON array of strings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace resnet {

// A name is 1 to 1000 bytes of UTF-8 without control characters. At most `max_count` names (kMismatch). `where` names
// the text in errors (kFormat).
std::vector<std::string> parse_class_names_json(std::string_view json, std::size_t max_count, const std::string& where);

// Either form: JSON where the first character that is no space is '['. Throws also what opening a file throws.
std::vector<std::string> read_class_names(const std::string& path);

// Throws kFormat where `name` is none. `number` counts from 1.
void check_class_name(std::string_view name, std::size_t number, const std::string& where);

}  // namespace resnet
