#include "formats/torch_file.h"

#include <algorithm>
#include <cstring>
#include <ctime>

#include "formats/test_archives.h"
#include "formats/test_files.h"

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

const std::string kFour("\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0", 16);  // four IntStorage elements: 0, 1, 2, 3

class TorchFileTest : public FormatTest {
 protected:
  TensorFile read_bytes(const std::string& bytes) const { return read_torch_file(file_of_bytes(bytes), path("m.pth")); }
  std::string refusal(const std::string& bytes) const {
    return error_of(path("m.pth"), [&] { read_bytes(bytes); });
  }
  // Tensor 'a' on a storage of four 32-bit integers.
  std::string refused(const std::string& value) const {
    return refusal(torch_zip(pickle(dict(text("a") + value)), kFour));
  }
  Tensor read_one(const std::string& value) const {
    return read_bytes(torch_zip(pickle(dict(text("a") + value)), kFour)).tensors.at("a");
  }
};

std::vector<int> ints(const Tensor& tensor) {
  std::vector<int> values(tensor.bytes().size() / 4);
  std::memcpy(values.data(), tensor.bytes().data(), tensor.bytes().size());
  return values;
}

const std::string kStorage = storage("IntStorage", "0", 4);

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

std::string names_of(const TensorFile& file) {
  std::string names;
  for (const auto& [name, tensor] : file.tensors) names += name + " ";
  return names;
}

std::string opaque_of(const TensorFile& file) {
  std::string parts;
  for (const OpaquePart& part : file.opaque) {
    parts += fmt::format("{}: {}{}{}; ", part.path, part.type, part.why.empty() ? "" : " ", part.why);
  }
  return parts;
}

TEST_F(TorchFileTest, NamesTensorsByTheirPaths) {
  const std::string one = tensor(kStorage, 1, {1}, {1});
  const auto names = [&](const std::string& object) { return names_of(read_bytes(torch_zip(pickle(object), kFour))); };
  EXPECT_EQ(names(one), "tensor ");
  EXPECT_EQ(names("(" + one + one + "t"), "0 1 ");
  EXPECT_EQ(names("]" + dict(text("a") + one) + "a"), "0.a ");
  EXPECT_EQ(names(dict(text("m") + dict(text("a.b") + one + text("c") + "](" + one + one + "e"))),
            "m.a.b m.c.0 m.c.1 ");
  EXPECT_EQ(names(dict("K\7" + one + "\x88" + one + "N" + one + "K\1K\2\x86" + one)), "7 true null [1,2] ");
  EXPECT_EQ(names(dict(test::ordered_dict() + one + "U\1\xFF" + one)), "#0 \\xff ");
  EXPECT_EQ(names(dict(text("d") + dict(text("a") + one) + "q\1" + text("e") + "h\1")), "d.a e.a ") << "shared";
  EXPECT_EQ(names("}q\1(" + text("self") + "h\1" + text("a") + one + "u"), "self.a a ") << "a circle ends";
}

TEST_F(TorchFileTest, ListsContainers) {
  const std::string one = tensor(kStorage, 1, {1}, {1});
  const TensorFile file = read_bytes(
      torch_zip(pickle(dict(text("n") + dict(text("x") + "K\1") + text("m") +
                            dict(text("a") + one + text("l") + "]" + one + "a" + text("b") + one) + text("c") + one)),
                kFour));
  std::string listed;
  for (const TensorContainer& c : file.containers) listed += fmt::format("{}:{}:{} ", c.path, c.type, c.tensors);
  EXPECT_EQ(listed, "m:dict:2 m.l:list:1 :dict:1 ");
}

