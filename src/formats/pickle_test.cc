#include "formats/pickle.h"

#include "formats/test_archives.h"
#include "formats/test_files.h"

namespace resnet::pickle {
namespace {

using namespace std::string_literals;
using test::dict;
using test::global;
using test::number;
using test::pickle;
using test::text;
using ::testing::HasSubstr;

struct Read {
  std::string bytes;
  Pickle pickle;
};

Read read(const std::string& bytes, Unknown unknown = Unknown::kRefuse) {
  Read result{bytes, {}};
  MemoryBudget budget(bytes.size(), "p");
  result.pickle = read_pickle(std::as_bytes(std::span(result.bytes)), 0, "p", budget, unknown);
  return result;
}

std::string refusal(const std::string& bytes) {
  return error_of("p", [&] { read(bytes); });
}

std::string refused(const std::string& program) { return refusal(pickle(program)); }

// The values as Python would print them.
std::string show(const Value& value) {
  struct Show {
    std::string operator()(None) const { return "None"; }
    std::string operator()(bool b) const { return b ? "True" : "False"; }
    std::string operator()(std::int64_t i) const { return std::to_string(i); }
    std::string operator()(double d) const { return fmt::format("{}", d); }
    std::string operator()(Text t) const { return fmt::format("'{}'", t.text); }
    std::string operator()(Bytes b) const { return fmt::format("b'{}'", b.bytes); }
    std::string operator()(Long l) const { return fmt::format("long[{}]", l.bytes.size()); }
    std::string operator()(const Global* g) const { return fmt::format("{}.{}", g->module, g->name); }
    std::string operator()(const Object* o) const {
      std::string items;
      for (const Value& item : o->items) items += (items.empty() ? "" : ", ") + show(item);
      const std::string callee = o->callee == nullptr ? "" : std::string(o->callee->name);
      switch (o->kind) {
        case Kind::kTuple: return "(" + items + ")";
        case Kind::kList: return "[" + items + "]";
        case Kind::kSet: return "set(" + items + ")";
        case Kind::kDict: return callee + "{" + items + "}";
        case Kind::kCall: return callee + "(" + items + ")";
        case Kind::kPersistent: return "persistent(" + items + ")";
      }
      return "";
    }
  };
  return std::visit(Show{}, value);
}

std::string shown(const std::string& program) {
  const Read result = read(pickle(program));
  EXPECT_EQ(result.pickle.end, program.size() + 3);
  return show(result.pickle.root);
}

// What becomes of a pickle with names that nobody knows: its root, and what was put into it afterwards.
std::string kept(const std::string& program) {
  const Read result = read(pickle(program), Unknown::kKeep);
  std::string text = show(result.pickle.root);
  if (const Object* object = as(result.pickle.root, Kind::kCall)) {
    const auto add = [&](const char* name, const auto& parts) {
      const auto found = parts.find(object);
      if (found != parts.end()) text += fmt::format(" {} {}", name, show(found->second));
    };
    add("state", result.pickle.states);
    add("entries", result.pickle.entries);
    add("elements", result.pickle.elements);
  }
  return text;
}

TEST(PickleTest, ReadsPlainValues) {
  EXPECT_EQ(shown("N"), "None");
  EXPECT_EQ(shown("\x88"), "True");
  EXPECT_EQ(shown("\x89"), "False");
  EXPECT_EQ(shown("K\xFF"), "255");
  EXPECT_EQ(shown("M\xFF\xFF"), "65535");
  EXPECT_EQ(shown("J\xFE\xFF\xFF\xFF"), "-2");
  EXPECT_EQ(shown("\x8a\0"s), "0");
  EXPECT_EQ(shown("\x8a\x02\xFF\xFF"), "-1");
  EXPECT_EQ(shown("\x8a\x08\0\0\0\0\0\0\0\x80"s), "-9223372036854775808");
  EXPECT_EQ(shown("\x8a\x09\0\0\0\0\0\0\0\0\1"s), "long[9]");
  EXPECT_EQ(shown("\x8b\1\0\0\0\x7F"s), "127");
  EXPECT_EQ(shown("G\x3F\xF8\0\0\0\0\0\0"s), "1.5");
}

TEST(PickleTest, ReadsTextAndBytes) {
  EXPECT_EQ(shown(text("caf\xC3\xA9")), "'caf\xC3\xA9'");
  EXPECT_EQ(shown("\x8c\1a"), "'a'");
  EXPECT_EQ(shown("\x8d\1\0\0\0\0\0\0\0a"s), "'a'");
  EXPECT_EQ(shown("U\1a"), "'a'");
  EXPECT_EQ(shown("U\1\xFF"), "b'\xFF'");
  EXPECT_EQ(shown("T\1\0\0\0a"s), "'a'");
  EXPECT_EQ(shown("C\1a"), "b'a'");
  EXPECT_EQ(shown("B\1\0\0\0a"s), "b'a'");
  EXPECT_EQ(shown("\x8e\1\0\0\0\0\0\0\0a"s), "b'a'");
  EXPECT_EQ(shown("\x96\1\0\0\0\0\0\0\0a"s), "b'a'");
}

TEST(PickleTest, ReadsContainers) {
  EXPECT_EQ(shown(")"), "()");
  EXPECT_EQ(shown("K\1\x85"), "(1)");
  EXPECT_EQ(shown("K\1K\2\x86"), "(1, 2)");
  EXPECT_EQ(shown("K\1K\2K\3\x87"), "(1, 2, 3)");
  EXPECT_EQ(shown("(K\1K\2K\3K\4t"), "(1, 2, 3, 4)");
  EXPECT_EQ(shown("]K\1a(K\2K\3e"), "[1, 2, 3]");
  EXPECT_EQ(shown("(K\1K\2l"), "[1, 2]");
  EXPECT_EQ(shown("}K\1K\2s(K\3K\4K\5K\6u"), "{1, 2, 3, 4, 5, 6}");
  EXPECT_EQ(shown("(K\1K\2d"), "{1, 2}");
  EXPECT_EQ(shown("\x8f(K\1K\2\x90"), "set(1, 2)");
  EXPECT_EQ(shown("(K\1K\2\x91"), "set(1, 2)");
}

TEST(PickleTest, ReadsMemoAndStackMoves) {
  EXPECT_EQ(shown("(K\1q\0K\2\x94h\0j\1\0\0\0t"s), "(1, 2, 1, 2)");
  EXPECT_EQ(shown("(K\1r\2\0\0\0h\2t"s), "(1, 1)");
  EXPECT_EQ(shown("(K\1(K\7K\7"
                  "1K\2"
                  "0K\3"
                  "2t"),
            "(1, 3, 3)");
}

TEST(PickleTest, RecordsCallsWithoutMakingThem) {
  EXPECT_EQ(shown(global("torch", "Size") + "K\1K\2\x86\x85R"), "Size((1, 2))");
  EXPECT_EQ(shown(global("argparse", "Namespace") + ")\x81}" + text("lr") + "K\1sb"), "Namespace()");
  EXPECT_EQ(shown(text("torch") + text("float32") + "\x93"), "torch.float32");
  EXPECT_EQ(shown("K\1K\2\x86Q"), "persistent(1, 2)");
  EXPECT_EQ(shown(test::ordered_dict() + "K\1K\2s"), "OrderedDict{1, 2}");
  EXPECT_EQ(shown(global("collections", "OrderedDict") + "]]K\1aK\2aa\x85R"), "OrderedDict{1, 2}");
  EXPECT_EQ(shown(global("collections", "defaultdict") + global("__builtin__", "dict") + "\x85R"), "defaultdict{}");
  EXPECT_EQ(shown(test::ordered_dict() + "}" + text("_metadata") + test::ordered_dict() + "sb"), "OrderedDict{}");
}

TEST(PickleTest, RefusesOtherProtocols) {
  EXPECT_EQ(refusal("\x80\1."), "offset 0: pickle protocol 1, not one of 2 to 5");
  EXPECT_EQ(refusal("\x80\6."), "offset 0: pickle protocol 6, not one of 2 to 5");
  EXPECT_EQ(refusal("N."), "offset 0: not a pickle of protocol 2 to 5");
  EXPECT_EQ(error_of("p", [] { read("\x80\6.", Unknown::kKeep); }), "offset 0: pickle protocol 6, not one of 0 to 5");
  EXPECT_EQ(refusal(""), "offset 0: 1 bytes wanted, 0 left");
}

// The whole list stands here a second time, so that it cannot grow unseen.
TEST(PickleTest, RefusesEveryOtherOpcode) {
  const std::string allowed =
      ".(012BCFGIJKLMNPQRSTUVXabcdeghijlopqrstu]})"
      "\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92"
      "\x93\x94\x95\x96\x97\x98";
  int refusals = 0;
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (allowed.find(static_cast<char>(opcode)) != std::string::npos) continue;
    EXPECT_EQ(refused(std::string(1, static_cast<char>(opcode))),
              fmt::format("offset 2: opcode 0x{:02x} is not one that a state dict needs", opcode));
    ++refusals;
  }
  EXPECT_EQ(refusals, 256 - static_cast<int>(allowed.size()));
}

TEST(PickleTest, RefusesEveryOtherGlobal) {
  EXPECT_EQ(refused(global("os", "system") + text("true") + "\x85R"),
            "offset 2: 'os.system' is not one of the names that a state dict needs");
  for (const auto& [module, name] :
       std::vector<std::pair<std::string, std::string>>{{"builtins", "eval"},
                                                        {"__builtin__", "eval"},
                                                        {"builtins", "exec"},
                                                        {"builtins", "getattr"},
                                                        {"builtins", "__import__"},
                                                        {"posix", "system"},
                                                        {"nt", "system"},
                                                        {"subprocess", "Popen"},
                                                        {"torch", ""},
                                                        {"torch", "load"},
                                                        {"torch", "Float"},
                                                        {"", ""},
                                                        {"operator", "attrgetter"},
                                                        {"torch._utils", "_rebuild_tensor_v22"},
                                                        {"collections", "OrderedDict.fromkeys"},
                                                        {"os\r", "system"}}) {
    EXPECT_THAT(refused(global(module, name)), HasSubstr("is not one of the names that a state dict needs"));
    EXPECT_THAT(refused(text(module) + text(name) + "\x93"), HasSubstr("is not one of the names"));
  }
}

TEST(PickleTest, KeepsUnknownNamesApart) {
  EXPECT_EQ(kept(global("os", "system")), "os.system");
  EXPECT_EQ(kept(global("os", "system") + text("true") + "\x85R"), "system('true')");
  EXPECT_EQ(kept(text("a.b") + text("C") + "\x93" + ")\x81}" + text("x") + "K\1sb"), "C() state {'x', 1}");
  EXPECT_EQ(kept(global("a", "C") + "K\1\x85}" + text("k") + "K\2s\x92"), "C(1, {'k', 2})");
  EXPECT_EQ(kept("(K\1K\2ia\nC\n"), "C(1, 2)");
  EXPECT_EQ(kept("(" + global("a", "C") + "K\1o"), "C(1)");
  EXPECT_EQ(kept(global("a", "C") + ")RK\1K\2s]aK\3a(K\4e"), "C() entries {1, 2} elements [[], 3, 4]");
  EXPECT_EQ(kept(global("a", "C") + ")R(K\1\x90"), "C() elements [1]");
  EXPECT_EQ(
      kept(global("copy_reg", "_reconstructor") + "(" + global("a", "C") + global("__builtin__", "object") + "NtR"),
      "C()");
  EXPECT_EQ(kept(global("a", "f") + ")R)R"), "call(f())");
  EXPECT_EQ(kept("\x82\7)R"), "extension 7()");
  EXPECT_EQ(kept("\x83\0\1)R"s), "extension 256()");
  EXPECT_EQ(kept("\x84\0\0\1\0)R"s), "extension 65536()");
  EXPECT_EQ(kept(text("7") + "Q"), "persistent('7')");
  EXPECT_EQ(kept("P7\n"), "persistent('7')");
  EXPECT_EQ(kept("(" + text("module") + global("a", "Net") + text("net.py") + text("class Net: ...") + "tQ)\x81"),
            "Net()");
  EXPECT_EQ(kept(global("collections", "Counter") + "}K\1K\2s\x85R"), "Counter{1, 2}");
}

TEST(PickleTest, RefusesWhatNoPickleHolds) {
  EXPECT_THAT(refused("(o"), HasSubstr("the stack is empty"));
  EXPECT_THAT(refused("(i"), HasSubstr("a line is cut off"));
  EXPECT_THAT(refused("\x97"), HasSubstr("its buffers are in another file"));
  EXPECT_THAT(refused("\x98"), HasSubstr("its buffers are in another file"));
  EXPECT_THAT(refused("(K\1ios\nsystem\n"), HasSubstr("'os.system' is not one of the names"));
  EXPECT_THAT(refused("\x82\7"), HasSubstr("'copyreg.extension 7' is not one of the names"));
}

TEST(PickleTest, ReadsTheTextOfProtocolZero) {
  const auto value = [](const std::string& program) { return show(read(program + ".", Unknown::kKeep).pickle.root); };
  EXPECT_EQ(value("I12\n"), "12");
  EXPECT_EQ(value("I01\n"), "True");
  EXPECT_EQ(value("I00\n"), "False");
  EXPECT_EQ(value("L-7L\n"), "-7");
  EXPECT_EQ(value("L12345678901234567890123L\n"), "'12345678901234567890123L'");
  EXPECT_EQ(value("F0.5\n"), "0.5");
  EXPECT_EQ(value("S'it\\'s \\x41\\n'\n"), "'it's A\n'");
  EXPECT_EQ(value("S\"a\"\n"), "'a'");
  EXPECT_EQ(value("Vcaf\xE9 \\u2603\n"), "'caf\xC3\xA9 \xE2\x98\x83'");
  EXPECT_EQ(value("(lp0\nI1\naI2\np7\nag7\na"), "[1, 2, 2]");
}

TEST(PickleTest, RefusesOtherTextOfProtocolZero) {
  for (const char* line : {"Ix\n", "L\n", "I1.5\n"}) EXPECT_THAT(refused(line), HasSubstr("no whole number")) << line;
  EXPECT_THAT(refused("Fx\n"), HasSubstr("no number"));
  for (const char* line :
       {"Sa\n", "S'a\n", "S'\n", "S'\\'\n", "S'\\x4'\n", "V\\u12\n", "V\\ud800\n", "V\\U00110000\n"}) {
    EXPECT_THAT(refused(line), HasSubstr("no quoted text")) << line;
  }
  for (const char* line : {"Npx\n", "Np-1\n", "gx\n", "Np4294967296\n"}) {
    EXPECT_THAT(refused(line), HasSubstr("no index of the memo")) << line;
  }
  EXPECT_THAT(refused("I1"), HasSubstr("a line is cut off"));
}

TEST(PickleTest, RefusesStackUnderflow) {
  for (const char* program : {"0",        "2",     "\x85",   "K\1\x86",   "K\1K\2\x87", "a",   "]a",   "s",     "}K\1s",
                              "R",        "b",     "Nb",     "Q",         "\x93",       "q\1", "\x94", "K\1(0", "K\1(2",
                              "K\1(\x85", "K\1(a", "](K\1a", "}(K\1K\2s", "(e",         "(u",  "(\x90"}) {
    EXPECT_THAT(refused(program), HasSubstr("the stack is empty")) << program;
  }
  for (const char* program : {"t", "l", "d", "e", "u", "1", "\x90", "\x91"}) {
    EXPECT_THAT(refused(program), HasSubstr("there is no mark on the stack")) << program;
  }
}

TEST(PickleTest, RefusesMissingStop) {
  EXPECT_EQ(refusal("\x80\2N"), "offset 3: the pickle ends without STOP");
  EXPECT_EQ(refused(""), "offset 2: 0 values on the stack at STOP instead of one");
  EXPECT_EQ(refused("NN"), "offset 4: 2 values on the stack at STOP instead of one");
  EXPECT_EQ(refused("N("), "offset 4: 1 values on the stack at STOP instead of one");
}

TEST(PickleTest, RefusesDanglingMemo) {
  EXPECT_EQ(refused("h\0"s), "offset 2: memo entry 0 is empty");
  EXPECT_EQ(refused("Nq\5h\4"), "offset 5: memo entry 4 is empty");
  EXPECT_EQ(refused("j\xFF\xFF\xFF\xFF"), "offset 2: memo entry 4294967295 is empty");
}

TEST(PickleTest, RefusesTheLastMemoIndex) {
  EXPECT_THAT(refused("Nr\xFF\xFF\xFF\xFF"), HasSubstr("memo entries of a pickle need more memory"));
}

TEST(PickleTest, RefusesTextBeyondTheEnd) {
  EXPECT_EQ(refused("X\xFF\xFF\xFF\xFF"), "offset 7: 4294967295 bytes wanted, 1 left");
  EXPECT_THAT(refused("\x8d\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), HasSubstr("18446744073709551615 bytes wanted"));
  for (const char* opcode : {"T", "B", "\x8b"})
    EXPECT_THAT(refused(opcode + "\xFF\xFF\xFF\xFF"s), HasSubstr("bytes wanted"));
  for (const char* opcode : {"\x8c", "U", "C", "\x8a"})
    EXPECT_THAT(refused(opcode + "\xFF"s), HasSubstr("bytes wanted"));
  EXPECT_THAT(refused("\x95\xFF\0\0\0\0\0\0\0"s), HasSubstr("a frame of 255 bytes"));
  EXPECT_THAT(refusal("\x80\2ctorch"), HasSubstr("a line is cut off"));
  EXPECT_THAT(refusal("\x80\2ctorch\nSize"), HasSubstr("a line is cut off"));
}

TEST(PickleTest, RefusesTextThatIsNotUtf8) {
  EXPECT_EQ(refused(text("\xFF\n")), "offset 2: text '\\xff\\x0a' is not UTF-8");
  EXPECT_EQ(shown(text("a\xED\xB2\x80")), "b'a\xED\xB2\x80'");  // a surrogate: Python's os.fsdecode of a byte 80
}

TEST(PickleTest, RefusesItemsForOtherThings) {
  EXPECT_THAT(refused("NK\1a"), HasSubstr("items for something that is not a list"));
  EXPECT_THAT(refused("]K\1K\2s"), HasSubstr("items for something that is not a dictionary"));
  EXPECT_THAT(refused("](K\1\x90"), HasSubstr("items for something that is not a set"));
  EXPECT_THAT(refused(")K\1a"), HasSubstr("items for something that is not a list"));
  EXPECT_THAT(refused("}(K\1u"), HasSubstr("a key without a value"));
  EXPECT_THAT(refused("(K\1d"), HasSubstr("a key without a value"));
  EXPECT_THAT(refused(global("collections", "OrderedDict") + "]K\1a\x85R"), HasSubstr("a key without a value"));
}

TEST(PickleTest, RefusesCallsOfOtherThings) {
  EXPECT_THAT(refused("N)R"), HasSubstr("a call of something that cannot be called"));
  EXPECT_THAT(refused(global("torch", "Size") + "NR"), HasSubstr("a call of something that cannot be called"));
  EXPECT_THAT(refused(global("torch", "FloatStorage") + ")R"), HasSubstr("a call of 'torch.FloatStorage'"));
  EXPECT_THAT(refused(global("torch", "float32") + ")R"), HasSubstr("a call of 'torch.float32'"));
  EXPECT_THAT(refused("]Nb"), HasSubstr("attributes for something that has none"));
  EXPECT_THAT(refused("NQ"), HasSubstr("a persistent id that is not a tuple"));
  EXPECT_THAT(refused("NN\x93"), HasSubstr("a global whose name is not text"));
}

TEST(PickleTest, BearsSelfReference) {
  const Read result = read(pickle("]q\0h\0a"s));
  const Object* list = as(result.pickle.root, Kind::kList);
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(as(list->items.at(0), Kind::kList), list);
}

TEST(PickleTest, RefusesDepthAndBreadthBombs) {
  EXPECT_THAT(refused(std::string(1'000'000, '(')), HasSubstr("nested deeper than 1000"));
  EXPECT_THAT(refused(std::string(1'000'000, 'N')), HasSubstr("more than 100000 values on the stack"));
  std::string nested = ")";
  for (int i = 0; i < 1'000'000; ++i) nested += '\x85';
  EXPECT_THAT(refused(nested), HasSubstr("pickled objects need more memory"));
  std::string doubled = "K\1";  // each tuple holds the last one twice: 2^64 leaves if anybody walked them
  for (int i = 0; i < 64; ++i) doubled += "2\x86";
  EXPECT_EQ(read(pickle(doubled)).pickle.objects.size(), 64U);
  std::string copies = "(" + std::string(50'000, 'N') + "tq\1";  // 50,000 values again with every persistent id
  for (int i = 0; i < 1'000; ++i) copies += "h\1Q0";
  EXPECT_THAT(refused(copies), HasSubstr("pickled objects need more memory"));
}

TEST(PickleTest, RefusesEveryPrefix) {
  const std::string whole =
      pickle(dict(text("a") + test::tensor(test::storage("FloatStorage", "0", 4), 0, {2, 2}, {2, 1})));
  EXPECT_EQ(
      show(read(whole).pickle.root),
      "{'a', _rebuild_tensor_v2(persistent('storage', torch.FloatStorage, '0', 'cpu', 4), 0, (2, 2), (2, 1), False, "
      "OrderedDict{})}");
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_NE(refusal(whole.substr(0, size)), "");
}

}  // namespace
}  // namespace resnet::pickle
