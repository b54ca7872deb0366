#include "formats/zip_archive.h"

#include "formats/test_archives.h"
#include "formats/test_files.h"

namespace resnet {
namespace {

using test::archive;
using test::Entry;
using ::testing::HasSubstr;

class ZipArchiveTest : public FormatTest {
 protected:
  // The entries' contents, joined by '|' in the order of their names.
  std::string contents(const std::string& bytes) const {
    MemoryBudget budget(bytes.size(), path("m.zip"));
    const ZipArchive zip(file_of_bytes(bytes), path("m.zip"), budget);
    std::string all;
    for (const ZipEntry& entry : zip.entries()) {
      const OwnedBytes read = zip.read(entry);
      all += std::string(entry.name) + "=";
      all.append(reinterpret_cast<const char*>(read.bytes.data()), read.bytes.size());
      all += "|";
    }
    return all;
  }
  std::string refusal(const std::string& bytes) const {
    return error_of(path("m.zip"), [&] { contents(bytes); });
  }
};

const std::string kText = "abcabcabcabcabcabcabcabc";

TEST_F(ZipArchiveTest, ReadsEveryFormOfEntry) {
  for (const bool deflate : {false, true}) {
    for (const bool descriptor : {false, true}) {
      for (const bool wide : {false, true}) {
        const Entry b = {.name = "x/b", .data = kText, .deflate = deflate, .descriptor = descriptor, .wide = wide};
        const Entry a = {.name = "x/a", .data = "", .deflate = deflate, .descriptor = descriptor, .wide = wide};
        EXPECT_EQ(contents(archive({b, a}, wide)), "x/a=|x/b=" + kText + "|") << deflate << descriptor << wide;
      }
    }
  }
  EXPECT_EQ(contents(archive({{.name = "a", .data = "1"}}, true, "a comment PK\5\6")), "a=1|");
  EXPECT_EQ(contents(archive({})), "");
}

TEST_F(ZipArchiveTest, FindsByName) {
  const std::string file = write("m.zip", archive({{.name = "b", .data = "2"}, {.name = "a", .data = "1"}}));
  MemoryBudget budget(100, file);
  const ZipArchive zip(CheckedFile::open(file), file, budget);
  ASSERT_NE(zip.find("a"), nullptr);
  EXPECT_EQ(zip.find("a")->size, 1U);
  EXPECT_EQ(zip.find("c"), nullptr);
  EXPECT_EQ(zip.find(""), nullptr);
}

TEST_F(ZipArchiveTest, RefusesEveryPrefix) {
  for (const bool wide : {false, true}) {
    const std::string whole = archive({{.name = "a", .data = kText, .wide = wide}, {.name = "b"}}, wide);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THAT(refusal(whole.substr(0, size)), HasSubstr("the zip directory is missing")) << size;
    }
  }
}

TEST_F(ZipArchiveTest, RefusesBytesAfterItsEnd) {
  EXPECT_THAT(refusal(archive({{.name = "a"}}) + "x"), HasSubstr("the zip directory is missing"));
}

TEST_F(ZipArchiveTest, RefusesADirectoryThatIsNotWhereItShouldBe) {
  const test::Parts parts = test::archive_parts({{.name = "a", .data = kText}});
  const auto with_end = [&](std::uint64_t count, std::uint64_t size, std::uint64_t offset, bool wide) {
    return refusal(parts.data + parts.directory + test::end_records(count, size, offset, wide));
  };
  const std::uint64_t size = parts.directory.size();
  const std::uint64_t offset = parts.data.size();
  for (const bool wide : {false, true}) {
    EXPECT_THAT(with_end(1, size - 1, offset, wide),
                HasSubstr(wide ? "zip64 record" : "the zip directory should have"));
    EXPECT_THAT(with_end(1, size, offset + 1, wide),
                HasSubstr(wide ? "zip64 record" : "the zip directory should have"));
    EXPECT_THAT(with_end(2, size, offset, wide), HasSubstr("bytes for 2 entries"));
    EXPECT_THAT(with_end(0, size, offset, wide), HasSubstr("bytes after the directory's last entry"));
  }
  EXPECT_THAT(with_end(UINT64_MAX, size, offset, true), HasSubstr("bytes for 18446744073709551615 entries"));
  EXPECT_THAT(refusal(parts.data + std::string(size, 'x') + test::end_records(1, size, offset)),
              HasSubstr("no entry of the zip directory"));
}

TEST_F(ZipArchiveTest, RefusesEndRecordsThatDisagree) {
  std::string bytes = archive({{.name = "a"}}, true);
  bytes.replace(bytes.size() - 12, 2, test::number(7, 2));  // entries on this disk are not looked at, those in all are
  EXPECT_THAT(refusal(bytes), HasSubstr("the zip64 record and the end record disagree"));
}

TEST_F(ZipArchiveTest, RefusesArchivesOfSeveralParts) {
  std::string bytes = archive({{.name = "a"}});
  bytes[bytes.size() - 18] = 1;
  EXPECT_THAT(refusal(bytes), HasSubstr("of several parts"));
  bytes = archive({{.name = "a"}}, true);
  bytes[bytes.size() - 22 - 4] = 2;
  EXPECT_THAT(refusal(bytes), HasSubstr("of several parts"));
}

TEST_F(ZipArchiveTest, RefusesHeadersThatDisagree) {
  const std::string disagrees = "entry 'a': its header at offset 0 disagrees with the directory";
  EXPECT_EQ(refusal(archive({{.name = "a", .local_name = "b"}})), disagrees);
  EXPECT_EQ(refusal(archive({{.name = "a", .local_crc = 1}})), disagrees);
  EXPECT_EQ(refusal(archive({{.name = "a", .data = "12", .local_size = 1}})), disagrees);
  EXPECT_EQ(refusal(archive({{.name = "a", .local_flags = zip::kFlagUtf8}})), disagrees);
  EXPECT_EQ(refusal(archive({{.name = "a", .data = "12", .local_method = zip::kDeflated}})), disagrees);
  EXPECT_THAT(refusal(archive({{.name = "a", .data = "12", .descriptor = true, .descriptor_size = 1}})),
              HasSubstr("the descriptor after its data disagrees"));
}

TEST_F(ZipArchiveTest, RefusesABadChecksum) {
  const std::uint32_t wrong = 0x01020304;
  for (const bool deflate : {false, true}) {
    EXPECT_EQ(refusal(archive({{.name = "a", .data = "123456789", .deflate = deflate, .crc = wrong}})),
              "entry 'a': its bytes are damaged: checksum cbf43926 instead of 01020304");
  }
}

TEST_F(ZipArchiveTest, RefusesEncryption) {
  for (const int flag : {1 << 0, 1 << 6, 1 << 13}) {
    EXPECT_EQ(refusal(archive({{.name = "a", .flags = flag}})), "entry 'a': is encrypted");
  }
}

TEST_F(ZipArchiveTest, RefusesOtherMethods) {
  EXPECT_THAT(refusal(archive({{.name = "a", .method = 12}})), HasSubstr("is packed by method 12"));
  EXPECT_THAT(refusal(archive({{.name = "a", .method = 9}})), HasSubstr("method 9 (Deflate64), neither"));
  EXPECT_THAT(refusal(archive({{.name = "a", .flags = 1 << 5}})), HasSubstr("is packed by method"));
}

TEST_F(ZipArchiveTest, RefusesOverlaps) {
  const Entry a = {.name = "a", .data = std::string(100, 'x')};
  const Entry inner = {.name = "b", .data = "1"};
  test::Parts parts = test::archive_parts({{.name = "a", .data = test::archive_parts({inner}).data}, inner});
  parts.directory.replace(parts.directory.size() - 1 - 4, 4, test::number(31, 4));  // b's header: the one in a's data
  EXPECT_EQ(refusal(parts.data + parts.directory + test::end_records(2, parts.directory.size(), parts.data.size())),
            "entry 'b': overlaps another entry");
}

TEST_F(ZipArchiveTest, RefusesDuplicates) {
  EXPECT_EQ(refusal(archive({{.name = "a"}, {.name = "b"}, {.name = "a"}})), "entry 'a': is there twice");
}

TEST_F(ZipArchiveTest, RefusesNamesThatLeaveTheArchive) {
  for (const char* name : {"..", "../a", "a/../b", "a/..", "/a", "a\\b"}) {
    EXPECT_THAT(refusal(archive({{.name = name}})), HasSubstr("has a name that leaves the archive")) << name;
  }
  const std::string long_name = std::string(89, 'x') + "\u00E9";  // a sequence that begins at the 90th byte
  EXPECT_EQ(contents(archive({{.name = long_name}})), long_name + "=|");
  for (const std::string& name : {std::string("a\nb"), std::string("\xFF"), std::string("\x1B[2J"), long_name + "\n"}) {
    EXPECT_THAT(refusal(archive({{.name = name}})), HasSubstr("has a name that is not plain text")) << name;
  }
  EXPECT_THAT(refusal(archive({{.name = ""}})), HasSubstr("has no name"));
  EXPECT_EQ(contents(archive({{.name = "..a/b../.c"}})), "..a/b../.c=|");
}

TEST_F(ZipArchiveTest, TakesNamesOfFilesWhereItIsAskedTo) {
  const auto refused = [&](const std::string& name) -> std::string {
    const std::string bytes = archive({{.name = name}});
    MemoryBudget budget(bytes.size(), path("m.zip"));
    try {
      const ZipArchive zip(file_of_bytes(bytes), path("m.zip"), budget, ZipNames::kFiles);
      EXPECT_NE(zip.find(name), nullptr);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  for (const char* name : {"\xFF.jpg", "a\\b", "\x81/\xC2\x9B"}) EXPECT_EQ(refused(name), "no error") << name;
  for (const char* name : {"..", "a\\..\\..\\b", "..\\a", "/a"}) {
    EXPECT_THAT(refused(name), HasSubstr("leaves the archive")) << name;
  }
  for (const char* name : {"a\nb", "\x1B[2J", "a\x7F"}) EXPECT_THAT(refused(name), HasSubstr("not plain text")) << name;
}

TEST_F(ZipArchiveTest, RefusesEntriesBeyondTheData) {
  EXPECT_THAT(refusal(archive({{.name = "a", .offset = 9999}})), HasSubstr("its header at offset 9999 is beyond"));
  EXPECT_THAT(refusal(archive({{.name = "a", .data = "1", .size = 2, .packed_size = 2}})), HasSubstr("2 bytes wanted"));
}

TEST_F(ZipArchiveTest, RefusesSizesThatDoNotUnpack) {
  EXPECT_THAT(refusal(archive({{.name = "a", .data = kText, .size = 5}})), HasSubstr("24 bytes make 5"));
  EXPECT_THAT(refusal(archive({{.name = "a", .data = kText, .deflate = true, .size = 23}})),
              HasSubstr("do not unpack to 23"));
  EXPECT_THAT(refusal(archive({{.name = "a", .data = kText, .deflate = true, .size = 25}})),
              HasSubstr("do not unpack to 25"));
  EXPECT_THAT(refusal(archive({{.name = "a", .data = kText, .method = zip::kDeflated, .size = 30}})),
              HasSubstr("do not unpack to 30"));
}

TEST_F(ZipArchiveTest, RefusesDeflateBombs) {
  const std::string zeros(20 << 20, '\0');
  EXPECT_THAT(refusal(archive({{.name = "a", .data = zeros, .deflate = true}})),
              HasSubstr("deflated entries need more memory than the file's size and 12 MiB"));
  EXPECT_THAT(refusal(archive({{.name = "a", .data = kText, .deflate = true, .size = 1 << 30}})),
              HasSubstr("cannot unpack to 1073741824"));
}

TEST_F(ZipArchiveTest, RefusesBrokenZip64Fields) {
  const std::string good = archive({{.name = "a", .data = "1", .wide = true}}, true);
  const std::size_t directory_field = good.rfind(test::number(zip::kExtra64, 2) + test::number(24, 2));
  std::string bytes = good;
  bytes[directory_field] = 9;
  EXPECT_THAT(refusal(bytes), HasSubstr("entry 'a': lacks its zip64 field"));
  bytes = good;
  bytes[directory_field + 2] = 16;
  EXPECT_THAT(refusal(bytes), HasSubstr("zip64 field: offset 16"));
  bytes = good;
  bytes[directory_field + 2] = 25;
  EXPECT_THAT(refusal(bytes), HasSubstr("extra field: offset 4"));
}

}  // namespace
}  // namespace resnet
