// JSON that loses no byte of a name. Names of files need not be UTF-8, which JSON must be: a byte that is part of no
// well-formed character becomes the escape "\udcNN", NN its two hexadecimal digits (80 to ff). No well-formed text
// holds such a lone surrogate, so the escape can be undone; Python's os.fsencode() does (PEP 383, surrogateescape).
#pragma once

#include <string>
#include <string_view>

namespace resnet {

// A JSON string with its quotes.
std::string json_string(std::string_view text);

// nlohmann's parsers refuse lone surrogates. This makes a document that they take of one that holds them...
std::string hide_byte_escapes(std::string_view json);

// ... and this the bytes of a string that was parsed from it.
std::string restore_bytes(std::string text);

}  // namespace resnet
