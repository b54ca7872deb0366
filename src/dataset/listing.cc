#include "dataset/listing.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "base/error.h"
#include "dataset/dataset.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxLabelBytes = 64;
constexpr std::size_t kMaxCifarBytes = std::size_t{1} << 30;

using Wanted = std::function<bool(const std::string& path)>;

std::optional<std::string> read_label(Walk& walk) {
  try {
    const std::vector<std::byte> bytes = walk.read(kMaxLabelBytes);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kLimit) throw;
    return std::nullopt;
  }
}

class Lister {
 public:
  Lister(Listing& listing, const Wanted& wanted, std::optional<std::size_t> keep)
      : listing_(listing), wanted_(wanted), keep_(keep) {}

  void list(std::uint32_t container) {
    const Container& from = *listing_.containers[container];
    const std::size_t first = listing_.files.size();
    const auto walk = from.walk();
    while (std::optional<ContainedFile> found = walk->next()) {
      ListedFile file;
      file.place = std::move(*found);
      file.container = container;
      if (is_file(file)) read_now(from, *walk, file);
      if (listing_.files.size() == UINT32_MAX) fail(ErrorCode::kLimit, listing_.where, "more than 2^32 - 1 files");
      listing_.files.push_back(std::move(file));
    }
    if (!from.is_directory()) keep_the_last(first);
  }

 private:
  void read_now(const Container& from, Walk& walk, ListedFile& file) {
    const std::string& path = file.place.path;
    if (is_cls(path)) file.text = read_label(walk);
    if (from.reads_anywhere()) return;
    const bool cifar = cifar_name(file_name(path)).has_value() && file.place.size <= kMaxFileBytes;
    if (!cifar && !(keep_ && wanted_(path))) return;
    std::vector<std::byte> bytes = walk.read(kMaxFileBytes);
    std::size_t& memory = cifar ? cifar_memory_ : memory_;
    memory += bytes.size();
    const std::size_t most = cifar ? kMaxCifarBytes : *keep_;
    if (memory > most) {
      fail(ErrorCode::kLimit, listing_.where,
           "more than {} MiB of pictures, too many to be held in memory: unpack the archive, or leave it "
           "uncompressed",
           most >> 20);
    }
    bytes.shrink_to_fit();
    file.bytes = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  }

  // Of the files from `first` on.
  void keep_the_last(std::size_t first) {
    std::vector<ListedFile>& files = listing_.files;
    std::vector<std::size_t> order(files.size() - first);
    std::iota(order.begin(), order.end(), first);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return files[a].place.path < files[b].place.path; });
    std::vector<bool> stale(files.size());
    for (std::size_t i = 0; i + 1 < order.size(); ++i) {
      stale[order[i]] = files[order[i]].place.path == files[order[i + 1]].place.path;
    }
    std::size_t kept = first;
    for (std::size_t i = first; i < files.size(); ++i) {
      if (stale[i]) continue;
      if (kept != i) files[kept] = std::move(files[i]);
      ++kept;
    }
    files.resize(kept);
  }

  Listing& listing_;
  const Wanted& wanted_;
  std::optional<std::size_t> keep_;
  std::size_t memory_ = 0;
  std::size_t cifar_memory_ = 0;
};

// Where a link leads, seen from the top of the archive; "" where that is outside.
std::string target_of(const ContainedFile& link) {
  const std::filesystem::path folder = std::filesystem::path(link.path).parent_path();
  const std::string target = (folder / link.target).lexically_normal().generic_string();
  return target.starts_with("..") || target.starts_with('/') ? "" : target;
}

}  // namespace

bool is_cls(std::string_view path) noexcept {
  constexpr std::string_view kEnding = ".cls";
  if (path.size() < kEnding.size()) return false;
  const auto same = [](char a, char b) { return ('A' <= a && a <= 'Z' ? a + 32 : a) == b; };
  return std::ranges::equal(path.substr(path.size() - kEnding.size()), kEnding, same);
}

Listing list_files_of(std::vector<std::shared_ptr<const Container>> containers, const std::string& where,
                      const Wanted& wanted, std::optional<std::size_t> keep) {
  Listing listing{where, std::move(containers), {}};
  Lister lister(listing, wanted, keep);
  for (std::size_t i = 0; i < listing.containers.size(); ++i) lister.list(static_cast<std::uint32_t>(i));
  return listing;
}

void refuse_links(const Listing& listing, const Wanted& wanted) {
  std::vector<const ListedFile*> links;
  for (const ListedFile& file : listing.files) {
    if (file.place.kind == ContainedFile::Kind::kLink) links.push_back(&file);
  }
  if (links.empty()) return;
  std::vector<std::string_view> pictures;
  for (const ListedFile& file : listing.files) {
    if (is_file(file) && wanted(file.place.path)) pictures.push_back(file.place.path);
  }
  std::sort(pictures.begin(), pictures.end());
  for (const ListedFile* link : links) {
    const std::string target = target_of(link->place) + "/";
    const auto below = std::lower_bound(pictures.begin(), pictures.end(), target);
    const bool folder = target != "/" && below != pictures.end() && below->starts_with(target);
    if (!folder && !wanted(link->place.path)) continue;
    fail(ErrorCode::kUnsupported, listing.name(*link),
         "is a link; an archive must hold the pictures themselves (tar --dereference --hard-dereference)");
  }
}

}  // namespace resnet