TEST_F(TorchFileTest, KeepsPlainValuesAsJson) {
  const std::string one = tensor(kStorage, 1, {1}, {1});
  const auto values = [&](const std::string& value) {
    const TensorFile file = read_bytes(torch_zip(pickle(dict(text("v") + value)), kFour));
    std::string all = opaque_of(file);
    for (const auto& [path, json] : file.values) all += fmt::format("{}={} ", path, json);
    return all;
  };
  const std::string nan = "G\x7F\xF8\0\0\0\0\0\0"s;
  EXPECT_EQ(values("N"), "v=null ");
  EXPECT_EQ(values("G\x3F\xB9\x99\x99\x99\x99\x99\x9A"), "v=0.1 ");
  EXPECT_EQ(values(nan), "v=\"nan\" ");
  EXPECT_EQ(values(text("a\"\n")), "v=\"a\\\"\\n\" ");
  EXPECT_EQ(values("\x8a\x09\0\0\0\0\0\0\0\0\1"s), "v=\"0x10000000000000000\" ");
  EXPECT_EQ(values("\x8a\x09\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"s), "v=\"-0x10000000000000001\" ");
  EXPECT_EQ(values(dict(text("cat") + "K\0"s + "K\1" + "](K\1N\x88" + "e" + "K\1K\2\x86" + ")")),
            "v={\"cat\":0,\"1\":[1,null,true],\"[1,2]\":[]} ");
  EXPECT_EQ(values(global("__builtin__", "set") + "](K\1K\2e\x85R"), "v=[1,2] ");
  EXPECT_EQ(values(global("__builtin__", "frozenset") + ")R"), "v=[] ");
  EXPECT_EQ(values(global("torch", "Size") + "K\1K\2\x86\x85R"), "v=[1,2] ");
  EXPECT_EQ(values(global("torch", "device") + text("cuda") + "K\1\x86R"), "v=\"cuda\" ");
  EXPECT_EQ(values(global("torch", "float16")), "v=\"torch.float16\" ");
  EXPECT_EQ(values(global("pathlib", "PosixPath") + text("/") + text("a") + text("b") + "\x87R"), "v=\"/a/b\" ");
  EXPECT_EQ(values(global("argparse", "Namespace") + ")\x81}" + text("lr") + "K\1sb"), "v.lr=1 ");
  EXPECT_EQ(values("](" + dict(text("x") + "K\1") + one + "e"), "v.0={\"x\":1} ");
  EXPECT_EQ(values("]q\1h\1a"), "") << "nothing but itself";
}

TEST_F(TorchFileTest, KeepsOpaquePartsApart) {
  const std::string one = tensor(kStorage, 1, {1}, {1});
  const auto read_value = [&](const std::string& value) {
    return read_bytes(torch_zip(pickle(dict(text("v") + value + text("a") + one)), kFour));
  };
  const auto opaque = [&](const std::string& value) {
    const TensorFile file = read_value(value);
    return opaque_of(file) + names_of(file);
  };
  EXPECT_EQ(opaque(global("os", "system")), "v: os.system; a ");
  EXPECT_EQ(opaque(global("os", "system") + text("rm -rf /") + "\x85R"), "v: os.system; a ");
  EXPECT_EQ(read_value(global("a", "B") + "K\1\x85R").values.at("v.args.0"), "1");
  EXPECT_EQ(opaque(global("a", "B") + ")\x81}(" + text("w") + one + text("n") + "K\1ub"), "v: a.B; v.w a ");
  EXPECT_EQ(opaque(global("a", "B") + ")\x81N}" + text("w") + one + "s\x86" + "b"), "v: a.B; v.w a ") << "slots";
  EXPECT_EQ(opaque(global("a", "D") + ")\x81" + text("w") + one + "s"), "v: a.D; v.w a ") << "a kind of dictionary";
  EXPECT_EQ(opaque(global("a", "B") + ")\x81q\1" + "0" + "](h\1h\1e"), "v.0: a.B; v.1: a.B; a ");
  EXPECT_EQ(opaque("(" + text("storage") + global("torch", "IntStorage") + text("0") + text("cpu") + "K\4tQ"),
            "v: storage; a ");
  EXPECT_EQ(opaque("K\1Q"), "v: reference; a ");
  std::string deep = one;
  for (int i = 0; i < 150; ++i) deep = "](" + deep + "e";
  EXPECT_THAT(opaque(deep), HasSubstr(".0.0: list is nested too deep; a "));
}

