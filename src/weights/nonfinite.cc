#include "weights/nonfinite.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <tuple>

#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "console/numbers.h"
#include "tensor/finite.h"
#include "tensor/place.h"

namespace resnet {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;  // bytes: whole values of any type

// A part of the values of one or more tensors, which one thread looks through.
struct Piece {
  std::size_t window;
  const Tensor* tensor;
  std::size_t offset, size;  // bytes
};

// Bytes of the first piece, so that the next ones begin with a page of the file.
std::size_t first_piece(const Tensor& tensor) {
  const std::size_t skipped = reinterpret_cast<std::uintptr_t>(TensorPlace::of(tensor).data()) % kPageBytes;
  return skipped % sizeof(double) == 0 ? kPiece - skipped : kPiece;
}

// What tensors are views of: a file may say many times that the same bytes are one.
struct Windows {
  std::vector<std::size_t> of_tensor;
  std::vector<Piece> pieces;
  std::size_t count = 0;
  std::size_t bytes = 0;

  explicit Windows(const StateDict& tensors) : of_tensor(tensors.size()) {
    const std::vector<std::uint32_t> first = first_of_its_bytes(tensors);
    std::size_t index = 0;
    for (const auto& [name, tensor] : tensors) {
      const std::size_t own = index++;
      of_tensor[own] = first[own] == own ? count : of_tensor[first[own]];
      if (first[own] != own) continue;
      std::size_t step = first_piece(tensor);
      for (std::size_t at = 0; at < tensor.nbytes(); at += step, step = kPiece) {
        step = std::min(step, tensor.nbytes() - at);
        pieces.push_back({count, &tensor, at, step});
      }
      bytes += tensor.nbytes();
      ++count;
    }
  }

 private:
  // Of each tensor the first one that is a view of the same bytes: itself, for most. Files may have many tensors, so no
  // tree is made of them.
  static std::vector<std::uint32_t> first_of_its_bytes(const StateDict& tensors) {
    const auto key = [&](std::uint32_t index) {
      const Tensor& tensor = tensors.begin()[index].second;
      return std::tuple(TensorPlace::of(tensor).data(), tensor.nbytes(), tensor.dtype(), index);
    };
    std::vector<std::uint32_t> order(tensors.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return key(a) < key(b); });
    std::vector<std::uint32_t> first(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto [begin, size, type, own] = key(order[i]);
      const bool again = i > 0 && std::tuple(begin, size, type, order[i - 1]) == key(order[i - 1]);
      first[own] = again ? first[order[i - 1]] : own;
    }
    return first;
  }
};

}  // namespace

std::vector<NonfiniteTensor> find_nonfinite(const StateDict& tensors) {
  const Windows windows(tensors);
  std::vector<std::atomic<std::int64_t>> counts(windows.count);
  std::exception_ptr failure;
  std::mutex failure_mutex;
  std::vector<AlignedBuffer<std::byte>> buffers;  // of each thread: a tensor in a file is not kept in memory for this
  const auto look = [&](int task, int worker) {
    const Piece& piece = windows.pieces[task];
    try {
      std::span<const std::byte> bytes = TensorPlace::of(*piece.tensor).subspan(piece.offset, piece.size);
      if (TensorPlace::is_in_file(*piece.tensor)) {
        if (buffers[worker].empty()) buffers[worker] = AlignedBuffer<std::byte>(kPiece);
        const std::span<std::byte> read = buffers[worker].span().first(piece.size);
        piece.tensor->read(piece.offset, read);
        bytes = read;
      }
      counts[piece.window] += count_nonfinite(piece.tensor->dtype(), bytes);
    } catch (...) {  // in a thread that must not throw
      const std::lock_guard lock(failure_mutex);
      failure = std::current_exception();
    }
  };
  constexpr std::size_t kWorthThreads = std::size_t{4}
                                        << 20;  // a thread is started in the time of some hundred kilobytes
  const auto wanted = static_cast<int>(std::min<std::size_t>(windows.bytes / kWorthThreads + 1, 16));
  const auto run = [&](int threads) {
    buffers.resize(static_cast<std::size_t>(threads));
    ThreadPool(threads).run(static_cast<int>(windows.pieces.size()), look);
  };
  const int threads = std::min(wanted, available_processors());
  try {
    run(threads);
  } catch (const Error&) {  // the system gives no threads
    run(1);
  }
  if (failure) std::rethrow_exception(failure);

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
