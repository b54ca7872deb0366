#include "dataset/loader.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "base/buffer.h"
#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "dataset/decoded_images.h"
#include "dataset/epoch_order.h"
#include "dataset/ordered_work.h"
#include "dataset/transform.h"

namespace resnet {
namespace {

// Purposes of random numbers, so that none shares them with another.
constexpr std::uint64_t kPictureStream = 0x70696374757265;  // "picture"
constexpr std::uint64_t kMixStream = 0x6D6978;              // "mix"

// Memory of batches that nobody holds any more.
class Buffers : public std::enable_shared_from_this<Buffers> {
 public:
  explicit Buffers(std::size_t count) : count_(count) {}

  std::shared_ptr<float> take() {
    auto buffer = std::make_shared<AlignedBuffer<float>>(reuse());
    float* data = buffer->data();
    return {data, [self = shared_from_this(), buffer](float* /*data*/) { self->give_back(std::move(*buffer)); }};
  }

 private:
  AlignedBuffer<float> reuse() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return AlignedBuffer<float>(count_);
    AlignedBuffer<float> buffer = std::move(free_.back());
    free_.pop_back();
    return buffer;
  }

  void give_back(AlignedBuffer<float> buffer) {
    constexpr std::size_t kKept = 8;
    const std::lock_guard lock(mutex_);
    if (free_.size() < kKept) free_.push_back(std::move(buffer));
  }

  std::size_t count_;
  std::mutex mutex_;
  std::vector<AlignedBuffer<float>> free_;
};

// A batch that threads fill, a piece each.
struct Assembly {
  Batch batch;
  std::vector<std::string> errors;      // one for each place, empty where the picture is good
  std::vector<PictureNotes> notes;      // likewise
  std::atomic<std::size_t> pieces = 0;  // that are not done
};

struct Piece {
  std::shared_ptr<Assembly> assembly;
  std::size_t begin = 0;
  std::size_t end = 0;
  bool last = false;  // of its batch, in the order in which pieces are given out
};

void check(const LoaderOptions& options, std::size_t images) {
  const auto wrong = [](const char* field, auto value) {
    fail(ErrorCode::kInvalidArgument, "loader", "{}: {} makes no sense", field, value);
  };
  constexpr std::size_t kMaxBatch = 1U << 20;
  constexpr int kMaxThreads = 1024;
  if (options.batch < 1 || options.batch > kMaxBatch) wrong("batch", options.batch);
  if (options.world_size < 1) wrong("world_size", options.world_size);
  if (options.rank < 0 || options.rank >= options.world_size) wrong("rank", options.rank);
  if (options.threads < 0 || options.threads > kMaxThreads) wrong("threads", options.threads);
  if (options.prefetch < 1) wrong("prefetch", options.prefetch);
  if (images == 0) fail(ErrorCode::kInvalidArgument, "loader", "there are no pictures");
  if (options.drop_last && images / options.batch < static_cast<std::size_t>(options.world_size)) {
    fail(ErrorCode::kInvalidArgument, "loader",
         "batch: {} pictures are fewer than a batch of {} for each of {} processes", images, options.batch,
         options.world_size);
  }
}

int thread_count(const LoaderOptions& options) {
  return options.threads == 0 ? available_processors() : options.threads;
}

// Small enough that all threads have something to do on the batch wanted next, large enough that taking a piece costs
// nothing beside the work.
std::size_t piece_size(const LoaderOptions& options) {
  constexpr std::size_t kMost = 16;
  const std::size_t parts = 4 * static_cast<std::size_t>(thread_count(options));
  return std::clamp<std::size_t>(options.batch / parts, 1, kMost);
}

}  // namespace

struct Loader::Impl {
  Impl(ImageSet set, LoaderOptions given)
      : options((check(given, set.size()), std::move(given))),
        images(std::move(set)),
        transform(options.preprocessing, options.augmentation, options.channels_last, options.max_pixels),
        division(images.size(), options.batch, options.rank, options.world_size, options.drop_last),
        piece(piece_size(options)),
        decoded(images, transform, options.decoded_memory),
        buffers(std::make_shared<Buffers>(options.batch * transform.layout().size())) {}

