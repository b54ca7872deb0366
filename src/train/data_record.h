// Which pictures a run learns from and is validated with, so that one that goes on with others says so instead of
// learning something else: their number and a hash of their names in its checkpoints, the names in its folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataset/image_set.h"

namespace resnet {

class DataRecord {
 public:
  // A picture is known by its class and its path inside the set, wherever that lies and in whatever form.
  static DataRecord of(const TrainingData& data);

  // What a checkpoint holds. from_json() throws kFormat; the place is `where`.
  std::string to_json() const;
  static DataRecord from_json(const std::string& text, const std::string& where);

  // The same pictures in both sets; and in the same order, which batches and the split depend on.
  bool same_pictures(const DataRecord& other) const noexcept;
  bool same_order(const DataRecord& other) const noexcept;

  // "60 pictures to learn from and 12 to validate with"
  std::string counts() const;

  // Of names and order of both sets.
  std::uint64_t hash() const noexcept;

 private:
  struct Set {
    std::uint64_t count = 0;
    std::uint64_t names = 0;  // whatever the order
    std::uint64_t order = 0;
  };

  static Set summary(const ImageSet& images);

  Set train_, val_;

  friend class DataList;
};

// The names themselves, a line each: "train", a tab, the class, a tab, the path.
class DataList {
 public:
  static DataList of(const TrainingData& data);

  // Nothing where the file is not there, cannot be read, or is not the list of what `record` knows.
  static std::optional<DataList> read(const std::string& path, const DataRecord& record);

  // Does nothing where the file holds the same already. Throws kIo.
  void write(const std::string& path) const;

  // "added cat/9.jpg, cat/10.jpg and 3 more; gone: dog/1.jpg", of the pictures of both sets together; where they are
  // the same, what has moved from one set to the other. `now` is the later one.
  std::string difference(const DataList& now) const;

 private:
  std::vector<std::string> lines_;  // as they stand in the file
};

}  // namespace resnet
