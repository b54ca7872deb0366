// A file that says which picture is of which class, for folders and archives that do not say it themselves.
#pragma once

#include <string>
#include <vector>

namespace resnet {

struct LabelledFile {
  std::string path;   // relative to the folder or archive
  std::string label;  // name of a class, or its index
};

// Forms, told by their first characters:
//   lines "FILE LABEL", parted by the first space or tab; the label may hold spaces
//   lines "FILE,LABEL" (CSV, RFC 4180 quotes; a first line "file,label" is a header), where the first line has a comma
//   a JSON object {"FILE": "LABEL" or index, ...}, or an array of pairs ["FILE", "LABEL" or index]
// In the order of the file; text files as base/list_file.h takes them. Throws kNotFound, kIo, kFormat naming the line,
// kLimit above 256 MiB.
std::vector<LabelledFile> read_labels_file(const std::string& path);

}  // namespace resnet
