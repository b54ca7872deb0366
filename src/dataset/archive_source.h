// The pictures of one or more tar archives in their order, each with the class that its folder, the file KEY.cls beside
// it (WebDataset: https://github.com/webdataset/webdataset) or a labels file says.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dataset/dataset.h"
#include "formats/tar.h"

namespace resnet {

// "a/b/c.jpg" -> "c.jpg"; "a/b", or the whole path where there is no folder.
std::string file_name(const std::string& path);
std::string folder_of(const std::string& path);

// "data-{000..127}.tar" -> "data-000.tar", "data-001.tar", ...: as many digits as the first number has. A path without
// such a part, and one that exists as it is, stands for itself. Throws kInvalidArgument for a range that runs
// backwards, kLimit for more than 100,000 paths.
std::vector<std::string> expand_shards(const std::string& path);

class ArchiveSource : public Source {
 public:
  using Labels = std::map<std::string, std::string>;
  enum class Wanted {
    kLabels,  // no bytes
    kBytes,
    kPlaces,  // of uncompressed archives where the bytes lie, of compressed ones the bytes
  };

  // `only` is "" or a prefix of paths that ends in "/". `labels`, where there are any, says which files count.
  ArchiveSource(std::vector<std::string> archives, std::string only, const Labels* labels, Wanted wanted);

  std::optional<Item> next() override;

 private:
  struct Label {
    std::string key;  // path without folder `only` and without all that follows the name's first dot
    std::string text;
  };

  std::optional<Item> next_of_archive();
  std::optional<Item> next_absent();
  Item make_item(const TarEntry& entry);
  std::optional<Item> take_picture(const TarEntry& entry, const std::string& path);
  std::optional<Item> take_label(const TarEntry& entry, const std::string& path);
  void label_by_folder(Item& item, const std::string& path);
  [[noreturn]] void fail_unlabelled(const Item& item) const;
  void set_ways(bool cls_files, const std::string& where);

  std::vector<std::string> archives_;
  std::string only_;
  Wanted wanted_;
  std::optional<Labels> unseen_;   // what the labels file names and no archive has given yet
  std::size_t archive_ = 0;        // the current one
  std::optional<TarReader> tar_;   // of it
  std::optional<bool> cls_files_;  // do they say the classes, or do folders? Known from the first picture on
  std::optional<Label> label_;     // of a .cls file whose picture has not come yet
  std::optional<Item> waiting_;    // a picture whose .cls file has not come yet
  std::string waiting_key_;
};

}  // namespace resnet
