#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "recipe/keys.h"
#include "recipe/parts.h"
#include "recipe/schedule.h"
#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;

class RecipeTest : public ::testing::Test {
 protected:
  std::string file(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  ~RecipeTest() override { std::filesystem::remove(path_); }

  // The message of the error that reading the text gives, behind the path.
  std::string error_of(const std::string& text) {
    try {
      read_recipe(file(text));
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.find(path_), 0U) << message;
      return message.substr(std::min(path_.size(), message.size()));
    }
    ADD_FAILURE() << "no error: " << text;
    return "";
  }

  std::string path_ = ::testing::TempDir() + "recipe_test-" + std::to_string(getpid()) + ".toml";
};

TEST_F(RecipeTest, ReadsWhatItWrites) {
  Recipe recipe;
  recipe.data = "a \"quoted\"\\ path\n\x01";
  recipe.lr = 0.1 + 0.2;
  recipe.mean = {0.5, 1, 1e-300};
  recipe.changes.set(&Architecture::depths, {1, 2, 3});
  recipe.freeze = {"stem", "layer1"};
  recipe.epochs = 7;
  recipe.ema = 0.999;
  recipe.nesterov = false;
  EXPECT_EQ(read_recipe(file(to_toml(recipe))), recipe);
  EXPECT_EQ(read_recipe(file(to_toml({}))), Recipe());
}

TEST_F(RecipeTest, KeepsWhatTheFileDoesNotSay) {
  Recipe base;
  base.epochs = 3;
  base.lr = 0.5;
  const Recipe read = read_recipe(file("lr = 1\n"), base);
  EXPECT_EQ(read.epochs, 3);
  EXPECT_EQ(read.lr, 1);
}

TEST_F(RecipeTest, ReadsWhatEditorsLeave) {
  EXPECT_EQ(read_recipe(file("\xEF\xBB\xBF"
                             "epochs = 3\r\nlr = 1\r\n"))
                .epochs,
            3);
}

TEST_F(RecipeTest, EveryFieldHasAKey) {
  // A field without a key would be lost between a run and its resumption: sizes of the table and of the type agree.
  std::size_t bytes = 0;
  for (const Key& key : recipe_keys()) {
    bytes += std::visit(
        [](auto member) -> std::size_t {
          if constexpr (std::is_same_v<decltype(member), EnumMember<Recipe>>) {
            return member.index(Recipe()) < 0 ? sizeof(std::optional<Preset>) : sizeof(Preset);
          } else if constexpr (std::is_same_v<decltype(member), const ArchitectureField*>) {
            return 0;  // in the changes
          } else {
            return sizeof(Recipe().*member);
          }
        },
        key.member);
  }
  const std::size_t size = sizeof(Recipe) - sizeof(Recipe::Places) - sizeof(ArchitectureChanges);
  EXPECT_LE(bytes, size);
  EXPECT_GE(bytes + 8 * recipe_keys().size() / 4, size);  // bools are padded
}

TEST_F(RecipeTest, FieldsOfTheArchitectureAreSaidOrNot) {
  const Recipe unsaid = read_recipe(file("block = \"\"\ndepths = []\ngroups = 0\nstem_width = 0\nshortcut = \"\"\n"));
  EXPECT_EQ(unsaid, Recipe());
  const Recipe said =
      read_recipe(file("block = \"basic\"\ndepths = [1, 2]\nwidths = [65536, 1]\ngroups = 1\nshortcut = \"none\"\n"));
  EXPECT_EQ(said.changes.get(&Architecture::block), Block::kBasic);
  EXPECT_EQ(said.changes.get(&Architecture::depths), (std::vector<int>{1, 2}));
  EXPECT_EQ(said.changes.get(&Architecture::widths), (std::vector<int>{65536, 1}));
  EXPECT_EQ(said.changes.get(&Architecture::groups), 1);
  EXPECT_EQ(said.changes.get(&Architecture::shortcut), Shortcut::kNone);
  EXPECT_FALSE(said.changes.get(&Architecture::stem));
  const std::string text = to_toml(said);
  EXPECT_THAT(text, HasSubstr("block = \"basic\"\ndepths = [1, 2]\nwidths = [65536, 1]\ngroups = 1\n"
                              "width_per_group = 0\nstem = \"\"\nstem_width = 0\nshortcut = \"none\"\n"));
  EXPECT_EQ(read_recipe(file(text)), said);
  EXPECT_EQ(read_recipe(file("groups = 0\n"), said).changes.get(&Architecture::groups), std::nullopt);

  EXPECT_EQ(error_of("groups = -1\n"), ": line 1: groups: -1 is not between 0 and 65536");
  EXPECT_EQ(error_of("groups = 4294967297\n"), ": line 1: groups: 4294967297 is not between 0 and 65536");
  EXPECT_EQ(error_of("depths = [1, 0]\n"), ": line 1: depths: 0 is not between 1 and 2000");
  EXPECT_EQ(error_of("depths = [1, 4294967297]\n"), ": line 1: depths: 4294967297 is not between 1 and 2000");
  EXPECT_EQ(error_of("stem = \"vgg\"\n"), ": line 1: stem: 'vgg' is none of imagenet, deep, cifar");
}

