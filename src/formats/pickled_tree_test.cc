// What is taken from a pickle: tensors by their paths, values, containers and opaque parts.
#include "formats/pickled_tree.h"

#include <algorithm>
#include <cstring>
#include <ctime>

#include "formats/test_archives.h"
#include "formats/test_files.h"
#include "formats/test_torch_files.h"
#include "formats/torch_file.h"

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

class PickledTreeTest : public TorchFormatTest {};

std::string opaque_of(const TensorFile& file) {
  std::string parts;
  for (const OpaquePart& part : file.opaque) {
    parts += fmt::format("{}: {}{}{}; ", part.path, part.type, part.why.empty() ? "" : " ", part.why);
  }
  return parts;
}

TEST_F(PickledTreeTest, NamesTensorsByTheirPaths) {
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

TEST_F(PickledTreeTest, ListsContainers) {
  const std::string one = tensor(kStorage, 1, {1}, {1});
  const TensorFile file = read_bytes(
      torch_zip(pickle(dict(text("n") + dict(text("x") + "K\1") + text("m") +
                            dict(text("a") + one + text("l") + "]" + one + "a" + text("b") + one) + text("c") + one)),
                kFour));
  std::string listed;
  for (const TensorContainer& c : file.containers) listed += fmt::format("{}:{}:{} ", c.path, c.type, c.tensors);
  EXPECT_EQ(listed, "m:dict:2 m.l:list:1 :dict:1 ");
}

TEST_F(PickledTreeTest, KeepsPlainValuesAsJson) {
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

TEST_F(PickledTreeTest, KeepsOpaquePartsApart) {
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

TEST_F(PickledTreeTest, OddTensorsLeaveTheOthersReadable) {
  const std::string one = tensor(kStorage, 1, {1}, {1});
  const auto opaque = [&](const std::string& value) {
    const TensorFile file = read_bytes(torch_zip(pickle(dict(text("v") + value + text("a") + one)), kFour));
    EXPECT_EQ(names_of(file), "a ");
    return opaque_of(file);
  };
  EXPECT_EQ(opaque(tensor(storage("ComplexFloatStorage", "0", 2), 0, {2}, {1})),
            "v: torch.Tensor its values are of the type torch.ComplexFloatStorage, which is not read; ");
  EXPECT_EQ(opaque(tensor(kStorage, 0, {2}, {1}, dict(text("conj") + "\x88"))),
            "v: torch.Tensor has metadata: it is not stored as it is (conjugated or negated); save it in PyTorch after "
            ".resolve_conj().resolve_neg(); ");
  EXPECT_EQ(opaque(global("torch._utils", "_rebuild_tensor_v3") + "(" + storage("UntypedStorage", "0", 16) + "K\0"s +
                   tuple({2}) + tuple({1}) + "\x89" + test::ordered_dict() + global("torch", "float8_e4m3fn") + "tR"),
            "v: torch.Tensor its values are of the type torch.float8_e4m3fn, which is not read; ");
  EXPECT_EQ(opaque(global("torch._utils", "_rebuild_sparse_tensor") + "(" + one + one + "tR"),
            "v: torch.Tensor is made by torch._utils._rebuild_sparse_tensor; ");
  EXPECT_EQ(opaque(global("torch._utils", "_rebuild_parameter") + "(" + global("torch._utils", "_rebuild_qtensor") +
                   ")R\x88" + test::ordered_dict() + "tR"),
            "v: torch.Tensor is made by torch._utils._rebuild_qtensor; ");
}

TEST_F(PickledTreeTest, ReadsParametersAndSubclasses) {
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

TEST_F(PickledTreeTest, ReadsArraysOfNumPy) {
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

TEST_F(PickledTreeTest, LongArraysStayOnTheDisk) {
  constexpr std::size_t kSize = 32 << 20;
  const std::string type = global("numpy", "dtype") + "(" + text("u1") + "K\0K\1tR"s;
  const std::string array = global("numpy._core.numeric", "_frombuffer") +
                            "("
                            "\x8e" +
                            number(kSize, 8) + std::string(kSize, 'v') + type + integer(kSize) + "\x85" + text("C") +
                            "tR";
  const std::string file = write("m.pkl", pickle(dict(text("a") + array)));
  clear_peak();
  const std::size_t before = peak_memory();
  const TensorFile read = read_tensor_file(file);
  if (!kSanitized) {
    EXPECT_LT(peak_memory() - before, 4U << 20);
  }
  EXPECT_TRUE(std::ranges::all_of(read.tensors.at("a").bytes(), [](std::byte b) { return b == std::byte{'v'}; }));
}

TEST_F(PickledTreeTest, ReadsTextsOfNumPy) {
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

TEST_F(PickledTreeTest, RefusesWhatStandsInTooManyPlaces) {
  std::string doubled = global("os", "system");  // each list holds the last one twice: 2^60 names
  for (int i = 0; i < 60; ++i) doubled = "](" + doubled + "2e";
  EXPECT_EQ(refused(doubled), "its objects refer to one another too often");
}

// Objects that stand in many places, which somebody who went into them each time would look at for hours.
TEST_F(PickledTreeTest, HostileReferencesAreQuick) {
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

}  // namespace
}  // namespace resnet
