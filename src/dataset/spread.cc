#include "dataset/spread.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace resnet {
namespace {

// The i-th of `taken` places among `all`, which are at least as many.
std::size_t place(std::size_t i, std::size_t taken, std::size_t all) { return i * all / taken; }

// How many each class gives: the smaller ones all they have, the others equally many, but for one more of some that are
// spread evenly.
std::vector<std::size_t> shares(const std::vector<std::size_t>& sizes, std::size_t count) {
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return sizes[a] < sizes[b]; });
  std::vector<std::size_t> result(sizes.size());
  std::size_t left = count;
  std::size_t done = 0;
  for (; done < order.size() && sizes[order[done]] <= left / (order.size() - done); ++done) {
    result[order[done]] = sizes[order[done]];
    left -= sizes[order[done]];
  }
  std::vector<std::size_t> rest(order.begin() + static_cast<std::ptrdiff_t>(done), order.end());
  std::sort(rest.begin(), rest.end());
  if (rest.empty()) return result;
  const std::size_t more = left % rest.size();
  for (const std::size_t c : rest) result[c] = left / rest.size();
  for (std::size_t i = 0; i < more; ++i) ++result[rest[place(i, more, rest.size())]];
  return result;
}

}  // namespace

std::vector<std::uint32_t> spread(const Index& index, std::size_t count) {
  std::vector<std::uint32_t> all(index.pictures.size());
  std::iota(all.begin(), all.end(), 0U);
  if (count >= all.size()) return all;
  std::vector<std::vector<std::uint32_t>> members(index.labels.size());
  for (const std::uint32_t i : all) members[index.pictures[i].label].push_back(i);
  std::erase_if(members, [](const auto& of_class) { return of_class.empty(); });
  std::vector<std::size_t> sizes;
  for (auto& of_class : members) {
    sizes.push_back(of_class.size());
    std::stable_sort(of_class.begin(), of_class.end(), [&](std::uint32_t a, std::uint32_t b) {
      const auto key = [&](std::uint32_t i) {
        const IndexedPicture& picture = index.pictures[i];
        const std::string_view path = index.files[picture.file].place.path;
        return std::tuple(path.substr(index.root), picture.record);
      };
      return key(a) < key(b);
    });
  }
  const std::vector<std::size_t> taken = shares(sizes, count);
  std::vector<std::uint32_t> result;
  for (std::size_t c = 0; c < members.size(); ++c) {
    for (std::size_t i = 0; i < taken[c]; ++i) result.push_back(members[c][place(i, taken[c], sizes[c])]);
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace resnet
