#include "dataset/class_folders.h"

#include <algorithm>
#include <array>
#include <map>

namespace resnet {
namespace {

constexpr std::array<std::string_view, 4> kValidation = {"val", "valid", "validation", "test"};

// The first name of a path where a folder follows it; "" for a file that lies directly there.
std::string_view first_folder(std::string_view path, bool is_folder) noexcept {
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return is_folder ? path : "";
  return path.substr(0, slash);
}

// The folders directly below `prefix`: is there a picture in them, at any depth, and one directly in them?
struct Folder {
  bool pictures = false;
  bool directly = false;
};

struct Level {
  std::map<std::string_view, Folder> folders;
  bool pictures = false;  // directly below `prefix`
};

Level look_below(std::span<const TreeEntry> entries, std::string_view prefix) {
  Level level;
  for (const TreeEntry& entry : entries) {
    if (!entry.path.starts_with(prefix) || entry.path.size() == prefix.size()) continue;
    const std::string_view path = entry.path.substr(prefix.size());
    const bool picture = entry.kind == TreeEntry::Kind::kPicture;
    const std::string_view name = first_folder(path, entry.kind == TreeEntry::Kind::kFolder);
    if (name.empty()) {
      level.pictures = level.pictures || picture;
      continue;
    }
    Folder& folder = level.folders[name];
    folder.pictures = folder.pictures || picture;
    folder.directly = folder.directly || (picture && path.find('/', name.size() + 1) == std::string_view::npos);
  }
  return level;
}

bool are_parts(const Level& level) {
  if (level.pictures || level.folders.size() < 2 || !level.folders.contains("train")) return false;
  return std::all_of(level.folders.begin(), level.folders.end(), [](const auto& folder) {
    return folder.first == "train" || std::ranges::find(kValidation, folder.first) != kValidation.end();
  });
}

}  // namespace

bool is_hidden(std::string_view path) noexcept {
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view name = path.substr(begin, end - begin);
    if (name.starts_with('.') || name == "__MACOSX") return true;
    begin = end + 1;
  }
  return false;
}

ClassFolders::ClassFolders(std::span<const TreeEntry> entries) {
  Level level = look_below(entries, root_);
  while (!level.pictures && level.folders.size() == 1) {
    const auto& [name, folder] = *level.folders.begin();
    if (folder.directly || !folder.pictures) break;
    root_ += std::string(name) + "/";
    level = look_below(entries, root_);
  }
  const auto note = [this](const Level& of, const std::string& prefix) {
    for (const auto& [name, folder] : of.folders) {
      if (!folder.pictures) without_pictures_.push_back(prefix + std::string(name));
    }
  };
  note(level, root_);
  if (!are_parts(level)) return;
  for (const auto& [name, folder] : level.folders) parts_.emplace_back(name);
  for (const std::string& part : parts_) note(look_below(entries, root_ + part + "/"), root_ + part + "/");
}

std::string_view ClassFolders::part_of(std::string_view path) const noexcept {
  return parts_.empty() ? "" : first_folder(path.substr(root_.size()), false);
}

std::string_view ClassFolders::below_part(std::string_view path) const noexcept {
  path.remove_prefix(root_.size());
  if (!parts_.empty()) path.remove_prefix(std::min(path.find('/') + 1, path.size()));
  return path;
}

std::string_view ClassFolders::class_of(std::string_view path) const noexcept {
  return first_folder(below_part(path), false);
}

std::string validation_part(std::span<const std::string> parts) {
  for (const std::string_view name : kValidation) {
    if (std::ranges::find(parts, name) != parts.end()) return std::string(name);
  }
  return "";
}

}  // namespace resnet
