// All files of a data set's directory or archives, before anything is known of what they mean. Part of index.h's work.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataset/index.h"

namespace resnet {

struct ListedFile : IndexedFile {
  std::optional<std::string> text;  // of a .cls file: at most 64 bytes; a longer one has none
};

inline bool is_file(const ListedFile& file) noexcept { return file.place.kind == ContainedFile::Kind::kFile; }

struct Listing {
  std::string where;  // the set's path, for errors
  std::vector<std::shared_ptr<const Container>> containers;
  std::vector<ListedFile> files;  // folders too; one container after another

  std::string name(const ListedFile& file) const { return containers[file.container]->name_of(file.place.path); }
};

// Does a path end in ".cls", in letters of any case?
bool is_cls(std::string_view path) noexcept;

// Lists the containers. Of a file that is there twice in an archive, the last one holds, as for tar itself.
//
// `wanted` says which files' bytes are kept, of containers that cannot be read anywhere: for CIFAR's in any case, as
// these are few, else where `keep` is given. Throws what reading them throws; kLimit where more would have to be kept
// than `keep`, or 1 GiB of CIFAR's.
Listing list_files_of(std::vector<std::shared_ptr<const Container>> containers, const std::string& where,
                      const std::function<bool(const std::string& path)>& wanted, std::optional<std::size_t> keep);

// Throws kUnsupported for a link in an archive that stands for a picture or for a folder of them: an archive must hold
// the pictures themselves.
void refuse_links(const Listing& listing, const std::function<bool(const std::string& path)>& wanted);

}  // namespace resnet