TEST_F(RecipeTest, FieldsThatCameLaterAreSaidOrNot) {
  const Recipe unsaid =
      read_recipe(file("stem_pool = \"\"\nstrides = []\nbn_eps = 0.0\nactivation = \"\"\nnegative_slope = 0.0\n"));
  EXPECT_EQ(unsaid, Recipe());
  EXPECT_EQ(to_toml(Recipe()).find("bn_eps"), std::string::npos);
  const Recipe said =
      read_recipe(file("stem_kernel = 5\nstem_pool = \"max_2x2\"\nstrides = [1, 2]\nbn_eps = 0.001\n"
                       "activation = \"leaky_relu\"\nnegative_slope = 0.2\n"));
  EXPECT_EQ(said.changes.get(&Architecture::stem_kernel), 5);
  EXPECT_EQ(said.changes.get(&Architecture::stem_pool), StemPool::kMax2);
  EXPECT_EQ(said.changes.get(&Architecture::strides), (std::vector<int>{1, 2}));
  EXPECT_EQ(said.changes.get(&Architecture::bn_eps), 0.001);
  EXPECT_EQ(said.changes.get(&Architecture::activation), Activation::kLeakyRelu);
  EXPECT_EQ(said.changes.get(&Architecture::negative_slope), 0.2);
  EXPECT_EQ(read_recipe(file(to_toml(said))), said);
  EXPECT_EQ(read_recipe(file("antialias = \"blur\"\n")).changes.get(&Architecture::antialias), Antialias::kBlur);
  EXPECT_EQ(error_of("bn_eps = 2\n"), ": line 1: bn_eps: 2 is not between 0 and 1");
}

TEST_F(RecipeTest, LeavesOutWhatCameLaterAndWasNotSaid) {
  const ArchitectureField field = {
      .name = "dilated_stages", .member = &Architecture::dilated_stages, .help = "", .later = true};
  const Key key = {field.name, "Network", &field, "", 0, 7};
  Recipe recipe;
  EXPECT_FALSE(is_written(recipe, key));
  set_from_text(recipe, key, "2", "--dilated-stages");
  EXPECT_TRUE(is_written(recipe, key));
  EXPECT_EQ(toml_value(recipe, key), "2");
  EXPECT_EQ(recipe.changes.get(&Architecture::dilated_stages), 2);
}

TEST_F(RecipeTest, ASwitchThatWasNotSaidIsNotWritten) {
  EXPECT_EQ(to_toml(Recipe()).find("stride_on_first"), std::string::npos);
  EXPECT_EQ(to_toml(Recipe()).find("dilated_stages"), std::string::npos);
  const Recipe said = read_recipe(file("stride_on_first = false\ndilated_stages = 0\n"));
  EXPECT_EQ(said.changes.get(&Architecture::stride_on_first), false);
  EXPECT_EQ(said.changes.get(&Architecture::dilated_stages), 0);
  EXPECT_THAT(to_toml(said), HasSubstr("stride_on_first = false\ndilated_stages = 0\n"));
  EXPECT_EQ(read_recipe(file(to_toml(said))), said);
}

TEST_F(RecipeTest, EveryFieldThatTensorsDoNotTellIsAKey) {
  for (const char* name :
       {"stem_stride", "stem_pool", "shortcut", "stride_on_first", "dilated_stages", "strides", "bn_eps", "activation",
        "negative_slope", "antialias", "head_pool", "head_activation", "take", "head"}) {
    EXPECT_EQ(find_key(name, "").name, name);
  }
}

