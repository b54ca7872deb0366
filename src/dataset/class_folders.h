// Which folder of a picture's path is its class: one rule for directories and archives of every kind, torchvision's
// ImageFolder's. The class is the first folder below the root, and a picture may lie at any depth below that.
//
// A folder that holds everything, but no picture itself, is not a class but the root: archives often have one. Where
// the root holds a folder `train`, one or more of `val`, `valid`, `validation` and `test`, and no other folder, these
// are parts of the set, and the class is the first folder below the part.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

// Something that a directory or archive holds.
struct TreeEntry {
  enum class Kind { kPicture, kOther, kFolder };
  std::string_view path;  // relative, with "/" between names
  Kind kind = Kind::kPicture;
};

// Hidden are names that begin with a dot, and __MACOSX, where macOS keeps what its archives have no place for: files
// below such folders count as absent.
bool is_hidden(std::string_view path) noexcept;

class ClassFolders {
 public:
  // Of nothing: the root is where paths begin.
  ClassFolders() = default;

  // `entries`: all that there is, hidden ones left out, in any order.
  explicit ClassFolders(std::span<const TreeEntry> entries);

  const std::string& root() const noexcept { return root_; }                 // "", or ends in "/"
  const std::vector<std::string>& parts() const noexcept { return parts_; }  // sorted; none where there are none
  const std::vector<std::string>& without_pictures() const noexcept { return without_pictures_; }  // class folders

  // The part that a path lies in; "" where the set has none. The path begins with the root.
  std::string_view part_of(std::string_view path) const noexcept;

  // The class of a path; "" where it lies in no class folder.
  std::string_view class_of(std::string_view path) const noexcept;

 private:
  std::string_view below_part(std::string_view path) const noexcept;

  std::string root_;
  std::vector<std::string> parts_;
  std::vector<std::string> without_pictures_;
};

// The part that validates what the part `train` trains: the first of val, valid, validation, test that there is.
std::string validation_part(std::span<const std::string> parts);

}  // namespace resnet
