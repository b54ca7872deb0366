#include "formats/tar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>

namespace resnet {
namespace {

using ::testing::HasSubstr;

struct Header {
  std::string name = "cat/1.jpg";
  std::string size = "00000000003";
  char type = '0';
  std::string prefix = {};
  std::string magic = std::string(
      "ustar\0"
      "00",
      8);
};

std::string block(const Header& header) {
  std::string bytes(512, '\0');
  const auto put = [&](std::size_t offset, const std::string& text) { bytes.replace(offset, text.size(), text); };
  put(0, header.name);
  put(100, "0000644");
  put(124, header.size);
  put(148, "        ");
  bytes[156] = header.type;
  put(257, header.magic);
  put(345, header.prefix);
  unsigned sum = 0;
  for (const char c : bytes) sum += static_cast<unsigned char>(c);
  char digits[8];
  std::snprintf(digits, sizeof digits, "%06o", sum);
  put(148, std::string(digits, 7) + " ");
  return bytes;
}

std::string padded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512);
  return data;
}

std::string octal(std::size_t value) {
  char digits[12];
  std::snprintf(digits, sizeof digits, "%011zo", value);
  return digits;
}

// An entry that extends the next one: type x, g, L or K.
std::string extended(char type, const std::string& text) {
  return block({"././@LongLink", octal(text.size()), type, "", "ustar"}) + padded(text);
}

const std::string kEnd(1024, '\0');
const std::string kFile = block({}) + padded("abc");

ByteStream stream_of(std::string bytes) {
  auto rest = std::make_shared<std::pair<std::string, std::size_t>>(std::move(bytes), 0);
  return {[rest](std::span<std::byte> out) {
            auto& [text, used] = *rest;
            const std::size_t count = std::min({out.size(), text.size() - used, std::size_t{1000}});
            std::memcpy(out.data(), text.data() + used, count);
            used += count;
            return count;
          },
          "a.tar"};
}

// "path=data" of every file.
std::vector<std::string> contents(const std::string& bytes) {
  TarReader tar(stream_of(bytes));
  std::vector<std::string> result;
  while (const auto entry = tar.next()) {
    const auto data = tar.read(1 << 20);
    result.push_back(entry->path + "=" + std::string(reinterpret_cast<const char*>(data.data()), data.size()));
  }
  return result;
}

