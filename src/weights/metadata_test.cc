#include "weights/metadata.h"

#include <nlohmann/json.hpp>

#include "formats/test_files.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Model example() {
  Model model;
  model.architecture = find_architecture("resnet20");
  model.architecture.classes = 3;
  model.classes = {"cat", "dog, or wolf", "\"quoted\" é"};
  model.preprocessing = Preprocessing{.height = 32, .width = 48, .resize = 0, .interpolation = Interpolation::kBicubic};
  model.metadata = {{"format", "pt"}, {"note", "kept"}};
  return model;
}

TEST(MetadataTest, ReadsWhatItWrites) {
  const Model model = example();
  const Metadata metadata = to_metadata(model);
  EXPECT_TRUE(describes_model(metadata, "m"));
  EXPECT_EQ(read_architecture(metadata, "m"), model.architecture);
  EXPECT_EQ(read_classes(metadata, 3, "m"), model.classes);
  EXPECT_EQ(read_preprocessing(metadata, 3, "m"), model.preprocessing);
  EXPECT_EQ(other_keys(metadata), model.metadata);
}

TEST(MetadataTest, KeepsEveryFieldOfEveryArchitecture) {
  Model model;
  for (const Architecture& architecture : catalog()) {
    model.architecture = architecture;
    EXPECT_EQ(read_architecture(to_metadata(model), "m"), architecture) << architecture.name;
  }
  model.architecture.name = "my-net_1.0";
  model.architecture.block = Block::kBottleneck;
  model.architecture.stride_on_first = true;
  model.architecture.conv_bias = true;
  model.architecture.dilated_stages = 2;
  model.architecture.in_channels = 5;
  EXPECT_EQ(read_architecture(to_metadata(model), "m"), model.architecture);
  model.architecture = with_layout(find_architecture("resnet18"), Layout::kTutorial);
  EXPECT_EQ(read_architecture(to_metadata(model), "m"), model.architecture);
}

TEST(MetadataTest, WritesNumbersAsPeopleDo) {
  EXPECT_EQ(to_json(Preprocessing{}).dump(), R"({"height":224,"width":224,"resize":256,"interpolation":"bilinear",)"
                                             R"("mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]})");
  Preprocessing blue_first;
  blue_first.channels = ChannelOrder::kBgr;
  EXPECT_EQ(read_preprocessing({{kPreprocessingKey, to_json(blue_first).dump()}}, 3, "m"), blue_first);
  Preprocessing odd;
  odd.mean = {1.0F / 3, 0x1.fffffep-1F, 1e-30F};
  Model model = example();
  model.preprocessing = odd;
  EXPECT_EQ(read_preprocessing(to_metadata(model), 3, "m"), odd);
}

TEST(MetadataTest, SaysNothingOfForeignFiles) {
  const Metadata foreign = {{"format", "pt"}};
  EXPECT_FALSE(describes_model(foreign, "m"));
  EXPECT_EQ(read_architecture(foreign, "m"), std::nullopt);
  EXPECT_EQ(read_preprocessing(foreign, 3, "m"), std::nullopt);
  EXPECT_TRUE(read_classes(foreign, 3, "m").empty());
}

TEST(MetadataTest, KnowsItsVersion) {
  EXPECT_EQ(error_of("m",
                     [] {
                       describes_model({{kVersionKey, "2"}}, "m");
                     }),
            "metadata resnet.version: '2' is not a version that is known ('1' is)");
  EXPECT_EQ(error_of("m",
                     [] {
                       describes_model({{kClassesKey, "[]"}}, "m");
                     }),
            "metadata has resnet.classes but no resnet.version");
}

// The message for the example's architecture with one field set to another JSON value, or removed.
std::string architecture_refusal(const char* field, const char* value) {
  auto json = to_json(example().architecture);
  if (value == nullptr) {
    json.erase(field);
  } else {
    json[field] = nlohmann::ordered_json::parse(value);
  }
  return error_of("m: metadata resnet.architecture", [&] {
    read_architecture({{kArchitectureKey, json.dump()}}, "m");
  });
}

TEST(MetadataTest, RefusesNonsenseArchitectures) {
  EXPECT_EQ(architecture_refusal("depths", nullptr), "depths is missing");
  EXPECT_EQ(architecture_refusal("depth", "3"), "unknown field 'depth'");
  EXPECT_EQ(architecture_refusal("a\x1b", "3"), "unknown field 'a\\x1b'");
  EXPECT_EQ(architecture_refusal("depths", "3"), "depths must be an array");
  EXPECT_EQ(architecture_refusal("depths", "[3,[4]]"), "depths must be a whole number, 0 to 2147483647");
  EXPECT_EQ(architecture_refusal("depths", "[3,-1,2]"), "depths must be a whole number, 0 to 2147483647");
  EXPECT_EQ(architecture_refusal("depths", "[]"), "depths: there must be 1 to 8 stages");
  EXPECT_EQ(architecture_refusal("depths", "[3,0,3]"), "depths: each must be 1 to 2000");
  EXPECT_EQ(architecture_refusal("classes", "1.5"), "classes must be a whole number, 0 to 2147483647");
  EXPECT_EQ(architecture_refusal("classes", "2147483648"), "classes must be a whole number, 0 to 2147483647");
  EXPECT_EQ(architecture_refusal("classes", "18446744073709551615"), "classes must be a whole number, 0 to 2147483647");
  EXPECT_EQ(architecture_refusal("classes", "1e3"), "classes must be a whole number, 0 to 2147483647");
  EXPECT_EQ(architecture_refusal("conv_bias", "0"), "conv_bias must be true or false");
  EXPECT_EQ(architecture_refusal("block", "[]"), "block must be a string");
  EXPECT_EQ(architecture_refusal("block", "\"\\n\""), "block: '\\x0a' is not one of basic, bottleneck");
  EXPECT_EQ(architecture_refusal("name", "\"a/b\""), "name must be 1 to 64 letters, digits, '_', '.' or '-'");
  EXPECT_EQ(architecture_refusal("name", "\"\""), "name must be 1 to 64 letters, digits, '_', '.' or '-'");
  EXPECT_THAT(architecture_refusal("layout", "\"tutorial\""), StartsWith("layout: the tutorial layout describes"));
}

