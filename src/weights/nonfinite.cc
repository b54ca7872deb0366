#include "weights/nonfinite.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <mutex>
#include <tuple>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "console/numbers.h"
#include "tensor/finite.h"
#include "tensor/place.h"

namespace resnet {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;  // bytes: whole values of any type, and little enough for a cache

// A part of the values of one or more tensors, which one thread looks through.
struct Piece {
  std::size_t window;
  DType type;
  std::span<const std::byte> bytes;
  const CheckedFile* file;  // that they are a part of, not in memory; null where they are
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
      std::span<const std::byte> rest = TensorPlace::of(tensor);
      const auto [place, fresh] = known.emplace(std::tuple(rest.data(), rest.size(), tensor.dtype()), count);
      of_tensor.push_back(place->second);
      if (!fresh) continue;
      for (; !rest.empty(); rest = rest.subspan(std::min(rest.size(), kPiece))) {
        pieces.push_back(
            {count, tensor.dtype(), rest.first(std::min(rest.size(), kPiece)), TensorPlace::file_of(tensor)});
      }
      bytes += tensor.nbytes();
      ++count;
    }
  }
};

// Nothing of a file stays in memory.
std::int64_t count_nonfinite_of(const Piece& piece) {
  if (piece.file == nullptr) return count_nonfinite(piece.type, piece.bytes);
  AlignedBuffer<std::byte> copy(piece.bytes.size());
  piece.file->copy(piece.bytes, copy.span());
  return count_nonfinite(piece.type, copy.span());
}

}  // namespace

std::vector<NonfiniteTensor> find_nonfinite(const StateDict& tensors) {
  const Windows windows(tensors);
  std::vector<std::atomic<std::int64_t>> counts(windows.count);
  std::exception_ptr error;
  std::mutex error_mutex;
  const auto look = [&](int task, int /*worker*/) {
    const Piece& piece = windows.pieces[task];
    try {
      counts[piece.window] += count_nonfinite_of(piece);
    } catch (...) {  // the file has changed, in a thread that must not throw
      const std::lock_guard lock(error_mutex);
      error = std::current_exception();
    }
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
  if (error) std::rethrow_exception(error);

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
