#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "formats/safetensors.h"
#include "formats/test_files.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;

class SafetensorsWriterTest : public FormatTest {
 protected:
  TensorFile round_trip(const StateDict& tensors, const std::map<std::string, std::string>& metadata) const {
    const std::string file = path("m.safetensors");
    write_safetensors(tensors, metadata, file);
    return read_safetensors(CheckedFile::open(file), file);
  }
};

Tensor bytes_tensor(DType type, const Shape& shape, std::span<const std::byte> bytes) {
  const std::size_t size = static_cast<std::size_t>(element_count(shape)) * size_in_bytes(type);
  return Tensor::view(type, shape, bytes.subspan(0, size), nullptr);
}

TEST_F(SafetensorsWriterTest, EveryTypeComesBackBitForBit) {
  std::vector<std::byte> bytes(256);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37);
  StateDict tensors;
  for (int type = 0; type <= static_cast<int>(DType::kBool); ++type) {
    tensors.add(fmt::format("t{}", type), bytes_tensor(static_cast<DType>(type), {3, 1, 7}, bytes));
  }
  tensors.add("empty", bytes_tensor(DType::kF32, {2, 0}, bytes));
  tensors.add("quote\" \\ \n caf\xC3\xA9", bytes_tensor(DType::kU8, {}, bytes));

  const TensorFile file = round_trip(tensors, {{"format", "pt"}, {"text", "a\n\"b\"\t\x01"}});
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"format", "pt"}, {"text", "a\n\"b\"\t\x01"}}));
  ASSERT_EQ(file.tensors.size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, expected] = tensors.begin()[i];
    const auto& [read_name, tensor] = file.tensors.begin()[i];
    EXPECT_EQ(read_name, name);
    EXPECT_EQ(tensor.dtype(), expected.dtype());
    EXPECT_EQ(tensor.shape(), expected.shape());
    EXPECT_TRUE(std::ranges::equal(tensor.bytes(), expected.bytes())) << name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes().data()) % size_in_bytes(tensor.dtype()), 0U) << name;
  }
}

TEST_F(SafetensorsWriterTest, TheSameTensorsGiveTheSameBytes) {
  StateDict tensors;
  tensors.add("b", Tensor::from(std::vector<float>{1, 2}, {2}));
  tensors.add("a", Tensor::zeros(DType::kI64, {}));
  write_safetensors(tensors, {{"z", "1"}, {"a", "2"}}, path("m.safetensors"));
  const std::string header =
      R"({"__metadata__":{"a":"2","z":"1"},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
      R"("a":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})";
  const std::string bytes = read(path("m.safetensors"));
  EXPECT_EQ(bytes.substr(8, header.size()), header);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0U);
  EXPECT_EQ(bytes.size(), 8 + length + 16);
  write_safetensors(tensors, {{"z", "1"}, {"a", "2"}}, path("again.safetensors"));
  EXPECT_EQ(read(path("again.safetensors")), bytes);
}

TEST_F(SafetensorsWriterTest, WritesNoTensors) {
  write_safetensors({}, {}, path("m.safetensors"));
  EXPECT_EQ(read(path("m.safetensors")).substr(8), "{}      ");
}

TEST_F(SafetensorsWriterTest, RefusesWhatReadersWouldRefuse) {
  const auto refusal = [&](const std::string& name, const std::string& value) {
    StateDict tensors;
    tensors.add(name, {});
    const std::string message = error_of(path("m"), [&] { write_safetensors(tensors, {{"k", value}}, path("m")); });
    EXPECT_FALSE(std::filesystem::exists(path("m")));
    return message;
  };
  EXPECT_EQ(refusal("__metadata__", ""), "a tensor cannot be named '__metadata__'");
  EXPECT_EQ(refusal("\xFF", ""), "'\\xff' is not UTF-8");
  EXPECT_THAT(refusal("a", std::string(1 << 20, 'x')), HasSubstr("is longer than a header may hold"));
}

}  // namespace
}  // namespace resnet
