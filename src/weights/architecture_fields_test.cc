#include "weights/architecture_fields.h"

#include "formats/test_files.h"

namespace resnet {
namespace {

using Json = nlohmann::ordered_json;

// A table with a field that files of the first version lack.
std::vector<ArchitectureField> table() {
  return {{.name = "block", .member = &Architecture::groups, .help = "", .key = "paths"},
          {.name = "dilated_stages", .member = &Architecture::dilated_stages, .help = "", .later = true}};
}

Architecture read(const std::string& text) {
  Architecture architecture;
  JsonFields json(text, "f");
  read_fields(table(), json, architecture);
  json.done();
  return architecture;
}

TEST(ArchitectureFieldsTest, LeavesOutWhatCameLaterAndIsUsual) {
  Architecture architecture;
  architecture.groups = 4;
  Json json;
  write_fields(table(), architecture, json);
  EXPECT_EQ(json.dump(), R"({"paths":4})");
  EXPECT_EQ(read(json.dump()), architecture);

  architecture.dilated_stages = 2;
  write_fields(table(), architecture, json);
  EXPECT_EQ(json.dump(), R"({"paths":4,"dilated_stages":2})");
  EXPECT_EQ(read(json.dump()), architecture);
}

TEST(ArchitectureFieldsTest, MissesOnlyWhatWasThereFromTheFirst) {
  EXPECT_EQ(error_of("f", [] { read(R"({"dilated_stages":2})"); }), "paths is missing");
  EXPECT_EQ(error_of("f", [] { read(R"({"paths":1,"dilated_stages":"2"})"); }),
            "dilated_stages must be a whole number, 0 to 2147483647");
  EXPECT_EQ(error_of("f", [] { read(R"({"paths":1,"colour":2})"); }), "unknown field 'colour'");
}

}  // namespace
}  // namespace resnet
