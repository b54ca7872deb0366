// Files that people take for weights and that are something else: what they are, and what to do.
#pragma once

#include <optional>
#include <string>

#include "base/checked_file.h"
#include "formats/zip_archive.h"

namespace resnet {

// "is a Git LFS pointer, not the file itself: ...", by the file's first bytes and, for formats that have no mark of
// their own, by the ending of its name. Nothing where it is none that we know.
std::optional<std::string> foreign_file(const CheckedFile& file, const std::string& path);

// The same of a zip archive that holds no tensors of ours, by the names of its entries.
std::string foreign_archive(const ZipArchive& archive);

}  // namespace resnet
