// What a data set holds: its pictures, where they are and of which classes. One reader for all forms: a directory, an
// archive or several, CIFAR's files in any of these, with classes from folders (class_folders.h), from files KEY.cls
// beside KEY.jpg (WebDataset: https://github.com/webdataset/webdataset) or from a labels file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataset/cifar.h"
#include "dataset/container.h"

namespace resnet {

struct IndexedFile {
  static constexpr std::uint64_t kNowhere = UINT64_MAX;  // as `place.number`: named by a labels file, but not there
  ContainedFile place;
  std::uint32_t container = 0;                          // index into Index::containers
  std::shared_ptr<const std::vector<std::byte>> bytes;  // where they were kept
  std::shared_ptr<const CifarFile> cifar;               // of a file of many pictures
};

struct IndexedPicture {
  std::uint32_t file = 0;    // index into Index::files
  std::uint32_t label = 0;   // index into Index::labels
  std::uint32_t record = 0;  // of a file of many pictures
  std::uint32_t part = 0;    // index into Index::parts, where there are any
};

struct Index {
  std::vector<std::shared_ptr<const Container>> containers;
  std::vector<IndexedFile> files;
  std::vector<IndexedPicture> pictures;  // directories: by part, class and path; archives: as they lie there

  std::vector<std::string> labels;     // in the order of their bytes, or of their numbers where all are indexes
  bool labels_may_be_indices = false;  // a label that is a number is a class's index rather than its name
  bool labels_are_fixed = false;       // all classes that there are (CIFAR), whether they have pictures or not
  std::vector<std::string> parts;      // "train", "val": of a set that consists of such
  std::size_t root = 0;                // so many bytes of each path are the same and say nothing

  bool label_is_index(std::uint32_t label) const;
  std::string name(const IndexedPicture& picture) const;  // for people; of a directory's file where it is

  // The picture's path from the root on, the same in all forms of one set; with "[3]" at its end for a file of many.
  std::string path(const IndexedPicture& picture) const;
};

struct IndexOptions {
  std::string only;         // a folder, seen from the top or from the root; or a part of CIFAR's; empty: all
  std::string labels_file;  // says which files count, and their classes
  bool classes = true;      // false: pictures of no class count as well, with an empty label

  // Keep what files in compressed archives hold, so much at most: no second reading is needed then.
  std::optional<std::size_t> keep;
};

// `path` is what Dataset::open() takes. Throws as that does, and for what is wrong within archives.
std::shared_ptr<const Index> read_index(const std::string& path, const IndexOptions& options);

// "data-{000..127}.tar" -> "data-000.tar", "data-001.tar", ...: as many digits as the first number has. A path without
// such a part, and one that exists as it is, stands for itself. Throws kInvalidArgument for a range that runs
// backwards, kLimit for more than 100,000 paths.
std::vector<std::string> expand_shards(const std::string& path);

// "a/b/c.jpg" -> "c.jpg"; "a/b", or the whole path where there is no folder.
std::string file_name(const std::string& path);
std::string folder_of(const std::string& path);

}  // namespace resnet
