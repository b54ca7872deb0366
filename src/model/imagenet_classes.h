// What the 1,000 outputs of a network trained on ImageNet stand for: built in, because weight files rarely say it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace resnet {

// "tench", "goldfish", ...: 1,000 different names, in the order of the outputs.
const std::vector<std::string>& imagenet_class_names();

// "n01440764", "n01443537", ...: the WordNet synsets of the same classes, which name the folders of the data set.
const std::vector<std::string>& imagenet_wordnet_ids();

}  // namespace resnet
