#include "train/reporting.h"

#include <fmt/format.h>

#include <algorithm>

namespace resnet {

void Reporting::notice(const std::string& text) const {
  if (hooks_.notice) hooks_.notice(text);
}

void Reporting::note_pictures(const Batch& batch, const ImageSet& images, bool is_first) {
  for (const BadImage& bad : batch.bad) {
    if (noted_.insert(bad.error).second) notice(bad.error);
  }
  if (!is_first) return;
  for (const NotedImage& noted : batch.noted) {
    for (const std::string& line : notices_.take(images.path(noted.image), noted.notes)) notice(line);
  }
}

void Reporting::note_skipped(const Loader& loader, std::int64_t epoch) {
  const std::uint64_t skipped = loader.skipped() - skipped_;
  skipped_ = loader.skipped();
  if (skipped > 0) notice(fmt::format("epoch {}: unreadable pictures left out: {}", epoch, skipped));
}

void Reporting::show_plan(const std::vector<PlanLine>& plan) const {
  if (hooks_.begin) hooks_.begin(plan);
}

void Reporting::show_look(std::int64_t seen, std::size_t pictures) const {
  const auto all = static_cast<std::int64_t>(pictures);
  if (hooks_.look) hooks_.look(std::min(seen, all), all);
}

void Reporting::begin_epoch() {
  begin_ = Clock::now();
  shown_ = 0;
}

void Reporting::show_batch(const Position& at) {
  ++shown_;
  if (!hooks_.step) return;
  const double per_batch = std::chrono::duration<double>(Clock::now() - begin_).count() / static_cast<double>(shown_);
  const std::int64_t epochs_left = epochs_ - at.epoch;
  const auto batches_left = static_cast<double>(epochs_left * batches_ - at.batch);
  hooks_.step({at.epoch + 1, epochs_, at.batch, batches_, at.mean_loss(), at.top1(), at.images_per_second(),
               per_batch * batches_left + validation_seconds_ * static_cast<double>(epochs_left)});
}

void Reporting::show_epoch(const EpochRecord& record) const {
  if (hooks_.epoch) hooks_.epoch(record);
}

}  // namespace resnet
