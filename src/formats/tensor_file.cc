#include <algorithm>
#include <string>

#include "base/checked_file.h"
#include "base/error.h"
#include "formats/foreign_files.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"
#include "resnet/tensor_file.h"

namespace resnet {

TensorFile read_tensor_file(const std::string& path) {
  constexpr std::size_t kMagic = 512;  // bytes that tell the formats apart
  const std::shared_ptr<const CheckedFile> file = CheckedFile::open(path);
  const std::span<const std::byte> bytes = file->load(file->range().first(std::min(file->size(), kMagic)));
  // A safetensors header of 640 bytes begins as a pickle does, so it is asked for first.
  if (looks_like_safetensors(bytes)) return read_safetensors(file, path);
  if (looks_like_torch(bytes)) return read_torch_file(file, path);
  if (bytes.empty()) fail(ErrorCode::kFormat, path, "is empty: was the download cut short?");
  if (const auto what = foreign_file(*file, path)) fail(ErrorCode::kUnsupported, path, "{}", *what);
  if (path.ends_with(".safetensors")) return read_safetensors(file, path);  // which says what is wrong
  fail(ErrorCode::kFormat, path,
       "neither a safetensors file nor one of PyTorch (.pth, .pt, .th, .bin), and no pickle, joblib or .npz file");
}

}  // namespace resnet