TEST_F(RecipeTest, ChoicesKeepTheirNames) {
  for (const Key& key : recipe_keys()) {
    const auto* member = std::get_if<EnumMember<Recipe>>(&key.member);
    if (member == nullptr) continue;
    for (const std::string_view name : member->names) {
      Recipe recipe;
      set_from_text(recipe, key, std::string(name), "--x");
      EXPECT_EQ(member->name_in(recipe), name);
      EXPECT_EQ(toml_value(recipe, key), fmt::format("\"{}\"", name));
    }
    Recipe recipe;
    EXPECT_THROW(set_from_text(recipe, key, "other", "--x"), Error) << key.name;
    EXPECT_EQ(recipe, Recipe());
  }
  EXPECT_EQ(error_of("optimizer = \"\"\n"), ": line 1: optimizer: '' is none of sgd, adamw, lamb");
  Recipe timm = read_recipe(file("preset = \"timm\"\n"));
  EXPECT_EQ(timm.preset, Preset::kTimm);
  EXPECT_EQ(read_recipe(file("preset = \"\"\n"), timm).preset, std::nullopt);
}

TEST_F(RecipeTest, NamesFileLineAndKeyOfNonsense) {
  EXPECT_EQ(error_of("epochs = 3\n\nlr = nan\n"), ": line 3: lr: nan is not between 1e-12 and 1000");
  EXPECT_EQ(error_of("lr = -0.1\n"), ": line 1: lr: -0.1 is not between 1e-12 and 1000");
  EXPECT_EQ(error_of("lr = inf\n"), ": line 1: lr: inf is not between 1e-12 and 1000");
  EXPECT_THAT(error_of("epochs = 2\nlr = 1e400\n"), HasSubstr(": line 2: lr:"));
  EXPECT_EQ(error_of("lr = \"0.1\"\n"), ": line 1: lr: is not a number");
  EXPECT_EQ(error_of("epochs = 1.5\n"), ": line 1: epochs: is not a whole number");
  EXPECT_EQ(error_of("epochs = 0\n"), ": line 1: epochs: 0 is not between 1 and 1000000");
  EXPECT_EQ(error_of("\nleraning_rate = 1\n").substr(0, 31), ": line 2: no key 'leraning_rate");
  EXPECT_EQ(error_of("wieght_decay = 1\n"), ": line 1: no key 'wieght_decay'; did you mean weight_decay?");
  EXPECT_EQ(error_of("optimizer = \"adam\"\n"), ": line 1: optimizer: 'adam' is none of sgd, adamw, lamb");
  EXPECT_EQ(error_of("mean = [0.1, true]\n"), ": line 1: mean: is not a number");
  EXPECT_EQ(error_of("mean = 0.1\n"), ": line 1: mean: is not a list in brackets");
  EXPECT_THAT(error_of("lr = \n"), HasSubstr(": line 1: lr:"));
  EXPECT_THAT(error_of("lr = 1\nlr = 2\n"), HasSubstr(": line 2"));
  EXPECT_EQ(error_of("lr = 1\nlr = 2\n"), ": line 2: lr: stands twice");
  EXPECT_EQ(
      error_of("epochs = 3\nlr = 0,1\n"),
      ": line 2: lr: 'lr = 0,1' is no line of TOML, which is NAME = VALUE, texts in \"quotes\", lists in [brackets]");
  EXPECT_THAT(error_of("\xFF\xFEl"), HasSubstr("save it as UTF-8"));
  EXPECT_THAT(error_of("[optimizer]\nlr = 1\n"), HasSubstr(": line 1: optimizer: is not a text"));
  EXPECT_EQ(error_of("lr = 1\narch = \"\xff\"\n"), ": line 2: is not text in UTF-8");
  EXPECT_THROW(read_recipe("/absent.toml"), Error);
}

