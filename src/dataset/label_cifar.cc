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

// What anything may be called: then there must be both pictures and names.
bool is_common(const CifarName& name) { return name.python && name.fine; }

std::string folder_of(const ListedFile& file) {
  const std::string& path = file.place.path;
  return path.substr(0, path.rfind('/') + 1);  // "" or with "/"
}

// The files with pictures.
std::vector<std::size_t> find_cifar(const Listing& listing) {
  std::set<std::string> named;  // folders with names of CIFAR-100's classes for Python
  for (const ListedFile& file : listing.files) {
    const std::optional<CifarName> name = name_of(file);
    if (name && name->names && is_common(*name)) named.insert(folder_of(file));
  }
  std::vector<std::size_t> files;
  for (std::size_t i = 0; i < listing.files.size(); ++i) {
    const ListedFile& file = listing.files[i];
    const std::optional<CifarName> name = name_of(file);
    if (name && !name->names && (!is_common(*name) || named.contains(folder_of(file)))) files.push_back(i);
  }
  return files;
}

}  // namespace

bool holds_cifar(const Listing& listing) {
  const std::vector<std::size_t> files = find_cifar(listing);
  const bool at_the_top =
      std::any_of(files.begin(), files.end(), [&](std::size_t i) { return folder_of(listing.files[i]).empty(); });
  const bool pictures = std::any_of(listing.files.begin(), listing.files.end(), [](const ListedFile& file) {
    return file.place.kind == ContainedFile::Kind::kFile && looks_like_input(file.place.path) &&
           !is_hidden(file.place.path);
  });
  return at_the_top || (!files.empty() && !pictures);
}

// The files with pictures, which must lie in one folder. Takes that folder away from the front of `only`.
std::vector<std::size_t> Labeller::cifar_files(std::string& only) const {
  std::vector<std::size_t> files = find_cifar(listing_);
  std::set<std::string> folders;
  for (const std::size_t i : files) folders.insert(folder_of(listing_.files[i]));
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
    if (!is || !is->names || is->fine != name.fine || is->python != name.python || folder_of(file) != folder) continue;
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
    const CifarName name = *name_of(listing_.files[i]);
    if (name.fine != first.fine) fail(ErrorCode::kFormat, listing_.where, "holds files of CIFAR-10 and of CIFAR-100");
    if (name.python != first.python) {
      fail(ErrorCode::kFormat, listing_.where, "holds CIFAR's binary files and those for Python");
    }
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
