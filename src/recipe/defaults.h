// What a run takes where nobody says it: sizes of batches, learning rates and numbers of epochs that suit a small set
// and a machine without an accelerator.
#pragma once

#include <cstdint>

namespace resnet {

// Pictures a pass: 128, or 32 of pictures larger than 64 pixels a side, for their memory; never more than an eighth of
// the set, or a part of `accumulate` where that is more, so that an epoch has some steps; at least 2; a multiple of the
// number of processes.
std::int64_t fitting_batch(std::int64_t pictures, std::int64_t side, std::int64_t accumulate, std::int64_t processes);

// For SGD: 0.1 for 128 pictures a step or more, 0.04 for a network that has learned already; for fewer pictures less in
// proportion (Goyal et al. 2017, arXiv:1706.02677, section 2.1).
double fitting_lr(std::int64_t pictures_a_step, bool from_model);

// As many as end within an hour: 1 at least; 90 at most, or 15 of a network that has learned already.
std::int64_t fitting_epochs(double seconds_per_epoch, bool from_model);

// Of an epoch where the learner takes so many pictures a second: learning, then validation, which costs a third a
// picture, and a fifth more for reading and decoding.
double epoch_seconds(std::int64_t learned, std::int64_t validated, double images_per_second);

}  // namespace resnet
