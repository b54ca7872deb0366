// CIFAR's files among those listed.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "dataset/dataset.h"
#include "dataset/label_pictures.h"

namespace resnet {
namespace {

// Nothing for what is none of CIFAR's files.
std::optional<CifarName> name_of(const ListedFile& file) {
  if (file.place.kind != ContainedFile::Kind::kFile) return std::nullopt;
  return cifar_name(file_name(file.place.path));
}

bool holds_pictures(const ListedFile& file) {
  const std::optional<CifarName> name = name_of(file);
  return name && !name->names;
}

std::string folder_of(const ListedFile& file) {
  const std::string& path = file.place.path;
  return path.substr(0, path.rfind('/') + 1);  // "" or with "/"
}

}  // namespace

bool holds_cifar(const Listing& listing) {
  bool found = false;
  bool pictures = false;
  for (const ListedFile& file : listing.files) {
    if (holds_pictures(file) && folder_of(file).empty()) return true;
    found = found || holds_pictures(file);
    pictures = pictures || (file.place.kind == ContainedFile::Kind::kFile && looks_like_input(file.place.path) &&
                            !is_hidden(file.place.path));
  }
  return found && !pictures;
}

// The files with pictures, which must lie in one folder. Takes that folder away from the front of `only`.
std::vector<std::size_t> Labeller::cifar_files(std::string& only) const {
  std::vector<std::size_t> files;
  std::set<std::string> folders;
  for (std::size_t i = 0; i < listing_.files.size(); ++i) {
    const ListedFile& file = listing_.files[i];
    if (!holds_pictures(file)) continue;
    files.push_back(i);
    folders.insert(folder_of(file));
  }
  for (const std::string& folder : folders) {
    if (folder.empty() || !(only + "/").starts_with(folder)) continue;
    only.erase(0, folder.size());
    std::erase_if(files, [&](std::size_t i) { return folder_of(listing_.files[i]) != folder; });
    return files;
  }
  if (folders.size() > 1) {
    fail(ErrorCode::kInvalidArgument, listing_.where, "holds CIFAR's files in several folders; name one of {}",
         fmt::join(folders, ", "));
  }
  return files;
}

FileBytes Labeller::bytes_of(const ListedFile& file) const {
  if (file.bytes) return {file.bytes, *file.bytes};
  return listing_.containers[file.container]->read(file.place, kMaxFileBytes);
}

// The classes, by their names where these lie beside the pictures.
void Labeller::name_cifar(const CifarName& name, const std::string& folder) {
  std::vector<std::string> names;
  for (const ListedFile& file : listing_.files) {
    const std::optional<CifarName> is = name_of(file);
    if (!is || !is->names || is->fine != name.fine || folder_of(file) != folder) continue;
    names = read_cifar_names(bytes_of(file).bytes, *is, listing_.name(file));
  }
  const bool named = !names.empty();
  for (int i = 0; i < name.classes(); ++i)
    number_of(named ? names[static_cast<std::size_t>(i)] : std::to_string(i), !named);
  index_->labels_are_fixed = true;
  index_->labels_may_be_indices = !named;
}

void Labeller::by_cifar(std::string only) {
  std::vector<std::size_t> files = cifar_files(only);
  const std::string folder = folder_of(listing_.files[files.front()]);
  if (!only.empty() && only != "train" && only != "test") {
    fail(ErrorCode::kInvalidArgument, only, "CIFAR's files have the parts train and test");
  }
  std::erase_if(files,
                [&](std::size_t i) { return !only.empty() && name_of(listing_.files[i])->test != (only == "test"); });
  if (files.empty()) fail(ErrorCode::kNotFound, listing_.where, "holds no file of CIFAR's part {}", only);
  const CifarName first = *name_of(listing_.files[files.front()]);
  for (const std::size_t i : files) {
    if (name_of(listing_.files[i])->fine == first.fine) continue;
    fail(ErrorCode::kFormat, listing_.where, "holds files of CIFAR-10 and of CIFAR-100");
  }
  name_cifar(first, folder);
  const auto is_test = [&](std::size_t i) { return name_of(listing_.files[i])->test; };
  const bool both =
      std::any_of(files.begin(), files.end(), is_test) && !std::all_of(files.begin(), files.end(), is_test);
  if (both) index_->parts = {"test", "train"};
  index_->root = folder.size();
  for (const std::size_t i : files) {
    ListedFile& file = listing_.files[i];
    const auto cifar = std::make_shared<const CifarFile>(bytes_of(file), *name_of(file), listing_.name(file));
    file.bytes.reset();
    file.cifar = cifar;
    for (std::size_t record = 0; record < cifar->count(); ++record) {
      add(i, static_cast<std::uint32_t>(cifar->label(record)), both && !is_test(i) ? 1 : 0);
      index_->pictures.back().record = static_cast<std::uint32_t>(record);
    }
  }
}

}  // namespace resnet
