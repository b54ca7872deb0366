#include <algorithm>

#include "base/error.h"
#include "formats/safetensors.h"
#include "formats/test_files.h"
#include "formats/torch_file.h"
#include "formats/zip_archive.h"

namespace resnet {
namespace {

class TorchWriterTest : public FormatTest {
 protected:
  TensorFile round_trip(const StateDict& tensors) const {
    write_torch_file(tensors, path("m.pth"));
    return read_tensor_file(path("m.pth"));
  }
};

TEST_F(TorchWriterTest, EveryTypeComesBackBitForBit) {
  std::vector<std::byte> bytes(256);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37);
  const auto add = [&](StateDict& tensors, const std::string& name, DType type, const Shape& shape) {
    const std::size_t size = static_cast<std::size_t>(element_count(shape)) * size_in_bytes(type);
    tensors.add(name, Tensor::view(type, shape, std::span(bytes).first(size), nullptr));
  };
  StateDict tensors;
  for (int type = 0; type <= static_cast<int>(DType::kBool); ++type) {
    add(tensors, fmt::format("t{}", type), static_cast<DType>(type), {3, 1, 7});
  }
  add(tensors, "empty", DType::kF32, {2, 0, 70'000});
  add(tensors, "scalar", DType::kI64, {});
  add(tensors, "caf\xC3\xA9\n", DType::kU8, {256});

  const TensorFile file = round_trip(tensors);
  EXPECT_EQ(file.format, "torch-zip");
  ASSERT_EQ(file.tensors.size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, expected] = tensors.begin()[i];
    const auto& [read_name, tensor] = file.tensors.begin()[i];
    EXPECT_EQ(read_name, name);
    EXPECT_EQ(tensor.dtype(), expected.dtype());
    EXPECT_EQ(tensor.shape(), expected.shape());
    EXPECT_TRUE(std::ranges::equal(tensor.bytes(), expected.bytes())) << name;
    if (tensor.count() > 0) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes().data()) % 64, 0U) << name;
    }
  }
}

TEST_F(TorchWriterTest, TheSameTensorsGiveTheSameBytes) {
  StateDict tensors;
  tensors.add("a", Tensor::from(std::vector<float>{1, 2}, {2}));
  write_torch_file(tensors, path("a.pth"));
  write_torch_file(tensors, path("b.pth"));
  EXPECT_EQ(read(path("a.pth")), read(path("b.pth")));
}

TEST_F(TorchWriterTest, WritesMoreEntriesThan16Bits) {
  StateDict tensors;
  for (int i = 0; i < 70'000; ++i) tensors.add(std::to_string(i), Tensor());
  write_torch_file(tensors, path("m.pth"));
  const std::string bytes = read(path("m.pth"));
  MemoryBudget budget(bytes.size(), path("m.pth"));
  const ZipArchive archive(CheckedFile::open(path("m.pth")), path("m.pth"), budget);
  EXPECT_EQ(archive.entries().size(), 70'003U);
}

TEST_F(TorchWriterTest, RefusesNamesThatAreNotUtf8) {
  StateDict tensors;
  tensors.add("\xFF", {});
  EXPECT_EQ(error_of(path("m"), [&] { write_torch_file(tensors, path("m")); }), "'\\xff' is not UTF-8");
  EXPECT_FALSE(std::filesystem::exists(path("m")));
}

class TensorFileTest : public FormatTest {
 protected:
  std::string refusal(const std::string& name, const std::string& bytes) const {
    const std::string file = write(name, bytes);
    return error_of(file, [&] { read_tensor_file(file); });
  }
};

TEST_F(TensorFileTest, TellsTheFormatByTheBytes) {
  StateDict tensors;
  tensors.add(std::string(640 - 49 - 4, 'x'), Tensor());
  write_safetensors(tensors, {}, path("a.pth"));  // its first two bytes are those of a pickle
  EXPECT_EQ(read(path("a.pth")).substr(0, 2), "\x80\x02");
  EXPECT_EQ(read_tensor_file(path("a.pth")).format, "safetensors");
  write_torch_file(tensors, path("a.safetensors"));
  EXPECT_EQ(read_tensor_file(path("a.safetensors")).format, "torch-zip");
}

TEST_F(TensorFileTest, RefusesOtherFiles) {
  const std::string neither =
      "neither a safetensors file nor one of PyTorch (.pth, .pt, .th, .bin), and no pickle, joblib or .npz file";
  EXPECT_EQ(refusal("m.pth", ""), "is empty: was the download cut short?");
  EXPECT_EQ(refusal("m.pth", "hello world"), "is text, not a model; it begins with 'hello world'");
  EXPECT_EQ(refusal("m.pth", "\x01\x02\xFF world"), neither);
  EXPECT_EQ(refusal("m.safetensors", "\xFFhell"), "5 bytes, too short for a safetensors file");
  EXPECT_THAT(refusal("m.safetensors", std::string(8, '\xFF') + "{}"), ::testing::HasSubstr("18446744073709551615"));
  EXPECT_EQ(refusal("m.pth", "\xFF\xD8\xFF\xE0 a photograph"),
            "is a picture, not a model: the model comes first, then the pictures");
}

TEST_F(TensorFileTest, NamesMissingFilesAndDirectories) {
  EXPECT_THAT(error_of(path("absent"), [&] { read_tensor_file(path("absent")); }),
              ::testing::HasSubstr("No such file"));
  EXPECT_EQ(error_of(path("."), [&] { read_tensor_file(path(".")); }), "is a directory, not a file");
}

}  // namespace
}  // namespace resnet
