#include "weights/model_source.h"

#include <fmt/format.h>
#include "formats/safetensors.h"

#include "formats/test_files.h"
#include "resnet/model_file.h"
#include "weights/initialize.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;

class ModelSourceTest : public FormatTest {
 protected:
  void save(const std::string& name, const StateDict& tensors) const { write_safetensors(tensors, {}, path(name)); }
};

StateDict small() {
  Architecture architecture = find_architecture("resnet20");
  return initial_weights(expand(architecture), 1);
}

TEST_F(ModelSourceTest, AFolderWithItsConfiguration) {
  save("model.safetensors", small());
  write("config.json",
        R"({"id2label": {"0":"a","1":"b","2":"c","3":"d","4":"e","5":"f","6":"g","7":"h","8":"i","9":"j"}})");
  for (const std::string& model : {path(""), path("model.safetensors")}) {
    const Model loaded = load_model(model);
    EXPECT_EQ(loaded.architecture.name, "resnet20");
    ASSERT_EQ(loaded.classes.size(), 10U);
    EXPECT_EQ(loaded.classes[9], "j");
  }
}

TEST_F(ModelSourceTest, AConfigurationThatIsNone) {
  save("model.safetensors", small());
  for (const char* text : {"", "[]", "{\"a\": ", "{\"a\": \"\xff\"}"}) {
    write("config.json", text);
    EXPECT_EQ(error_of(path("config.json"), [&] { read_model_source(path("model.safetensors")); }),
              "not a JSON object");
  }
}

TEST_F(ModelSourceTest, Shards) {
  const StateDict weights = small();
  StateDict parts[2];
  std::string map;
  std::size_t i = 0;
  for (const auto& [name, tensor] : weights) {
    const std::size_t part = i++ % 2;
    parts[part].add(name, tensor);
    map += fmt::format("{}\"{}\": \"{}.safetensors\"", map.empty() ? "" : ", ", name, part);
  }
  save("0.safetensors", parts[0]);
  save("1.safetensors", parts[1]);
  EXPECT_THAT(error_of(path(""), [&] { read_model_source(path("")); }),
              HasSubstr("a directory of several files of weights, name one of them: 0.safetensors, 1.safetensors"));
  write("model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
  const Model model = load_model(path(""));
  EXPECT_EQ(model.architecture.name, "resnet20");
  EXPECT_TRUE(std::ranges::equal(model.weights.at("fc.weight").bytes(), weights.at("fc.weight").bytes()));
  const std::string index = path("model.safetensors.index.json");
  for (const char* text :
       {"[]", "{}", "{\"weight_map\": {\"a\": \"../1.safetensors\"}}", "{\"weight_map\": {}}", "{"}) {
    write("model.safetensors.index.json", text);
    EXPECT_FALSE(error_of(index, [&] { read_model_source(index); }).empty()) << text;
  }
}

TEST_F(ModelSourceTest, AFolderWithoutWeights) {
  EXPECT_EQ(error_of(path(""), [&] { read_model_source(path("")); }),
            "is a directory without weights: no model.safetensors in it, nor another file of weights");
  const auto refusal_beside = [&](const char* name) {
    write(name, "{}");
    const std::string text = error_of(path(""), [&] { read_model_source(path("")); });
    std::filesystem::remove(path(name));
    return text;
  };
  EXPECT_THAT(refusal_beside("config.json"), HasSubstr("with a config.json, but without weights"));
  EXPECT_THAT(refusal_beside("saved_model.pb"), HasSubstr("TensorFlow SavedModel"));
  EXPECT_THAT(refusal_beside(".metadata"), HasSubstr("dcp_to_torch_save"));
}

}  // namespace
}  // namespace resnet