TEST_F(TorchFileTest, OddTensorsLeaveTheOthersReadable) {
  const std::string one = tensor(kStorage, 1, {1}, {1});
  const auto opaque = [&](const std::string& value) {
    const TensorFile file = read_bytes(torch_zip(pickle(dict(text("v") + value + text("a") + one)), kFour));
    EXPECT_EQ(names_of(file), "a ");
    return opaque_of(file);
  };
  EXPECT_EQ(opaque(tensor(storage("ComplexFloatStorage", "0", 2), 0, {2}, {1})),
            "v: torch.Tensor its values are of the type torch.ComplexFloatStorage, which is not read; ");
  EXPECT_EQ(opaque(tensor(kStorage, 0, {2}, {1}, dict(text("conj") + "\x88"))),
            "v: torch.Tensor has metadata: it is not stored as it is; ");
  EXPECT_EQ(opaque(global("torch._utils", "_rebuild_tensor_v3") + "(" + storage("UntypedStorage", "0", 16) + "K\0"s +
                   tuple({2}) + tuple({1}) + "\x89" + test::ordered_dict() + global("torch", "float8_e4m3fn") + "tR"),
            "v: torch.Tensor its values are of the type torch.float8_e4m3fn, which is not read; ");
  EXPECT_EQ(opaque(global("torch._utils", "_rebuild_sparse_tensor") + "(" + one + one + "tR"),
            "v: torch.Tensor is made by torch._utils._rebuild_sparse_tensor; ");
  EXPECT_EQ(opaque(global("torch._utils", "_rebuild_parameter") + "(" + global("torch._utils", "_rebuild_qtensor") +
                   ")R\x88" + test::ordered_dict() + "tR"),
            "v: torch.Tensor is made by torch._utils._rebuild_qtensor; ");
}

TEST_F(TorchFileTest, ReadsParametersAndSubclasses) {
  const std::string one = tensor(kStorage, 2, {1}, {1});
  const std::string arguments =
      "(" + kStorage + integer(3) + tuple({1}) + tuple({1}) + "\x89" + test::ordered_dict() + "t";
  EXPECT_EQ(
      ints(read_one(global("torch._utils", "_rebuild_parameter") + "(" + one + "\x88" + test::ordered_dict() + "tR")),
      (std::vector<int>{2}));
  EXPECT_EQ(ints(read_one(global("torch._tensor", "_rebuild_from_type_v2") + "(" +
                          global("torch._utils", "_rebuild_tensor_v2") + global("fastai.torch_core", "TensorBase") +
                          arguments + "}tR")),
            (std::vector<int>{3}));
}

TEST_F(TorchFileTest, ReadsArraysOfNumPy) {
  const std::string f4 = global("numpy", "dtype") + "(" + text("f4") + "K\0K\1tR(K\3"s + text("<") +
                         "NNNJ\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFFK\0tb"s;
  const auto reconstructed = [&](const std::string& shape, const std::string& type, const std::string& fortran,
                                 const std::string& bytes) {
    return global("numpy.core.multiarray", "_reconstruct") + "(" + global("numpy", "ndarray") + "K\0\x85"s +
           "C\1btR(K\1" + shape + type + fortran + bytes + "tb";
  };
  const std::string two = "C\x08\0\0\x80\x3F\0\0\0\x40"s;  // 1 and 2
  const auto floats = [&](const std::string& value) {
    const Tensor values = read_one(value).copy();
    return std::vector<float>(values.f32().begin(), values.f32().end());
  };
  EXPECT_EQ(floats(reconstructed("K\2\x85", f4, "\x89", two)), (std::vector<float>{1, 2}));
  const std::string four = "C\x10\0\0\x80\x3F\0\0\0\x40\0\0\x40\x40\0\0\x80\x40"s;
  EXPECT_EQ(floats(reconstructed("K\2K\2\x86", f4, "\x88", four)), (std::vector<float>{1, 3, 2, 4}))
      << "Fortran's order";
  const std::string latin1 = global("_codecs", "encode") + text("\0\0\xC2\x80?"s) + text("latin1") + "\x86R";
  EXPECT_EQ(floats(reconstructed("K\1\x85", f4, "\x89", latin1)), (std::vector<float>{1}));
  EXPECT_EQ(floats(global("numpy._core.numeric", "_frombuffer") + "(" + two + f4 + "K\2\x85" + text("C") + "tR"),
            (std::vector<float>{1, 2}));
  const std::string malformed = "tensor 'a': a malformed array of NumPy";
  EXPECT_EQ(refused(reconstructed("K\3\x85", f4, "\x89", two)), malformed);
  EXPECT_EQ(refused(reconstructed("K\2\x85", "N", "\x89", two)), malformed);
  EXPECT_EQ(refused(reconstructed("N", f4, "\x89", two)), malformed);
  EXPECT_EQ(refused(reconstructed(tuple({INT64_MAX, INT64_MAX}), f4, "\x89", two)), malformed);
  const std::string objects = global("numpy", "dtype") + "(" + text("O8") + "K\0K\1tR"s;
  const TensorFile file =
      read_bytes(torch_zip(pickle(dict(text("o") + reconstructed("K\2\x85", objects, "\x89", "]") + text("s") +
                                       global("numpy.core.multiarray", "scalar") + f4 + "C\4\0\0\xC0\x3F"s + "\x86R")),
                           kFour));
  EXPECT_EQ(opaque_of(file), "o: torch.Tensor its values are of NumPy's type O8, which is not read; ");
  EXPECT_EQ(file.values.at("s"), "1.5");
}