TEST_F(RecipeTest, RemembersWhereKeysWereSaid) {
  const std::string path = file("data = \"d\"\n\ndevice = \"gpu\"\nfreeze = [\"layerx\"]\nmomentum = 0\n");
  Recipe recipe = read_recipe(path);
  const auto problem = [&]() -> std::string {
    try {
      validate(recipe);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(problem(), HasSubstr(path + ": line 4: freeze: 'layerx' is none of"));
  set_from_text(recipe, find_key("freeze", ""), "layer1,stern", "--freeze");
  EXPECT_THAT(problem(), HasSubstr("--freeze: 'stern' is none of"));
  recipe.freeze.clear();
  EXPECT_THAT(problem(), HasSubstr(path + ": line 3: device: 'gpu' is none of"));
  recipe.device = "cpu";
  EXPECT_THAT(problem(), HasSubstr(path + ": line 5: momentum: nesterov needs one above 0"));
}

TEST_F(RecipeTest, TakesFlags) {
  Recipe recipe;
  const auto set = [&](const char* key, const char* text) { set_from_text(recipe, find_key(key, "x"), text, "--x"); };
  set("lr", "1e-3");
  set("depths", "1,2,3");
  set("freeze", "stem,layer1");
  set("nesterov", "false");
  EXPECT_EQ(recipe.lr, 1e-3);
  EXPECT_EQ(recipe.changes.get(&Architecture::depths), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(recipe.freeze, (std::vector<std::string>{"stem", "layer1"}));
  EXPECT_FALSE(recipe.nesterov);
  for (const char* text : {"nan", "-1", "1e400", "", "1x", "0"}) EXPECT_THROW(set("lr", text), Error) << text;
  EXPECT_THROW(set("epochs", "99999999999999999999"), Error);
  EXPECT_THROW(set("nesterov", "perhaps"), Error);
  EXPECT_THROW(set("depths", "1,,2"), Error);
  EXPECT_THROW(set("precision", "fp8"), Error);
}

TEST_F(RecipeTest, RefusesWhatMakesNoSenseTogether) {
  const auto problem = [](auto change) -> std::string {
    Recipe recipe;
    recipe.data = "data";
    validate(recipe);
    change(recipe);
    try {
      validate(recipe);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(problem([](Recipe& r) { r.data.clear(); }), HasSubstr("data: is missing"));
  EXPECT_THAT(problem([](Recipe& r) { r.mean = {0.5}; }), HasSubstr("std: "));
  EXPECT_THAT(problem([](Recipe& r) { r.momentum = 0; }), HasSubstr("momentum: nesterov needs"));
  EXPECT_THAT(problem([](Recipe& r) { r.warmup_epochs = 90; }), HasSubstr("warmup_epochs: "));
  EXPECT_THAT(problem([](Recipe& r) { r.schedule = Recipe::Schedule::kStep; }), HasSubstr("step_epochs: "));
  EXPECT_THAT(problem([](Recipe& r) { r.freeze = {"layer9"}; }), HasSubstr("freeze: "));
  EXPECT_THAT(problem([](Recipe& r) { r.stage_lr = {"layer1=-1"}; }), HasSubstr("stage_lr: "));
  EXPECT_THAT(problem([](Recipe& r) { r.stage_lr = {"layer1"}; }), HasSubstr("stage_lr: "));
}

TEST(ScheduleTest, RisesAndFallsAsItsNamesSay) {
  Recipe r;
  r.lr = 2;
  r.epochs = 10;
  const auto at = [&](std::int64_t step) { return learning_rate(r, step, 100); };
  r.schedule = Recipe::Schedule::kConstant;
  EXPECT_EQ(at(0), 2);
  EXPECT_EQ(at(999), 2);
  r.warmup_epochs = 1;
  r.warmup_start = 0.5;
  EXPECT_EQ(at(0), 1);
  EXPECT_EQ(at(50), 1.5);
  EXPECT_EQ(at(100), 2);
  r.schedule = Recipe::Schedule::kStep;
  r.step_epochs = {2, 5};
  EXPECT_EQ(at(199), 2);
  EXPECT_DOUBLE_EQ(at(200), 0.2);
  EXPECT_DOUBLE_EQ(at(500), 0.02);
  r.schedule = Recipe::Schedule::kCosine;
  EXPECT_EQ(at(100), 2);
  EXPECT_NEAR(at(550), 1, 1e-12);
  EXPECT_LT(at(999), 1e-4);
  r.schedule = Recipe::Schedule::kPolynomial;
  r.power = 2;
  EXPECT_NEAR(at(550), 0.5, 1e-12);
  // torch.optim.lr_scheduler.OneCycleLR(max_lr=2, total_steps=1000, pct_start=0.3, div_factor=25): steps 0, 100, 299,
  // 600.
  r.warmup_epochs = 0;
  r.schedule = Recipe::Schedule::kOneCycle;
  EXPECT_NEAR(at(0), 0.08, 1e-12);
  EXPECT_NEAR(at(299), 2, 1e-12);
  EXPECT_NEAR(at(999), 0, 1e-12);
  EXPECT_NEAR(at(100), 0.08 + 1.92 * (1 - std::cos(3.14159265358979 * 100 / 299)) / 2, 1e-9);
}

}  // namespace
}  // namespace resnet