  // What the taker sees.
  LoaderOptions options;
  ImageSet images;
  Transform transform;
  Division division;
  std::size_t piece;
  DecodedImages decoded;
  std::shared_ptr<Buffers> buffers;
  std::uint64_t epoch = 0;
  std::size_t number = 0;  // of the batch that comes next
  std::uint64_t skipped = 0;

  // What those who work ahead see, one of them at a time.
  struct Ahead {
    std::uint64_t epoch = 0;
    std::size_t number = 0;
    std::size_t begin = 0;  // of the next piece in its batch
    std::shared_ptr<Assembly> assembly;
    std::vector<std::uint32_t> order;  // of the epoch; empty before its first batch, and where it is the set's own
  } ahead;

  std::unique_ptr<OrderedWork<Piece, Piece>> work;  // the last member: it ends before what it uses

  void begin_work() {
    ahead = {epoch, number, 0, nullptr, {}};
    const std::size_t pieces = (options.batch + piece - 1) / piece;
    work = std::make_unique<OrderedWork<Piece, Piece>>([this] { return std::optional(next_piece()); },
                                                       [this](Piece task) { return fill(std::move(task)); },
                                                       thread_count(options), options.prefetch * pieces);
  }

  // One batch after another, epoch after epoch.
  Piece next_piece() {
    if (!ahead.assembly) ahead.assembly = begin_batch();
    const std::size_t size = ahead.assembly->batch.size;
    const std::size_t begin = ahead.begin;
    const std::size_t end = std::min(begin + piece, size);
    Piece task{ahead.assembly, begin, end, end == size};
    ahead.begin = end;
    if (task.last) {
      ahead.assembly.reset();
      ahead.begin = 0;
      if (++ahead.number == division.batches()) {
        ahead.number = 0;
        ++ahead.epoch;
        ahead.order.clear();
      }
    }
    return task;
  }

  std::shared_ptr<Assembly> begin_batch() {
    if (options.shuffle && ahead.order.empty()) ahead.order = shuffled(images.size(), options.seed, ahead.epoch);
    const auto [begin, size] = division[ahead.number];
    auto assembly = std::make_shared<Assembly>();
    Batch& batch = assembly->batch;
    batch.epoch = ahead.epoch;
    batch.number = ahead.number;
    batch.size = size;
    batch.channels = transform.layout().channels;
    batch.height = transform.layout().height;
    batch.width = transform.layout().width;
    batch.pixels = buffers->take();
    for (std::size_t i = begin; i < begin + size; ++i) {
      const std::size_t image = options.shuffle ? ahead.order[i] : i;
      batch.images.push_back(image);
      batch.labels.push_back(images.label(image));
    }
    assembly->errors.resize(size);
    assembly->notes.resize(size);
    assembly->pieces = (size + piece - 1) / piece;
    return assembly;
  }

  Piece fill(Piece task) {
    Assembly& assembly = *task.assembly;
    const std::size_t size = transform.layout().size();
    for (std::size_t i = task.begin; i < task.end; ++i) {
      const std::size_t image = assembly.batch.images[i];
      try {
        make_picture(image, assembly.batch.epoch, {assembly.batch.pixels.get() + i * size, size}, assembly.notes[i]);
      } catch (const Error& error) {
        if (options.bad_images == BadImages::kFail) throw;
        assembly.errors[i] = one_line(error.what(), 1000);
      }
    }
    if (--assembly.pieces == 0) finish(assembly);
    return task;
  }

  void make_picture(std::size_t image, std::uint64_t in_epoch, std::span<float> out, PictureNotes& notes) {
    Random random(seed_of({options.seed, kPictureStream, in_epoch, image}));
    if (const Image* pixels = decoded.find(image))
      return transform.from_image(*pixels, images.path(image), random, out);
    const std::string path = images.path(image);
    const FileBytes file = images.read(image);
    if (decoded.enabled()) {
      if (std::optional<Image> pixels = transform.decode(file.bytes, path, &notes)) {
        transform.from_image(*pixels, path, random, out);
        decoded.keep(image, std::move(*pixels));
        return;
      }
    }
    transform.from_file(file.bytes, path, random, out, &notes);
  }