TEST_F(TorchFileTest, ReadsTextsOfNumPy) {
  const std::string u2 = global("numpy", "dtype") + "(" + text("U2") + "K\0K\1tR"s;
  const std::string bytes =
      "C\x10"
      "c\0\0\0\xE9\0\0\0d\0\0\0\0\0\0\0"s;
  const std::string array =
      global("numpy._core.numeric", "_frombuffer") + "(" + bytes + u2 + "K\2\x85" + text("C") + "tR";
  const std::string scalar = global("numpy.core.multiarray", "scalar") + u2 + "C\x08x\0\0\0\0\0\0\0"s + "\x86R";
  const TensorFile file = read_bytes(torch_zip(pickle(dict(text("names") + array + text("one") + scalar))));
  EXPECT_EQ(file.values.at("names"), "[\"c\xC3\xA9\",\"d\"]");
  EXPECT_EQ(file.values.at("one"), "\"x\"");
  EXPECT_EQ(opaque_of(file), "");
}

TEST_F(TorchFileTest, RefusesWhatStandsInTooManyPlaces) {
  std::string doubled = global("os", "system");  // each list holds the last one twice: 2^60 names
  for (int i = 0; i < 60; ++i) doubled = "](" + doubled + "2e";
  EXPECT_EQ(refused(doubled), "its objects refer to one another too often");
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
            "written on a big-endian machine");
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

// Objects that stand in many places, which somebody who went into them each time would look at for hours.
TEST_F(TorchFileTest, HostileReferencesAreQuick) {
  const auto repeated = [](const std::string& what, int times) {
    std::string items;
    for (int i = 0; i < times; ++i) items += text(std::to_string(i)) + what;
    return items;
  };
  std::string keys = "}(";  // a key of 60,000 bytes
  for (int i = 0; i < 300'000; ++i) keys += "h\1K\1";
  std::string numbers = "](";
  for (int i = 0; i < 90'000; ++i) numbers += "M\xFF\xFF";
  const std::string state = dict(repeated("K\1", 30'000)) + "q\1" + "0";
  const std::string made = global("a", "C") + ")\x81h\1b";
  std::string hidden = "](" + repeated("", 30'000) + "e";
  const std::string module = global("a", "C") + ")\x81" +
                             dict(text("_modules") + "}" + text("_parameters") + "}" + text("_buffers") +
                                  dict(repeated("N", 30'000)) + text("_non_persistent_buffers_set") + hidden) +
                             "b";
  const std::clock_t start = std::clock();
  for (const std::string& program :
       {text(std::string(60'000, 'k')) + "q\1" + "0" + keys + "u",
        text(std::string(900'000, 'v')) + "q\1" + "0" + dict(repeated("h\1", 30'000)),
        numbers + "eq\1" + "0" + dict(repeated("h\1", 30'000)), state + dict(repeated(made, 30'000)), module}) {
    try {
      read_bytes(torch_zip(pickle(program), kFour));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kLimit) << error.what();
    }
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  if (kSanitized) GTEST_SKIP() << "time is not measured under a sanitizer";
  EXPECT_LT(seconds, 3.0);
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
  EXPECT_EQ(opaque_of(checkpoint), "");
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
