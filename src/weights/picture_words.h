// How pictures are to be prepared, as the configurations of timm and of Hugging Face's libraries say it.
#pragma once

#include "weights/word_values.h"

namespace resnet {

// timm's pretrained_cfg: the size, of which the crop is a share (timm/data/transforms_factory.py,
// transforms_imagenet_eval). Nothing where it says too little, or what has no counterpart here.
std::optional<Preprocessing> timm_preprocessing(const WordJson& config, int channels);

// preprocessor_config.json of Hugging Face's image processors: ConvNext's resizes to size / crop_pct below 384 and
// crops; others resize the shorter side and crop where they are told to. Nothing for one that does not keep the sides'
// ratio, which has no counterpart here.
std::optional<Preprocessing> hugging_face_preprocessing(const WordJson& config, int channels);

}  // namespace resnet