std::string error_of(const std::string& bytes) {
  try {
    contents(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(TarTest, ReadsFilesInOrder) {
  EXPECT_THAT(contents(kFile + block({"./b//c.jpg", octal(513)}) + padded(std::string(513, 'x')) + kEnd),
              ::testing::ElementsAre("cat/1.jpg=abc", "b/c.jpg=" + std::string(513, 'x')));
  EXPECT_THAT(contents(kEnd), ::testing::IsEmpty());
  EXPECT_THAT(contents(kFile + kEnd + std::string(9 * 512, '\0')), ::testing::SizeIs(1)) << "padding to a record";
}

TEST(TarTest, SkipsWhatNobodyReads) {
  TarReader tar(stream_of(kFile + block({"d.jpg"}) + padded("def") + kEnd));
  EXPECT_EQ(tar.next()->path, "cat/1.jpg");
  EXPECT_EQ(tar.next()->path, "d.jpg");
  EXPECT_EQ(tar.read(3).size(), 3U);
  EXPECT_FALSE(tar.next());
  EXPECT_FALSE(tar.next());
}

TEST(TarTest, TellsKinds) {
  const auto kind = [](char type, const char* name = "x") {
    TarReader tar(stream_of(block({name, octal(0), type}) + kEnd));
    return tar.next()->kind;
  };
  EXPECT_EQ(kind('\0'), TarEntry::Kind::kFile);
  EXPECT_EQ(kind('7'), TarEntry::Kind::kFile);
  EXPECT_EQ(kind('\0', "x/"), TarEntry::Kind::kDirectory);
  EXPECT_EQ(kind('5'), TarEntry::Kind::kDirectory);
  EXPECT_EQ(kind('5', "./"), TarEntry::Kind::kDirectory);
  EXPECT_EQ(kind('2'), TarEntry::Kind::kLink);
  EXPECT_EQ(kind('3'), TarEntry::Kind::kOther);
}

TEST(TarTest, KnowsLongNames) {
  const std::string name = std::string(150, 'n') + "/1.jpg";
  EXPECT_EQ(contents(block({"1.jpg", octal(3), '0', "far/away"}) + padded("abc") + kEnd)[0], "far/away/1.jpg=abc");
  EXPECT_EQ(contents(extended('L', name + '\0') + kFile + kEnd)[0], name + "=abc");
  EXPECT_EQ(contents(extended('K', name + '\0') + kFile + kEnd)[0], "cat/1.jpg=abc");
  EXPECT_EQ(contents(extended('x', "16 path=a/b.jpg\n") + kFile + kEnd)[0], "a/b.jpg=abc");
  EXPECT_EQ(contents(extended('x', "10 size=2\n14 mtime=1.50\n") + block({}) + padded("ab") + kEnd)[0], "cat/1.jpg=ab");
  EXPECT_EQ(contents(extended('g', "17 comment=hello\n") + kFile + kEnd)[0], "cat/1.jpg=abc");
}

TEST(TarTest, ReadsLargeNumbers) {
  const std::string size = std::string("\x80", 1) + std::string(10, '\0') + '\x03';
  EXPECT_EQ(contents(block({"a.jpg", size}) + padded("abc") + kEnd)[0], "a.jpg=abc");
}

TEST(TarTest, RefusesDamage) {
  EXPECT_EQ(error_of(""), "a.tar: offset 0: empty, no tar archive");
  EXPECT_THAT(error_of("not an archive"), HasSubstr("cut short"));
  EXPECT_THAT(error_of(std::string(512, 'x')), HasSubstr("the checksum is no octal number"));
  std::string changed = kFile + kEnd;
  changed[0] = 'C';
  EXPECT_THAT(error_of(changed), HasSubstr("offset 0: no tar header: its checksum is"));
  EXPECT_THAT(error_of(kFile), HasSubstr("offset 1024: the tar archive has no end"));
  EXPECT_THAT(error_of(kFile + kEnd + kFile), HasSubstr("offset 2048: data after the end"));
  for (std::size_t length = 0; length < kFile.size() + 512; length += 37) {
    EXPECT_NE(error_of((kFile + kEnd).substr(0, length)), "no error") << length;
  }
}

TEST(TarTest, RefusesWhatItCannotTrust) {
  const auto of_name = [](const std::string& name) { return error_of(block({name}) + padded("abc") + kEnd); };
  EXPECT_THAT(of_name("../x.jpg"), HasSubstr("holds '..'"));
  EXPECT_THAT(of_name("a/../../x.jpg"), HasSubstr("holds '..'"));
  EXPECT_THAT(of_name("/etc/x.jpg"), HasSubstr("is not relative"));
  EXPECT_THAT(of_name("a\nb.jpg"), HasSubstr("control characters"));
  EXPECT_THAT(of_name("."), HasSubstr("without a name"));
  EXPECT_THAT(error_of(extended('x', "13 path=../x\n") + kFile + kEnd), HasSubstr("holds '..'"));
  EXPECT_THAT(error_of(extended('L', std::string("../x\0", 5)) + kFile + kEnd), HasSubstr("holds '..'"));

  const auto of_size = [](const std::string& size) { return error_of(block({"x.jpg", size}) + kEnd); };
  EXPECT_THAT(of_size("77777777777"), HasSubstr("8589934591 bytes, more than 1048576"));
  EXPECT_THAT(of_size("\x80" + std::string(11, '\xFF')), HasSubstr("the size is out of range"));
  EXPECT_THAT(of_size("-0000000001"), HasSubstr("the size is no octal number"));
  EXPECT_THAT(of_size("           "), HasSubstr("the size is no octal number"));
  EXPECT_THAT(of_size("00003777777"), HasSubstr("cut short within this entry"));

  const auto of_type = [](char type) { return error_of(block({"x.jpg", octal(0), type}) + kEnd); };
  EXPECT_THAT(of_type('S'), HasSubstr("sparse"));
  EXPECT_THAT(of_type('M'), HasSubstr("type 77"));
}

TEST(TarTest, RefusesBadExtendedHeaders) {
  const auto of_pax = [](const std::string& text) { return error_of(extended('x', text) + kFile + kEnd); };
  EXPECT_THAT(of_pax("99 path=x\n"), HasSubstr("wrong length"));
  EXPECT_THAT(of_pax("0 path=x\n"), HasSubstr("wrong length"));
  EXPECT_THAT(of_pax("10 path=xy"), HasSubstr("wrong length"));
  EXPECT_THAT(of_pax("99999999999999999999 path=x\n"), HasSubstr("wrong length"));
  EXPECT_THAT(of_pax("7 abcd\n"), HasSubstr("without '='"));
  EXPECT_THAT(of_pax("11 size=-1\n"), HasSubstr("no number"));
  EXPECT_THAT(of_pax("29 size=99999999999999999999\n"), HasSubstr("no number"));
  EXPECT_THAT(of_pax("25 GNU.sparse.realsize=5\n"), HasSubstr("sparse"));
  EXPECT_THAT(error_of(extended('g', "10 path=x\n") + kFile + kEnd), HasSubstr("for all entries"));
  EXPECT_THAT(error_of(extended('x', "10 path=x\n") + kEnd), HasSubstr("without an entry"));
  EXPECT_THAT(error_of(block({"x", octal(1 << 30), 'x'}) + kEnd), HasSubstr("more than 65536"));
}

TEST(TarTest, InflatesGzip) {
  const std::string tar = kFile + kEnd;
  EXPECT_EQ(contents(gzipped(tar))[0], "cat/1.jpg=abc");
  EXPECT_EQ(contents(gzipped(tar.substr(0, 700)) + gzipped(tar.substr(700)))[0], "cat/1.jpg=abc") << "two members";
}

TEST(TarTest, RefusesDamagedGzip) {
  const std::string whole = gzipped(kFile + kEnd);
  for (std::size_t length = 2; length < whole.size(); ++length) {
    EXPECT_NE(error_of(whole.substr(0, length)), "no error") << length;
  }
  std::string changed = whole;
  changed[whole.size() - 6] ^= 1;  // the check sum
  EXPECT_THAT(error_of(changed), HasSubstr("damaged gzip stream"));
  EXPECT_THAT(error_of(whole + "rubbish"), HasSubstr("damaged gzip stream"));

  TarReader bomb(stream_of(gzipped(block({"x", octal(100 << 20)}) + std::string(100 << 20, '\0'))));
  bomb.next();
  try {
    bomb.next();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "a.tar: inflates more than 200 times");
  }
}

}  // namespace
}  // namespace resnet
