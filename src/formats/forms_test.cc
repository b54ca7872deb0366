// One small network in every packaging: files that PyTorch, NumPy and joblib wrote
// (tests/reference/make_forms_golden.py).
#include <algorithm>

#include "formats/test_archives.h"
#include "formats/test_files.h"
#include "formats/test_torch_files.h"
#include "resnet/tensor_file.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;

std::string form(const std::string& name) { return RESNET_SOURCE_DIR "/tests/golden/weights/forms/" + name; }

std::string opaque_of(const TensorFile& file) {
  std::string parts;
  for (const OpaquePart& part : file.opaque) {
    parts += part.path + ": " + part.type + (part.why.empty() ? "" : " " + part.why) + "\n";
  }
  return parts;
}

// The file holds the tensors of state_dict.pth under `prefix`, to the bit and in their order.
TensorFile check(const std::string& name, const std::string& format, const std::string& prefix = "") {
  SCOPED_TRACE(name);
  const TensorFile wanted = read_tensor_file(form("state_dict.pth"));
  TensorFile file = read_tensor_file(form(name));
  EXPECT_EQ(file.format, format);
  EXPECT_EQ(wanted.tensors.size(), 6U);
  std::string order;
  for (const auto& [path, tensor] : file.tensors) {
    if (path.starts_with(prefix)) order += path.substr(prefix.size()) + " ";
  }
  EXPECT_THAT(order, ::testing::StartsWith(names_of(wanted)));
  for (const auto& [path, tensor] : wanted.tensors) {
    const Tensor* found = file.tensors.find(prefix + path);
    if (found == nullptr) {
      ADD_FAILURE() << path << " is not there";
      continue;
    }
    EXPECT_EQ(found->dtype(), tensor.dtype()) << path;
    EXPECT_EQ(found->shape(), tensor.shape()) << path;
    EXPECT_TRUE(std::ranges::equal(found->bytes(), tensor.bytes())) << path;
  }
  return file;
}

TEST(FormsTest, ReadsPickles) {
  for (int protocol = 0; protocol < 6; ++protocol) {
    check("tensors" + std::to_string(protocol) + ".pkl", "pickle");
    check("arrays" + std::to_string(protocol) + ".pkl", "pickle");
  }
}

TEST(FormsTest, ReadsFilesOfJoblib) {
  check("arrays.joblib", "pickle");
  check("arrays.z", "pickle");
  check("tensors.joblib", "pickle");
}

TEST(FormsTest, ReadsArchivesOfNumPy) {
  check("arrays.npz", "npz");
  check("compressed.npz", "npz");
}

TEST(FormsTest, ReadsTarsOfPyTorch01) { check("tar.pth", "torch-tar"); }

TEST(FormsTest, ReadsWholeModules) {
  for (const auto& [name, format] :
       {std::pair("module.pth", "torch-zip"), std::pair("module_legacy.pth", "torch-legacy")}) {
    const TensorFile file = check(name, format);
    EXPECT_EQ(file.tensors.size(), 6U);
    EXPECT_EQ(file.values.at("__class__"), "\"torch.nn.modules.container.Sequential\"");
    EXPECT_EQ(file.values.at("conv.__class__"), "\"torch.nn.modules.conv.Conv2d\"");
    EXPECT_EQ(file.values.at("conv.stride"), "[2,2]");
    EXPECT_EQ(file.values.at("conv.padding"), "[0,1]");
    EXPECT_EQ(file.values.at("bn.eps"), "0.001");
    EXPECT_EQ(file.values.at("act.negative_slope"), "0.2");
    EXPECT_FALSE(file.values.contains("conv._backward_hooks"));
    ASSERT_EQ(file.containers.size(), 1U);
    EXPECT_EQ(file.containers[0].type, "torch.nn.modules.container.Sequential");
    EXPECT_EQ(file.containers[0].tensors, 6U);
    EXPECT_EQ(opaque_of(file), "");
  }
}

