#include "weights/habits.h"

#include "weights/word_values.h"

namespace resnet {
namespace {

constexpr float kByte = 255;

// Values of 0..255 from which a mean was taken, blue first.
Preprocessing bytes_of_bgr(std::vector<float> mean, std::vector<float> std) {
  Preprocessing how = preset(Preset::kTorchvision);
  how.channels = ChannelOrder::kBgr;
  how.mean = std::move(mean);
  how.std = std::move(std);
  for (std::vector<float>* list : {&how.mean, &how.std}) {
    for (float& value : *list) value /= kByte;
  }
  return how;
}

// Models of MSRA stride on the first 1x1, those of FAIR with groups do not.
void stride_as_msra(const Architecture& architecture, Habits& habits) {
  if (architecture.block != Block::kBottleneck) return;
  habits.changes.set(&Architecture::stride_on_first, architecture.groups == 1);
}

}  // namespace

Habits habits_of(const TensorFile& file, const Finding& finding, const Architecture& architecture,
                 const std::vector<float>& mean) {
  Habits habits;
  const bool caffe = finding.names == "Caffe";
  const bool detectron = finding.names == "Detectron" || finding.names == "detectron2";
  if (!caffe && !detectron) return habits;
  const WordJson author = value_at(file, "__author__");
  const bool red_first = mean.size() == 3 && mean[0] > mean[2];
  if (red_first || (author.is_string() && author == "torchvision")) return habits;  // converted from PyTorch's
  stride_as_msra(architecture, habits);
  if (caffe) habits.changes.set(&Architecture::stem_pool, StemPool::kMaxCeil);
  if (architecture.in_channels != 3) return habits;
  const std::vector<float> one = {1, 1, 1};
  if (caffe) {
    habits.preprocessing = bytes_of_bgr({103.939F, 116.779F, 123.68F}, one);
  } else {
    const bool scaled = finding.names == "detectron2" && architecture.groups > 1;
    const std::vector<float> std = {57.375F, 57.12F, 58.395F};
    habits.preprocessing = bytes_of_bgr({103.53F, 116.28F, 123.675F}, scaled ? std : one);
  }
  return habits;
}

}  // namespace resnet
