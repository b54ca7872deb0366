#include "dataset/check_sizes.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "image/picture_size.h"

namespace resnet {
namespace {

constexpr std::size_t kNone = SIZE_MAX;
constexpr std::size_t kPiece = 256;  // pictures a task looks at

// What a piece of a set has.
struct Seen {
  std::size_t fitting = 0;
  std::size_t others = 0;            // of another size
  std::size_t first_other = kNone;   // its number in the set
  std::optional<PictureSize> other;  // the size of the first
  bool alike = true;                 // all others have that size
  std::exception_ptr error;          // of the first picture that cannot be read
  std::size_t first_error = kNone;
};

void see(const ImageSet& images, std::size_t i, const PictureSize& wanted, Seen& seen) {
  try {
    const std::optional<PictureSize> size = picture_size(images.read(i).bytes, images.path(i));
    if (!size) return;  // an array, which has rules of its own
    if (*size == wanted) {
      ++seen.fitting;
      return;
    }
    ++seen.others;
    if (!seen.other) {
      seen.other = size;
      seen.first_other = i;
    }
    seen.alike = seen.alike && *seen.other == *size;
  } catch (const std::exception&) {
    if (seen.error) return;
    seen.error = std::current_exception();
    seen.first_error = i;
  }
}

void add(const Seen& later, Seen& sum) {
  sum.fitting += later.fitting;
  sum.others += later.others;
  sum.alike = sum.alike && later.alike && (!sum.other || !later.other || *sum.other == *later.other);
  if (!sum.other) {
    sum.other = later.other;
    sum.first_other = later.first_other;
  }
  if (!sum.error) {
    sum.error = later.error;
    sum.first_error = later.first_error;
  }
}

Seen look_at(const ImageSet& images, const PictureSize& wanted, int threads) {
  const std::size_t pieces = (images.size() + kPiece - 1) / kPiece;
  std::vector<Seen> seen(pieces);
  ThreadPool pool(threads > 0 ? threads : available_processors());
  pool.run(static_cast<int>(pieces), [&](int piece, int) {
    const std::size_t begin = static_cast<std::size_t>(piece) * kPiece;
    for (std::size_t i = begin; i < std::min(begin + kPiece, images.size()); ++i) {
      see(images, i, wanted, seen[static_cast<std::size_t>(piece)]);
    }
  });
  Seen sum;
  for (const Seen& piece : seen) add(piece, sum);
  return sum;
}

}  // namespace

void check_sizes(const ImageSet& images, const Preprocessing& how, BadImages bad, int threads) {
  if (how.resize != 0 || images.size() == 0) return;
  const Seen seen = look_at(images, {how.width, how.height}, threads);
  const bool skips = bad == BadImages::kSkip;
  if (!skips && seen.first_error < seen.first_other) std::rethrow_exception(seen.error);
  if (seen.others == 0 || (skips && seen.fitting > 0)) {
    if (!skips && seen.error) std::rethrow_exception(seen.error);
    return;
  }
  const bool one_square_size = seen.fitting == 0 && seen.alike && seen.other->width == seen.other->height;
  fail(ErrorCode::kMismatch, images.path(seen.first_other),
       "{}x{} pixels, but {}x{} are expected and nothing is resized ({} of {} pictures have another size); --resize {} "
       "would{}",
       seen.other->width, seen.other->height, how.width, how.height, seen.others, images.size(),
       std::min(how.width, how.height),
       one_square_size ? fmt::format(", and --size {} takes them as they are", seen.other->width) : "");
}

}  // namespace resnet