TEST(FormsTest, ReadsModulesWithinOthers) {
  const TensorFile file = check("wrapped.pth", "torch-zip", "net.0.module.");
  EXPECT_EQ(file.values.at("net.0.__class__"), "\"torch.nn.parallel.data_parallel.DataParallel\"");
  EXPECT_EQ(file.values.at("net.1.rate"), "0.5");
  EXPECT_EQ(file.values.at("epoch"), "3");
  EXPECT_EQ(file.tensors.size(), 7U);
  EXPECT_EQ(file.tensors.at("net.1.shown").count(), 2);
  EXPECT_THAT(opaque_of(file), HasSubstr("net.1.hidden: torch.Tensor is a buffer that a state dict leaves out\n"));
  EXPECT_THAT(opaque_of(file), HasSubstr("net.1.loose: torch.Tensor is an attribute that a state dict leaves out\n"));
}

TEST(FormsTest, ReadsWhatStandsBesideANetwork) {
  const TensorFile file = check("everything.pth", "torch-zip", "nested.0.0.weights.");
  EXPECT_EQ(file.values.at("best"), "0.5");
  EXPECT_EQ(file.values.at("7"), R"({"a":[1,2]})");
  EXPECT_EQ(file.tensors.at("mean").dtype(), DType::kF64);
  EXPECT_THAT(file.values.at("optimizer.defaults"), HasSubstr("\"momentum\":0.9"));
  EXPECT_EQ(opaque_of(file),
            "optimizer: torch.optim.sgd.SGD\n"
            "when: datetime.date\n"
            "loss: functools.partial\n"
            "loss.args.0: __builtin__.max\n"
            "loss.state.0: __builtin__.max\n"
            "odd: torch.Tensor its values are of the type torch.ComplexFloatStorage, which is not read\n"
            "fp8: torch.Tensor its values are of the type torch.float8_e4m3fn, which is not read\n"
            "sparse: torch.Tensor is made by torch._utils._rebuild_sparse_tensor\n"
            "quantized: torch.Tensor is made by torch._utils._rebuild_qtensor\n"
            "meta: torch.Tensor is made by torch._utils._rebuild_meta_tensor_no_storage\n");
}

TEST(FormsTest, ReadsTorchScript) {
  for (const char* name : {"scripted.pt", "traced.pt"}) {
    const TensorFile file = check(name, "torchscript");
    EXPECT_THAT(file.values.at("bn.__class__"), HasSubstr("__torch__.torch.nn.modules.batchnorm"));
    EXPECT_TRUE(std::ranges::any_of(file.values, [](const auto& value) {
      return value.first.starts_with("code/__torch__/") && value.second.find("class BatchNorm2d") != std::string::npos;
    }));
    ASSERT_FALSE(file.containers.empty());
    EXPECT_EQ(file.containers[0].tensors, 6U);
  }
}

// PyTorch before 2.8 put a file of torch.save() into the archive.
TEST_F(FormatTest, FormsOfOldPrograms) {
  const std::string state = read(form("state_dict.pth"));
  const std::string file = write("old.pt2", test::archive({{.name = "serialized_exported_program.json", .data = "{}"},
                                                           {.name = "serialized_state_dict.pt", .data = state}}));
  const TensorFile found = read_tensor_file(file);
  EXPECT_EQ(found.format, "torch-export");
  EXPECT_EQ(names_of(found), names_of(read_tensor_file(form("state_dict.pth"))));
  const std::string nested =
      write("nested.pt2", test::archive({{.name = "serialized_state_dict.pt", .data = read(file)}}));
  EXPECT_THAT(error_of(nested, [&] { read_tensor_file(nested); }), HasSubstr("a zip archive")) << "one in another";
}

TEST(FormsTest, ReadsProgramsOfTorchExport) {
  const TensorFile file = check("program.pt2", "torch-export");
  EXPECT_THAT(file.values.at("models/model.json"), HasSubstr("torch.ops.aten.batch_norm"));
  EXPECT_EQ(file.containers.at(0).tensors, 6U);
}

// Every part of every file: refused with an error, or read.
TEST_F(FormatTest, FormsThatAreCutShort) {
  for (const char* name : {"arrays0.pkl", "arrays5.pkl", "tensors2.pkl", "arrays.joblib", "arrays.z", "arrays.npz",
                           "tar.pth", "module.pth", "traced.pt", "program.pt2"}) {
    const std::string whole = read(form(name));
    for (std::size_t size = 4; size < whole.size(); size += 37) {
      const std::string file = write("cut", whole.substr(0, size));
      EXPECT_NE(error_of(file, [&] { read_tensor_file(file); }), "") << name << size;
    }
  }
}

}  // namespace
}  // namespace resnet