TEST(MetadataTest, RefusesWhatIsNoObject) {
  const auto refusal = [](const std::string& text) {
    return error_of("m: metadata resnet.architecture", [&] { read_architecture({{kArchitectureKey, text}}, "m"); });
  };
  EXPECT_EQ(refusal(""), "not a JSON object");
  EXPECT_EQ(refusal("[1]"), "not a JSON object");
  EXPECT_EQ(refusal("{\"name\": "), "not a JSON object");
  EXPECT_EQ(refusal("{} {}"), "not a JSON object");
  EXPECT_EQ(refusal(std::string("{}\0junk", 7)), "not a JSON object");
  EXPECT_EQ(refusal(R"({"classes":7,"classes":3})"), "field 'classes' stands twice");
  EXPECT_EQ(refusal(std::string(60'000, '[')), "not a JSON object");
  EXPECT_EQ(refusal(std::string(70'000, '{')), "70000 bytes, more than 65536");
}

std::string preprocessing_refusal(const char* field, const char* value) {
  auto json = to_json(Preprocessing{});
  json[field] = nlohmann::ordered_json::parse(value);
  return error_of("m: metadata resnet.preprocessing", [&] {
    read_preprocessing({{kPreprocessingKey, json.dump()}}, 3, "m");
  });
}

TEST(MetadataTest, RefusesNonsensePreprocessing) {
  EXPECT_EQ(preprocessing_refusal("height", "0"), "height: 0 is not 1 to 16384");
  EXPECT_EQ(preprocessing_refusal("width", "16385"), "width: 16385 is not 1 to 16384");
  EXPECT_EQ(preprocessing_refusal("resize", "-1"), "resize must be a whole number, 0 to 2147483647");
  EXPECT_EQ(preprocessing_refusal("interpolation", "\"nearest\""),
            "interpolation: 'nearest' is neither bilinear nor bicubic");
  EXPECT_EQ(preprocessing_refusal("mean", "[1,2]"), "mean: there must be 3 of it and of std, one per input channel");
  EXPECT_EQ(preprocessing_refusal("mean", "[1,2,\"3\"]"), "mean must be numbers");
  EXPECT_EQ(preprocessing_refusal("mean", "[1,2,1e300]"), "mean must be finite");
  EXPECT_EQ(preprocessing_refusal("std", "[1,2,0]"), "std: 0 is not above zero");
  EXPECT_EQ(preprocessing_refusal("std", "[1,2,-1]"), "std: -1 is not above zero");
  EXPECT_EQ(preprocessing_refusal("crop", "1"), "unknown field 'crop'");
}

TEST(MetadataTest, CountsClasses) {
  EXPECT_EQ(error_of("m: metadata resnet.classes",
                     [] {
                       read_classes({{kClassesKey, "[\"a\"]"}}, 2, "m");
                     }),
            "1 names for 2 classes");
  EXPECT_EQ(error_of("m: metadata resnet.classes",
                     [] {
                       read_classes({{kClassesKey, "[\"a\",\"b\"]"}}, 1, "m");
                     }),
            "more than 1 class names");
}

TEST(MetadataTest, WritesNothingThatItWouldNotRead) {
  const auto refusal = [](auto change) {
    Model model = example();
    change(model);
    try {
      to_metadata(model);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal([](Model& m) { m.classes.pop_back(); }), "classes: 2 names for 3 classes");
  EXPECT_EQ(refusal([](Model& m) { m.classes[1] = ""; }), "classes: class name 2 is empty");
  EXPECT_EQ(refusal([](Model& m) { m.preprocessing->std[0] = 0; }), "std: 0 is not above zero");
  EXPECT_EQ(refusal([](Model& m) { m.preprocessing->mean[0] = NAN; }), "mean: nan is not finite");
  EXPECT_EQ(refusal([](Model& m) { m.preprocessing->mean.pop_back(); }),
            "mean: there must be 3 of it and of std, one per input channel");
  EXPECT_THAT(refusal([](Model& m) { m.architecture.name = "a b"; }), HasSubstr("name: must be"));
}

}  // namespace
}  // namespace resnet
