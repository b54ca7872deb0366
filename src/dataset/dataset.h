// Pictures with their classes, one after another, from class folders, from archives of them, from a folder or archive
// with a labels file, or from CIFAR's files. Nothing is unpacked to disk; memory holds one file of an archive at a
// time, and CIFAR's files, which are few.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "resnet/error.h"

namespace resnet {

// No encoded picture is larger.
inline constexpr std::size_t kMaxFileBytes = 256U << 20;

struct Item {
  std::string path;                             // for people; of the file where `bytes` are absent
  std::string label;                            // the class, as the data set calls it; empty where nobody asked
  std::optional<std::vector<std::byte>> bytes;  // of a file inside an archive or from a pipe
  bool label_is_index = false;                  // the label is a class's index, not its name
  std::optional<Error> error = {};              // why a picture inside an archive has no bytes
};

// Gives items in order until there are no more. Not for several threads at once.
class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;
  virtual std::optional<Item> next() = 0;
};

struct DatasetOptions {
  std::string only;         // a folder of the directory or archive; the rest is as if it were not there
  std::string labels_file;  // says the files and their classes (labels_file.h); else their folders do
  bool classes = true;      // false: pictures need no class; they have an empty label then
};

struct Index;

class Dataset {
 public:
  // `path` is a directory or an archive (.tar, also compressed by gzip, bzip2, xz or Zstandard) whose folders are the
  // classes (class_folders.h), or that holds KEY.jpg (.png, ...) beside KEY.cls with the class's index (WebDataset); or
  // several archives, "data-{000..127}.tar"; or CIFAR's files, in a directory or archive or one of them.
  //
  // Hidden files and files that are no pictures by their name are passed over. Archives are read through once. Throws
  // kNotFound, kIo; kInvalidArgument where there are no pictures, one has no class, a class folder is empty, or a link
  // leads back to a folder that it lies in; kFormat, kLimit, kUnsupported for what is wrong within archives.
  static Dataset open(const std::string& path, const DatasetOptions& options = {});

  // From the first picture, classes and their files in the order of their bytes, archives in their own order, labels
  // files in theirs. With `limit` at least 0, so many at most, spread evenly over the classes (spread.h). Throws, as it
  // goes, what reading an archive throws.
  std::unique_ptr<Source> items(std::int64_t limit = -1) const;

  // Those among them whose Item::path is one of `paths`.
  std::unique_ptr<Source> items_called(const std::set<std::string>& paths) const;

  // The different labels, in the order of their bytes, or of their numbers where all are indexes; those of CIFAR by
  // index.
  const std::vector<std::string>& labels() const noexcept;

  // Labels that are numbers are indexes of classes, not their names: from .cls files, a labels file, or CIFAR without
  // names.
  bool labels_may_be_indices() const noexcept;

  // "train", "val": the folders of a set that consists of such; all of them are read.
  const std::vector<std::string>& parts() const noexcept;

  std::size_t count() const noexcept;

 private:
  std::shared_ptr<const Index> index_;
};

// Archives by the end of their name (.zip, .tar, .tar.gz, .tgz, ..., also "data-{000..127}.tar"), and CIFAR's files but
// for those that anything may be called.
bool looks_like_set(const std::string& path);

// Pictures by what Item::path calls them: files, and what lies in archives ("a.zip:cat/1.jpg") and CIFAR's files
// ("test_batch.bin[3]"), which are opened again. Throws nothing: of what is not there, whoever reads it will say so;
// what is wrong with an archive, its pictures' `error` says.
std::vector<Item> find_items(const std::vector<std::string>& paths);

// Pictures and arrays by the end of their name: what load_input() reads, and pictures that it refuses (.bmp, .gif,
// .tif, ...), so that none is passed over in silence. Hidden files are none.
bool looks_like_input(const std::string& path);

// What a folder holds that cannot be read.
struct ListingProblems {
  std::function<void(const Error&)> unreadable;   // a folder below, or a link that leads back to one that it lies in
  std::function<void(const Error&)> passed_over;  // a pipe, a device or a socket that is `wanted` by its name
};

// All files below a directory for which `wanted` holds, sorted; symbolic links are followed. Throws kNotFound and kIo
// for the directory itself. The first problem below it is thrown as well (kIo, kInvalidArgument); those that `problems`
// takes are told to it instead, and the rest is listed.
std::vector<std::string> list_files(const std::string& directory, bool (*wanted)(const std::string& path),
                                    const ListingProblems& problems = {});

}  // namespace resnet
