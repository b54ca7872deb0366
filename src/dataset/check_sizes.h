// Whether all pictures of a set have the size of the network's input, where nothing resizes them: seen by their headers
// before any work, not when their turn comes.
#pragma once

#include <cstdint>

#include "dataset/image_set.h"
#include "dataset/loader.h"
#include "resnet/preprocessing.h"

namespace resnet {

// Does nothing where `how` resizes. Throws kMismatch, naming the first picture of another size, how many there are, and
// what would take them; what reading a file and its header throws. With BadImages::kSkip, which leaves such pictures
// out, only where no picture whose header can be read has the size. `threads` 0: one per processor.
void check_sizes(const ImageSet& images, const Preprocessing& how, BadImages bad, int threads);

}  // namespace resnet
