// Pictures with their classes, one after another, from class folders, from archives of them, from a folder or archive
// with a labels file, or from CIFAR's binaries. Nothing is unpacked to disk; memory holds one file of an archive at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "resnet/error.h"

namespace resnet {

// No encoded picture is larger.
inline constexpr std::size_t kMaxFileBytes = 256U << 20;

// Where a file's bytes lie in an uncompressed archive.
struct Place {
  std::size_t archive = 0;  // index into Dataset::archives()
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

struct Item {
  std::string path;                             // for people; of the file where `bytes` and `place` are absent
  std::string label;                            // the class, as the data set calls it; empty where nobody asked
  std::optional<std::vector<std::byte>> bytes;  // of a file inside an archive or from a pipe
  std::optional<Place> place;                   // instead of the bytes, where places() gave the item
  bool label_is_index = false;                  // the label is a class's index, not its name
  std::size_t inner_path = 0;                   // where in `path` the name inside an archive begins; 0: no archive
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
};

class Dataset {
 public:
  // `path` is a directory whose folders are the classes (files anywhere below them; torchvision's ImageFolder); or a
  // .tar or .tar.gz whose paths end in CLASS/FILE, or in KEY.jpg (.png, ...) beside KEY.cls with the class's index
  // (WebDataset); or several of these, "data-{000..127}.tar"; or a directory of CIFAR's binaries, or one of them.
  // Hidden files and files that are no pictures by their name are passed over. Throws kNotFound, kIo, kFormat,
  // kInvalidArgument where there are no class folders, one is empty, or a link leads back to a folder that it lies in.
  static Dataset open(const std::string& path, const DatasetOptions& options = {});

  // From the first picture, classes and their files in the order of their bytes, archives in their own order, labels
  // files in theirs. An archive throws as it is read (kFormat, kLimit, kUnsupported).
  std::unique_ptr<Source> items() const;

  // The same, without the bytes of files in uncompressed archives but with their places.
  std::unique_ptr<Source> places() const;
  const std::vector<std::string>& archives() const;  // empty where there is none

  // The classes in the order of their indexes, where a format has a fixed number of them (CIFAR); else none.
  std::vector<std::string> known_classes() const;

  // The different labels, sorted. Reads the whole of an archive to find them.
  std::vector<std::string> labels() const;

  // Number of pictures where it is known beforehand.
  std::optional<std::size_t> count() const;

 private:
  struct Contents;
  std::shared_ptr<const Contents> contents_;
};

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
