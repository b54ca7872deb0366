// What the keys of a recipe make of the loaders' options.
#include "train/task.h"

#include <gtest/gtest.h>

namespace resnet {
namespace {

Augmentation augmentation(const Recipe& recipe) {
  Task task;
  task.recipe = recipe;
  EXPECT_FALSE(validation_loader(task).augmentation.has_value());
  const LoaderOptions options = training_loader(task);
  return options.augmentation.value_or(Augmentation());
}

TEST(TrainingLoaderTest, CropsAsTheRecipeSays) {
  Recipe recipe;
  recipe.crop = Recipe::Crop::kNone;
  EXPECT_FALSE(augmentation(recipe).resized_crop || augmentation(recipe).padded_crop);
  recipe.crop = Recipe::Crop::kResized;
  recipe.crop_min_area = 0.3;
  ASSERT_TRUE(augmentation(recipe).resized_crop);
  EXPECT_EQ(augmentation(recipe).resized_crop->min_area, 0.3);
  recipe.crop = Recipe::Crop::kPadded;
  recipe.padding = 7;
  ASSERT_TRUE(augmentation(recipe).padded_crop);
  EXPECT_EQ(augmentation(recipe).padded_crop->padding, 7);
  EXPECT_FALSE(augmentation(recipe).resized_crop);
}

TEST(TrainingLoaderTest, ChangesColoursAsTheRecipeSays) {
  Recipe recipe;
  recipe.brightness = 0.1;
  recipe.contrast = 0.2;
  recipe.saturation = 0.3;
  recipe.hue = 0.4;
  const ColorJitter jitter = augmentation(recipe).jitter;
  EXPECT_EQ(jitter.brightness, 0.1);
  EXPECT_EQ(jitter.contrast, 0.2);
  EXPECT_EQ(jitter.saturation, 0.3);
  EXPECT_EQ(jitter.hue, 0.4);
}

TEST(TrainingLoaderTest, HasThePolicyOfTheRecipe) {
  Recipe recipe;
  EXPECT_FALSE(augmentation(recipe).trivial_augment || augmentation(recipe).rand_augment);
  recipe.policy = Recipe::Policy::kTrivial;
  EXPECT_TRUE(augmentation(recipe).trivial_augment);
  EXPECT_FALSE(augmentation(recipe).rand_augment);
  recipe.policy = Recipe::Policy::kRand;
  recipe.rand_operations = 3;
  recipe.rand_magnitude = 5;
  EXPECT_FALSE(augmentation(recipe).trivial_augment);
  ASSERT_TRUE(augmentation(recipe).rand_augment);
  EXPECT_EQ(augmentation(recipe).rand_augment->operations, 3);
  EXPECT_EQ(augmentation(recipe).rand_augment->magnitude, 5);
}

TEST(TrainingLoaderTest, FlipsErasesAndMixesAsTheRecipeSays) {
  Recipe recipe;
  recipe.flip = 0.1;
  recipe.erasing = 0.2;
  recipe.mixup = 0.3;
  recipe.cutmix = 0.4;
  const Augmentation change = augmentation(recipe);
  EXPECT_EQ(change.flip, 0.1);
  EXPECT_EQ(change.erasing.probability, 0.2);
  EXPECT_EQ(change.mixup, 0.3);
  EXPECT_EQ(change.cutmix, 0.4);
}

}  // namespace
}  // namespace resnet
