// Files of tensors, whatever network they are of.
//
// Reads .safetensors and PyTorch's .pth/.pt/.th/.bin (zip and legacy pickle). A pickle may hold anything: its tensors
// and plain values are read, wherever they are; what it says of classes and functions is kept apart; nothing in it is
// ever executed.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "resnet/tensor.h"

namespace resnet {

// A dictionary, list or object of a pickle that holds tensors, not counting those of dictionaries inside it.
struct TensorContainer {
  std::string path;         // "" for the file's top
  std::string type;         // "dict", "list", "torchvision.models.resnet.ResNet"
  std::size_t tensors = 0;  // of a module all of its state dict
};

// A part of a pickle that is not read.
struct OpaquePart {
  std::string path;
  std::string type;  // "datetime.datetime", "torch.Tensor"
  std::string why;   // of a tensor and what is too much: why it is not read; "" for classes and functions nobody knows
};

// The tensors of a file as they stand there, and what it says beside them. Tensors of a .safetensors file, of an
// uncompressed torch zip or of a legacy file are views of the file, which is read as they are asked for; those that
// have to be unpacked or gathered are made then. So bytes that nobody wants cost nothing, and damage to them is told to
// who asks for them.
//
// What is not at the top of a pickle has a path: the keys of dictionaries, indices of lists and tuples and names of
// attributes that lead to it, joined by ".": "state_dict.layer1.0.conv1.weight", "optimizer.state.0.exp_avg". Keys that
// are no text stand as JSON would write them ("0", "[1,2]"), and one that is no plain value as "#" and its place. An
// object that stands in several places is there several times. Two tensors of one path are refused.
struct TensorFile {
  std::string format;                           // "safetensors", "torch-zip", "torch-legacy"
  StateDict tensors;                            // in the order of the file
  std::map<std::string, std::string> metadata;  // of safetensors
  std::map<std::string, std::string> values;    // numbers, text and lists and dictionaries of them: JSON by path
  std::vector<TensorContainer> containers;      // of pickles, in the order in which their first tensors stand
  std::vector<OpaquePart> opaque;
};

// The format is told by the bytes, not by the name. Throws kNotFound, kIo, kFormat, kLimit, kUnsupported; the place is
// "path: ..." with tensor or offset.
TensorFile read_tensor_file(const std::string& path);

}  // namespace resnet
