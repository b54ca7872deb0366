// convert_tensors IN OUT [all]: the network's tensors of a model file, or all of them, to .safetensors or a torch zip
// file. The parity tests look at the readers and writers through it.
#include <cstdio>
#include <string>

#include "formats/safetensors.h"
#include "formats/torch_file.h"
#include "resnet/error.h"
#include "weights/find_network.h"

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string out = argv[2];
  try {
    resnet::TensorFile file = resnet::read_tensor_file(argv[1]);
    const std::string container = argc > 3 ? "" : resnet::find_network(file, argv[1]);
    if (out.ends_with(".safetensors")) {
      resnet::write_safetensors(file.tensors, {{"format", file.format}, {"container", container}}, out);
    } else {
      resnet::write_torch_file(file.tensors, out);
    }
  } catch (const resnet::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
