#include "dataset/epoch_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/random.h"

namespace resnet {

namespace {
constexpr std::uint64_t kOrderStream = 0x6F72646572;  // "order": its random numbers are nobody else's
}

std::vector<std::uint32_t> shuffled(std::size_t count, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  Random random(seed_of({seed, kOrderStream, epoch}));
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

Division::Division(std::size_t count, std::size_t batch, int rank, int world_size, bool drop_last)
    : batch_(batch), rank_(static_cast<std::size_t>(rank)), world_size_(static_cast<std::size_t>(world_size)) {
  full_ = count / batch_ / world_size_;
  if (drop_last) return;
  const std::size_t begin = full_ * batch_ * world_size_;
  const std::size_t share = (count - begin) / world_size_;
  const std::size_t more = (count - begin) % world_size_;  // so many processes get one more
  rest_begin_ = begin + rank_ * share + std::min(rank_, more);
  rest_size_ = share + (rank_ < more ? 1 : 0);
}

Division::Range Division::operator[](std::size_t number) const noexcept {
  if (number == full_) return {rest_begin_, rest_size_};
  return {(number * world_size_ + rank_) * batch_, batch_};
}

}  // namespace resnet
