#include "train/torch/tensors.h"

#include "base/error.h"

namespace resnet {
namespace {

struct TypePair {
  DType ours;
  torch::ScalarType theirs;
};

constexpr TypePair kTypes[] = {
    {DType::kF32, torch::kFloat},  {DType::kF16, torch::kHalf}, {DType::kBF16, torch::kBFloat16},
    {DType::kF64, torch::kDouble}, {DType::kI8, torch::kChar},  {DType::kI16, torch::kShort},
    {DType::kI32, torch::kInt},    {DType::kI64, torch::kLong}, {DType::kU8, torch::kByte},
    {DType::kBool, torch::kBool},
};

}  // namespace

Tensor from_torch(const torch::Tensor& tensor) {
  for (const auto& [ours, theirs] : kTypes) {
    if (theirs != tensor.scalar_type()) continue;
    const auto dense =
        std::make_shared<torch::Tensor>(tensor.detach().to(torch::kCPU).clone(at::MemoryFormat::Contiguous));
    const std::span bytes(static_cast<const std::byte*>(dense->const_data_ptr()), dense->nbytes());
    return Tensor::view(ours, tensor.sizes().vec(), bytes, dense);
  }
  fail(ErrorCode::kUnsupported, "tensor", "files do not hold {}", toString(tensor.scalar_type()));
}

void copy_to_torch(const Tensor& tensor, torch::Tensor& target, const std::string& name) {
  if (tensor.shape() != target.sizes().vec()) {
    fail(ErrorCode::kMismatch, name, "{}, not {}", to_string(tensor.shape()), to_string(target.sizes().vec()));
  }
  for (const auto& [ours, theirs] : kTypes) {
    if (ours != tensor.dtype()) continue;
    torch::Tensor source = torch::empty(tensor.shape(), theirs);
    const resnet::Tensor values = tensor.in_memory();
    std::memcpy(source.mutable_data_ptr(), values.bytes().data(), values.nbytes());  // bytes need not be aligned
    const torch::NoGradGuard no_grad;
    target.copy_(source);
    return;
  }
  fail(ErrorCode::kUnsupported, name, "{} has no counterpart in torch", resnet::name(tensor.dtype()));
}

}  // namespace resnet
