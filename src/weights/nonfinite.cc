#include "weights/nonfinite.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "console/numbers.h"
#include "tensor/finite.h"

namespace resnet {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;  // bytes: whole values of any type

// A part of the values of one or more tensors, which one thread looks through.
struct Piece {
  std::size_t window;
  DType type;
  std::span<const std::byte> bytes;
};

// What tensors are views of: a file may say many times that the same bytes are one.
struct Windows {
  std::vector<std::size_t> of_tensor;
  std::vector<Piece> pieces;
  std::size_t count = 0;
  std::size_t bytes = 0;

  explicit Windows(const StateDict& tensors) {
    std::map<std::tuple<const std::byte*, std::size_t, DType>, std::size_t> known;
    for (const auto& [name, tensor] : tensors) {
      std::span<const std::byte> rest = tensor.bytes();
      const auto [place, fresh] = known.emplace(std::tuple(rest.data(), rest.size(), tensor.dtype()), count);
      of_tensor.push_back(place->second);
      if (!fresh) continue;
      for (; !rest.empty(); rest = rest.subspan(std::min(rest.size(), kPiece))) {
        pieces.push_back({count, tensor.dtype(), rest.first(std::min(rest.size(), kPiece))});
      }
      bytes += tensor.bytes().size();
      ++count;
    }
  }
};

}  // namespace

std::vector<NonfiniteTensor> find_nonfinite(const StateDict& tensors) {
  const Windows windows(tensors);
  std::vector<std::atomic<std::int64_t>> counts(windows.count);
  const auto look = [&](int task, int /*worker*/) {
    const Piece& piece = windows.pieces[task];
    counts[piece.window] += count_nonfinite(piece.type, piece.bytes);
  };
  constexpr std::size_t kWorthThreads = 4 * kPiece;  // a thread is started in the time of some hundred kilobytes
  const auto wanted = static_cast<int>(std::min<std::size_t>(windows.bytes / kWorthThreads + 1, 16));
  const auto run = [&](int threads) { ThreadPool(threads).run(static_cast<int>(windows.pieces.size()), look); };
  const int threads = std::min(wanted, available_processors());
  try {
    run(threads);
  } catch (const Error&) {  // the system gives no threads
    run(1);
  }

  std::vector<NonfiniteTensor> found;
  std::size_t index = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::int64_t nonfinite = counts[windows.of_tensor[index++]];
    if (nonfinite > 0) found.push_back({name, nonfinite, tensor.count()});
  }
  return found;
}

std::string describe(std::span<const NonfiniteTensor> found) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> items;
  for (const NonfiniteTensor& tensor : found.first(std::min(found.size(), kShown))) {
    items.push_back(
        fmt::format("{} ({} of {})", one_line(tensor.name), grouped(tensor.nonfinite), grouped(tensor.values)));
  }
  if (found.size() > kShown) items.push_back(fmt::format("and {} more", found.size() - kShown));
  return fmt::format("{} values that are not finite (NaN, infinite, or beyond float32): {}",
                     found.size() == 1 ? "1 tensor has" : fmt::format("{} tensors have", found.size()),
                     fmt::join(items, ", "));
}

}  // namespace resnet
