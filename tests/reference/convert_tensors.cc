// convert_tensors IN OUT [CONTAINER]: all tensors of a file, or those whose path begins with "CONTAINER.", to
// .safetensors or a torch zip file. The parity tests look at the readers and writers through it.
#include <cstdio>
#include <string>
#include <utility>

#include "formats/safetensors.h"
#include "formats/torch_file.h"
#include "resnet/error.h"

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string out = argv[2];
  const std::string prefix = argc > 3 ? std::string(argv[3]) + "." : "";
  try {
    const resnet::TensorFile file = resnet::read_tensor_file(argv[1]);
    resnet::StateDict tensors;
    for (const auto& [name, tensor] : file.tensors) {
      if (name.starts_with(prefix)) tensors.add(name.substr(prefix.size()), tensor);
    }
    if (out.ends_with(".safetensors")) {
      resnet::write_safetensors(tensors, {{"format", file.format}}, out);
    } else {
      resnet::write_torch_file(tensors, out);
    }
  } catch (const resnet::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