  // When all pictures are there: closes the gaps of bad ones, then mixes.
  void finish(Assembly& assembly) const {
    Batch& batch = assembly.batch;
    const std::size_t size = transform.layout().size();
    std::size_t kept = 0;
    for (std::size_t i = 0; i < batch.size; ++i) {
      if (!assembly.errors[i].empty()) {
        batch.bad.push_back({batch.images[i], std::move(assembly.errors[i])});
        continue;
      }
      const PictureNotes& notes = assembly.notes[i];
      if (notes.turned || notes.high_byte) batch.noted.push_back({batch.images[i], notes});
      if (kept != i) {
        std::memcpy(batch.pixels.get() + kept * size, batch.pixels.get() + i * size, size * sizeof(float));
        batch.images[kept] = batch.images[i];
        batch.labels[kept] = batch.labels[i];
      }
      ++kept;
    }
    batch.size = kept;
    batch.images.resize(kept);
    batch.labels.resize(kept);
    if (options.augmentation && kept > 0) mix(batch);
  }

  void mix(Batch& batch) const {
    const Augmentation& a = *options.augmentation;
    if (a.mixup == 0 && a.cutmix == 0) return;
    const auto rank = static_cast<std::uint64_t>(options.rank);
    Random random(seed_of({options.seed, kMixStream, batch.epoch, batch.number, rank}));
    const bool cut = a.mixup == 0 || (a.cutmix != 0 && random.below(2) == 1);
    const Layout& layout = transform.layout();
    const std::span<float> pixels(batch.pixels.get(), batch.size * layout.size());
    double weight = draw_beta(cut ? a.cutmix : a.mixup, random);
    if (cut) {
      const Window window = choose_cutmix(weight, layout.width, layout.height, random);
      cutmix(pixels, layout, window);
      weight = mixed_weight(window, layout.width, layout.height);
    } else {
      mixup(pixels, layout, weight);
    }
    batch.weight = static_cast<float>(weight);
    batch.other_labels = batch.labels;
    std::rotate(batch.other_labels.rbegin(), batch.other_labels.rbegin() + 1, batch.other_labels.rend());
  }
};

Loader::Loader(ImageSet images, LoaderOptions options)
    : impl_(std::make_unique<Impl>(std::move(images), std::move(options))) {}
Loader::~Loader() = default;

std::size_t Loader::batches() const noexcept { return impl_->division.batches(); }
std::uint64_t Loader::skipped() const noexcept { return impl_->skipped; }

void Loader::start(std::uint64_t epoch, std::size_t batch) {
  if (batch > batches()) {
    fail(ErrorCode::kInvalidArgument, "loader", "an epoch has {} batches, there is none with number {}", batches(),
         batch);
  }
  if (epoch == impl_->epoch && batch == impl_->number) return;
  if (epoch == impl_->epoch + 1 && batch == 0 && impl_->number == batches()) {  // as next() would find
    impl_->epoch = epoch;
    impl_->number = 0;
    return;
  }
  impl_->work.reset();
  impl_->epoch = epoch;
  impl_->number = batch;
}

std::optional<Batch> Loader::next() {
  Impl& impl = *impl_;
  if (impl.number == batches()) {
    impl.number = 0;
    ++impl.epoch;
    return std::nullopt;
  }
  if (!impl.work) impl.begin_work();
  try {
    for (;;) {
      const std::optional<Piece> done = impl.work->next();
      if (!done->last) continue;
      ++impl.number;
      Batch batch = std::move(done->assembly->batch);
      impl.skipped += batch.bad.size();
      return batch;
    }
  } catch (...) {
    impl.work.reset();  // the next call tries the same batch again
    throw;
  }
}

}  // namespace resnet
