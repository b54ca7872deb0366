#include "formats/torch_file.h"

#include <algorithm>
#include <cstring>
#include <ctime>

#include "formats/test_archives.h"
#include "formats/test_files.h"
#include "formats/test_torch_files.h"

namespace resnet {
namespace {

using namespace std::string_literals;
using test::dict;
using test::global;
using test::integer;
using test::number;
using test::pickle;
using test::storage;
using test::tensor;
using test::text;
using test::torch_zip;
using test::tuple;
using ::testing::HasSubstr;

class TorchFileTest : public TorchFormatTest {};

TEST_F(TorchFileTest, ReadsWindowsOnAStorage) {
  EXPECT_EQ(ints(read_one(tensor(kStorage, 0, {2, 2}, {2, 1}))), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(ints(read_one(tensor(kStorage, 0, {2, 2}, {1, 2}))), (std::vector<int>{0, 2, 1, 3}));
  EXPECT_EQ(ints(read_one(tensor(kStorage, 1, {3}, {1}))), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(ints(read_one(tensor(kStorage, 0, {2}, {3}))), (std::vector<int>{0, 3}));
  EXPECT_EQ(ints(read_one(tensor(kStorage, 1, {2, 3}, {1, 0}))), (std::vector<int>{1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(ints(read_one(tensor(kStorage, 3, {1, 1}, {99, 7}))), (std::vector<int>{3}));
  EXPECT_EQ(ints(read_one(tensor(kStorage, 2, {}, {}))), (std::vector<int>{2}));
  EXPECT_EQ(read_one(tensor(kStorage, 0, {0, 5}, {5, 1})).shape(), (Shape{0, 5}));
}

TEST_F(TorchFileTest, DenseTensorsAreViewsThatOutliveTheReader) {
  const std::string bytes = torch_zip(pickle(dict(text("a") + tensor(kStorage, 1, {2}, {1}))), kFour);
  const std::string file = write("m.pth", bytes);
  auto opened = CheckedFile::open(file);
  const std::byte* begin = opened->range().data();
  const Tensor view = read_torch_file(opened, file).tensors.at("a");
  opened.reset();
  EXPECT_GE(view.bytes().data(), begin);
  EXPECT_LT(view.bytes().data(), begin + bytes.size());
  EXPECT_EQ(ints(view), (std::vector<int>{1, 2}));
}

TEST_F(TorchFileTest, KeepsTheOrderAndLeavesOutOtherValues) {
  const TensorFile file = read_bytes(torch_zip(pickle(dict(text("b") + tensor(kStorage, 0, {1}, {1}) + text("n") +
                                                           "K\1" + text("a") + tensor(kStorage, 1, {1}, {1}))),
                                               kFour));
  EXPECT_EQ(file.format, "torch-zip");
  EXPECT_EQ(file.values, (std::map<std::string, std::string>{{"n", "1"}}));
  ASSERT_EQ(file.containers.size(), 1U);
  EXPECT_EQ(file.containers[0].path + file.containers[0].type, "dict");
  EXPECT_EQ(file.containers[0].tensors, 2U);
  ASSERT_EQ(file.tensors.size(), 2U);
  EXPECT_EQ(file.tensors.begin()->first, "b");
}

TEST_F(TorchFileTest, RefusesTensorsBeyondTheirStorage) {
  EXPECT_EQ(refused(tensor(kStorage, 0, {5}, {1})), "tensor 'a': reaches to element 5 of a storage of 4");
  EXPECT_EQ(refused(tensor(kStorage, 1, {2, 2}, {2, 1})), "tensor 'a': reaches to element 5 of a storage of 4");
  EXPECT_EQ(refused(tensor(kStorage, 4, {}, {})), "tensor 'a': reaches to element 5 of a storage of 4");
  EXPECT_THAT(refused(tensor(kStorage, INT64_MAX, {2}, {INT64_MAX})),
              HasSubstr("reaches to element 18446744073709551615"));
  EXPECT_THAT(refused(tensor(kStorage, 0, {3, 2}, {INT64_MAX, INT64_MAX})), HasSubstr("reaches beyond its storage"));
}

TEST_F(TorchFileTest, RefusesNegativeNumbers) {
  EXPECT_EQ(refused(tensor(kStorage, 0, {2}, {-1})), "tensor 'a': a stride is negative or not a number");
  EXPECT_EQ(refused(tensor(kStorage, 0, {-2}, {1})), "tensor 'a': a size is negative or not a number");
  EXPECT_EQ(refused(tensor(kStorage, -1, {2}, {1})), "tensor 'a': its offset is negative or not a number");
  EXPECT_EQ(refused(tensor(storage("IntStorage", "0", -4), 0, {2}, {1})), "tensor 'a': a malformed storage");
}

TEST_F(TorchFileTest, RefusesOverflowingShapes) {
  EXPECT_EQ(refused(tensor(kStorage, 0, {INT64_MAX, 2}, {0, 0})),
            "tensor 'a': shape 9223372036854775807x2 is too large");
  EXPECT_THAT(refused(tensor(kStorage, 0, {INT64_MAX}, {0})), HasSubstr("is too large"));
  EXPECT_THAT(refused(tensor(storage("IntStorage", "0", INT64_MAX), 0, {2}, {1})), HasSubstr("a storage of"));
}

TEST_F(TorchFileTest, RefusesExpansionsBeyondItsMemory) {
  EXPECT_THAT(refused(tensor(kStorage, 0, {1 << 30}, {0})), HasSubstr("strided tensors need more memory"));
}

TEST_F(TorchFileTest, RefusesMalformedTensors) {
  const auto rebuild = [](const std::string& arguments) {
    return global("torch._utils", "_rebuild_tensor_v2") + "(" + arguments + "tR";
  };
  EXPECT_EQ(refused(rebuild("K\1K\2")), "tensor 'a': its record has 2 fields");
  EXPECT_EQ(refused(rebuild("NK\0)))"s)), "tensor 'a': has no storage");
  EXPECT_EQ(refused(rebuild(kStorage + "K\0NN"s)), "tensor 'a': its sizes are not a tuple");
  EXPECT_EQ(refused(tensor(kStorage, 0, {2}, {1, 1})), "tensor 'a': 1 sizes and 2 strides");
  EXPECT_EQ(ints(read_one(tensor(kStorage, 0, {2}, {1}, "}"))), (std::vector<int>{0, 1}));
  std::string ones = "(";
  for (int i = 0; i < 65; ++i) ones += "K\1";
  EXPECT_EQ(refused(rebuild(kStorage + "K\0"s + ones + "t)")), "tensor 'a': more than 64 dimensions");
  EXPECT_EQ(refused(rebuild("K\1K\2\x86QK\0))"s)), "tensor 'a': a persistent id that names no storage");
  EXPECT_THAT(refused(global("torch._utils", "_rebuild_tensor_v3") + "(" + kStorage + "K\0))NNNtR"s),
              HasSubstr("has a type that is not supported"));
  EXPECT_EQ(refused(tensor(kStorage, 0, {1}, {1}) + text("a") + tensor(kStorage, 0, {1}, {1})),
            "tensor 'a': is there twice");
}

TEST_F(TorchFileTest, RefusesStoragesThatDoNotFit) {
  EXPECT_EQ(refused(tensor(storage("IntStorage", "1", 4), 0, {2}, {1})), "storage '1' is missing");
  EXPECT_EQ(refused(tensor(storage("IntStorage", "../0", 4), 0, {2}, {1})), "storage '../0' is missing");
  EXPECT_EQ(refused(tensor(storage("IntStorage", "0", 3), 0, {2}, {1})),
            "storage '0' has 16 bytes, 3 elements of I32 were promised");
}

TEST_F(TorchFileTest, RefusesDamagedStorages) {
  std::string bytes = torch_zip(pickle(dict(text("a") + tensor(kStorage, 0, {4}, {1}))), kFour);
  bytes[bytes.find(kFour)] = 1;
  const TensorFile file = read_bytes(bytes);
  EXPECT_THAT(error_of(path("m.pth"), [&] { file.tensors.at("a").bytes(); }),
              HasSubstr("entry 'm/data/0': its bytes are damaged"));
  EXPECT_THAT(error_of(path("m.pth"), [&] { file.tensors.at("a").copy(); }), HasSubstr("its bytes are damaged"));
}

TEST_F(TorchFileTest, RefusesOtherArchives) {
  EXPECT_EQ(refusal(test::archive({{.name = "a/b", .data = "1"}})),
            "a zip archive without data.pkl: not one of PyTorch");
  EXPECT_EQ(refusal(test::archive({{.name = "data.pkl"}})), "a zip archive without data.pkl: not one of PyTorch");
  EXPECT_EQ(refusal(test::archive({{.name = "a/data.pkl"}, {.name = "b/data.pkl"}})), "has more than one data.pkl");
  EXPECT_EQ(refusal(test::archive({{.name = "a/data.pkl"}, {.name = "a/byteorder", .data = "big"}})),
            "written on a big-endian machine, whose files are not read: load and save it in PyTorch on this one");
  EXPECT_EQ(refusal(torch_zip(pickle("}") + "x")), "data.pkl: offset 4: 1 bytes after STOP");
}

TEST_F(TorchFileTest, RefusesTarsAndOtherFiles) {
  EXPECT_THAT(refusal(std::string(257, '\0') + "ustar  " + std::string(200, '\0')),
              HasSubstr("the tar archive is cut short"));
  EXPECT_THAT(refusal("hello"), HasSubstr("neither a zip archive nor a pickle"));
  EXPECT_THAT(refusal(""), HasSubstr("neither a zip archive nor a pickle"));
}

// What a hostile pickle takes before it is refused: at most the file's size and 16 MiB.
TEST_F(TorchFileTest, HostilePicklesStaySmall) {
  if (kSanitized) GTEST_SKIP() << "memory is not measured under a sanitizer";
  constexpr std::size_t kSize = 8 << 20;
  std::string memo = "N";
  for (std::size_t i = 0; memo.size() < kSize; ++i) memo += "r" + number(i * 50, 4);
  std::string tensors = "}(";
  for (std::size_t i = 0; tensors.size() < kSize; ++i)
    tensors += text(std::to_string(i)) + tensor(kStorage, 0, {4}, {1});
  for (const std::string& program :
       {std::string(kSize, '('), std::string(kSize, ']'), "(" + std::string(kSize, ')') + "t",
        ")" + std::string(kSize, '\x85'), memo, tensors + "u"}) {
    const std::string file = write("m.pth", torch_zip(pickle(program), kFour));
    clear_peak();
    const std::size_t before = peak_memory();
    EXPECT_NE(error_of(file, [&] { read_torch_file(CheckedFile::open(file), file); }), "");
    EXPECT_LT(peak_memory() - before, kSize + (16U << 20)) << program.substr(0, 4);
  }
}

TEST_F(TorchFileTest, HostilePicklesAreQuick) {
  // 30,000 parameters, each of the one before, and 45,000 names for the last of them.
  std::string parameters = global("torch._utils", "_rebuild_parameter") + "q" + number(0, 1) + "0N";
  for (int i = 0; i < 30'000; ++i)
    parameters +=
        "q\1"
        "0h" +
        number(0, 1) + "h\1\x85R";
  parameters +=
      "q\1"
      "0}(";
  for (int i = 0; i < 45'000; ++i) parameters += "K\1h\1";
  // A tensor that repeats one byte 12 million times along one dimension and has 63 others of size 1.
  std::string sizes = "(" + integer(12'000'000);
  std::string strides = "(" + integer(0);
  for (int i = 0; i < 63; ++i) sizes += "K\1", strides += "K\1";
  const std::string repeated = global("torch._utils", "_rebuild_tensor_v2") + "(" + storage("ByteStorage", "0", 16) +
                               integer(0) + sizes + "t" + strides + "t\x89" + test::ordered_dict() + "tR";

  const std::clock_t start = std::clock();
  EXPECT_THAT(refusal(torch_zip(pickle(parameters + "u"), kFour)), HasSubstr("a parameter that is no tensor"));
  EXPECT_EQ(read_one(repeated).bytes().size(), 12'000'000U);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  if (kSanitized) GTEST_SKIP() << "time is not measured under a sanitizer";
  EXPECT_LT(seconds, 1.0);
}

// ---- The legacy stream

const std::string kMagic = pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
const std::string kProtocol = pickle("M\xE9\x03");
const std::string kMachine = pickle(dict(text("little_endian") + "\x88"));

std::string legacy(const std::string& object, const std::string& keys, const std::string& rest) {
  return kMagic + kProtocol + kMachine + pickle(object) + pickle(keys) + rest;
}

std::string legacy_of(const std::string& value) {
  return legacy(dict(text("a") + value), "]" + text("0") + "a", number(4, 8) + kFour);
}

TEST_F(TorchFileTest, ReadsLegacyStreams) {
  const std::string none = storage("IntStorage", "0", 4, "N");
  EXPECT_EQ(ints(read_bytes(legacy_of(tensor(none, 1, {2}, {2}))).tensors.at("a")), (std::vector<int>{1, 3}));
  EXPECT_EQ(read_bytes(legacy_of(tensor(none, 1, {2}, {2}))).format, "torch-legacy");
  const std::string view = storage("IntStorage", "0", 4, "(" + text("v") + integer(1) + integer(2) + "t");
  EXPECT_EQ(ints(read_bytes(legacy_of(tensor(view, 0, {2}, {1}))).tensors.at("a")), (std::vector<int>{1, 2}));
  EXPECT_THAT(refusal(legacy_of(tensor(view, 1, {2}, {1}))), HasSubstr("reaches to element 3 of a storage of 2"));
  const std::string v1 =
      global("torch._utils", "_rebuild_tensor") + "(" + none + integer(0) + tuple({4}) + tuple({1}) + "tR";
  EXPECT_EQ(read_bytes(legacy_of(v1)).tensors.at("a").count(), 4);
}

TEST_F(TorchFileTest, RefusesEveryPrefixOfALegacyStream) {
  const std::string whole = legacy_of(tensor(kStorage, 0, {4}, {1}));
  EXPECT_EQ(read_bytes(whole).tensors.size(), 1U);
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_NE(refusal(whole.substr(0, size)), "") << size;
}

TEST_F(TorchFileTest, RefusesOtherPickles) {
  EXPECT_EQ(refusal(pickle("K\1") + kProtocol), "offset 5: 6 bytes after the pickle");
  EXPECT_THAT(refusal(kMagic + pickle("K\1") + kMachine), HasSubstr("of another protocol than 1001"));
  EXPECT_THAT(refusal(kMagic + kProtocol + pickle(dict(text("little_endian") + "\x89"))), HasSubstr("big-endian"));
  EXPECT_THAT(refusal(kMagic + kProtocol + pickle("}")), HasSubstr("does not say its byte order"));
}

TEST_F(TorchFileTest, RefusesLegacyStoragesThatDoNotFit) {
  const std::string object = dict(text("a") + tensor(kStorage, 0, {4}, {1}));
  const std::string data = number(4, 8) + kFour;
  const std::string key = "]" + text("0") + "a";
  EXPECT_THAT(refusal(legacy(object, "N", data)), HasSubstr("no list of storages"));
  EXPECT_THAT(refusal(legacy(object, "]", "")), HasSubstr("storage '0' is missing"));
  EXPECT_THAT(refusal(legacy(object, "]" + text("1") + "a", data)), HasSubstr("a storage that no tensor names"));
  EXPECT_THAT(refusal(legacy(object, key + text("0") + "a", data + data)), HasSubstr("or one twice"));
  EXPECT_THAT(refusal(legacy(object, key, number(5, 8) + kFour)), HasSubstr("has 5 elements instead of 4"));
  EXPECT_THAT(refusal(legacy(object, key, data + "x")), HasSubstr("1 bytes after the last storage"));
  const std::string other = text("b") + tensor(storage("LongStorage", "0", 2), 0, {2}, {1});
  EXPECT_THAT(refusal(legacy(dict(text("a") + tensor(kStorage, 0, {4}, {1}) + other), key, data)),
              HasSubstr("storage '0' is described in two ways"));
  const std::string view = storage("IntStorage", "0", 4, "(" + text("v") + integer(3) + integer(2) + "t");
  EXPECT_THAT(refusal(legacy_of(tensor(view, 0, {2}, {1}))), HasSubstr("a view beyond its storage '0'"));
}

// ---- Files that PyTorch wrote (tests/reference/make_weights_golden.py)

std::vector<std::byte> pattern(DType type, std::size_t count) {
  std::vector<std::byte> bytes(count * size_in_bytes(type));
  for (std::size_t j = 0; j < bytes.size(); ++j) {
    bytes[j] = static_cast<std::byte>(type == DType::kBool ? j % 2 : (7 * j + 3) % 251);
  }
  return bytes;
}

void check_golden(const TensorFile& file, const std::string& format, const std::string& prefix = "") {
  const std::vector<std::pair<std::string, DType>> all = {
      {"float32", DType::kF32}, {"float16", DType::kF16}, {"bfloat16", DType::kBF16}, {"float64", DType::kF64},
      {"int8", DType::kI8},     {"int16", DType::kI16},   {"int32", DType::kI32},     {"int64", DType::kI64},
      {"uint8", DType::kU8},    {"bool", DType::kBool},   {"uint16", DType::kU16},    {"uint32", DType::kU32},
      {"uint64", DType::kU64}};
  EXPECT_EQ(file.format, format);
  const auto tensor = [&](const char* name) { return file.tensors.at(prefix + name); };
  const std::size_t types = file.tensors.contains("uint64") ? 13 : 10;
  EXPECT_EQ(file.tensors.size(), types + 6 + (prefix.empty() ? 0 : 1));
  for (std::size_t i = 0; i < types; ++i) {
    const auto& [name, values] = file.tensors.begin()[i + (prefix.empty() ? 0 : 1)];
    EXPECT_EQ(name, prefix + all[i].first);
    EXPECT_EQ(values.dtype(), all[i].second);
    EXPECT_EQ(values.shape(), (Shape{3, 5}));
    EXPECT_TRUE(std::ranges::equal(values.bytes(), pattern(values.dtype(), 15))) << name;
  }
  EXPECT_EQ(tensor("scalar").shape(), Shape{});
  EXPECT_EQ(tensor("empty").shape(), (Shape{0, 4}));
  EXPECT_EQ(tensor("parameter").count(), 2);
  const std::vector<std::byte> shared = pattern(DType::kI32, 10);
  EXPECT_TRUE(std::ranges::equal(tensor("front").bytes(), std::span(shared).first(24)));
  EXPECT_TRUE(std::ranges::equal(tensor("back").bytes(), std::span(shared).subspan(24)));
  const std::vector<std::byte> plain = pattern(DType::kI16, 6);
  const Tensor transposed = tensor("transposed");
  EXPECT_EQ(transposed.shape(), (Shape{3, 2}));
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      for (std::size_t b = 0; b < 2; ++b)
        EXPECT_EQ(transposed.bytes()[(i * 2 + j) * 2 + b], plain[(j * 3 + i) * 2 + b]);
    }
  }
}

std::string golden(const std::string& name) { return RESNET_SOURCE_DIR "/tests/golden/weights/" + name; }

TEST_F(TorchFileTest, ReadsFilesOfPyTorch) {
  check_golden(read_tensor_file(golden("zip.pth")), "torch-zip");
  check_golden(read_tensor_file(golden("deflated.pth")), "torch-zip");
  check_golden(read_tensor_file(golden("legacy.pth")), "torch-legacy");
  const TensorFile checkpoint = read_tensor_file(golden("checkpoint.pth"));
  check_golden(checkpoint, "torch-zip", "model.");
  EXPECT_EQ(checkpoint.tensors.begin()->first, "model_ema.a");
  EXPECT_EQ(checkpoint.values.at("epoch"), "3");
  EXPECT_EQ(checkpoint.values.at("args.lr"), "0.1");
  EXPECT_EQ(checkpoint.values.at("optimizer"), R"({"state":{},"param_groups":[{"lr":0.1}]})");
  EXPECT_TRUE(checkpoint.opaque.empty());
}

TEST_F(TorchFileTest, RefusesEveryPrefixOfFilesOfPyTorch) {
  for (const char* name : {"zip.pth", "deflated.pth", "legacy.pth"}) {
    const std::string whole = read(golden(name));
    for (std::size_t size = 0; size < whole.size(); size += 41) EXPECT_NE(refusal(whole.substr(0, size)), "") << size;
  }
}

TEST_F(TorchFileTest, ReadsThirdPartyWeights) {
  const char* data = std::getenv("RESNET_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "RESNET_TEST_DATA is not set";
  const TensorFile file = read_tensor_file(std::string(data) + "/weights/resnet20-12fca82f.th");
  EXPECT_EQ(file.format, "torch-legacy");
  EXPECT_EQ(file.tensors.at("state_dict.module.conv1.weight").shape(), (Shape{16, 3, 3, 3}));
  EXPECT_EQ(file.tensors.at("state_dict.module.linear.weight").shape(), (Shape{10, 64}));
}

}  // namespace
}  // namespace resnet
