#include "capi/from_c_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resnet/resnet.h"

#define TEXT(value) #value
#define LINE(value) TEXT(value)
#define CHECK(condition)                                                  \
  do {                                                                    \
    if (!(condition)) return __FILE__ ":" LINE(__LINE__) ": " #condition; \
  } while (0)

enum { kClasses = 3, kFeatures = 16, kValues = 3 * 32 * 32, kRows = 16 };

static int same(const float* a, const float* b, int count) {
  for (int i = 0; i < count; ++i) {
    if (fabsf(a[i] - b[i]) > 1e-5f * (1 + fabsf(b[i]))) return 0;
  }
  return 1;
}

/* Reads a whole file into memory that the caller frees. */
static unsigned char* read_all(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) return NULL;
  unsigned char* bytes = malloc(1 << 20);
  *size = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return bytes;
}

static const char* check_facts(const resnet_classifier* model) {
  CHECK(strcmp(resnet_version(), "") != 0);
  CHECK(resnet_class_count(model) == kClasses);
  CHECK(resnet_feature_count(model) == kFeatures);
  CHECK(resnet_channels(model) == 3 && resnet_height(model) == 32 && resnet_width(model) == 32);
  CHECK(strcmp(resnet_architecture(model), "resnet") == 0);
  CHECK(strcmp(resnet_notes(model), "") == 0 && resnet_notes(NULL) == NULL);
  CHECK(strcmp(resnet_class_name(model, 2), "ship") == 0);
  CHECK(resnet_class_name(model, 3) == NULL && resnet_class_name(model, -1) == NULL);
  CHECK(strcmp(resnet_status_name(RESNET_OK), "ok") == 0);
  CHECK(strcmp(resnet_status_name(RESNET_MISMATCH), "mismatch") == 0);
  CHECK(strcmp(resnet_status_name(99), "unknown") == 0);
  return NULL;
}

/* The ways in give one tensor and one answer: a file, its bytes; and pixels, those of their tensor. */
static const char* check_pictures(const resnet_classifier* model, const char* picture) {
  resnet_guess by_file[5];
  resnet_guess by_bytes[5];
  int count = 0;
  CHECK(resnet_classify_file(model, picture, by_file, 5, &count) == RESNET_OK);
  CHECK(count == kClasses);
  CHECK(by_file[0].probability >= by_file[1].probability && by_file[1].probability >= by_file[2].probability);
  CHECK(by_file[0].label == resnet_class_name(model, by_file[0].index));

  size_t size = 0;
  unsigned char* bytes = read_all(picture, &size);
  CHECK(bytes != NULL);
  float tensors[3][kValues];
  const resnet_status classified = resnet_classify_bytes(model, bytes, size, by_bytes, 1, &count);
  const resnet_status prepared = resnet_prepare_bytes(model, bytes, size, tensors[1], kValues);
  free(bytes);
  CHECK(classified == RESNET_OK && prepared == RESNET_OK && count == 1);
  CHECK(by_bytes[0].index == by_file[0].index && by_bytes[0].probability == by_file[0].probability);
  CHECK(resnet_prepare_file(model, picture, tensors[0], kValues) == RESNET_OK);
  CHECK(memcmp(tensors[0], tensors[1], sizeof tensors[0]) == 0);

  unsigned char pixels[32 * 32 * 3];
  for (int i = 0; i < kValues; ++i) pixels[i] = (unsigned char)(i * 7);
  CHECK(resnet_classify_pixels(model, pixels, 32, 32, 3, by_bytes, 2, &count) == RESNET_OK && count == 2);
  CHECK(resnet_prepare_pixels(model, pixels, 32, 32, 3, tensors[2], kValues) == RESNET_OK);
  CHECK(memcmp(tensors[0], tensors[2], sizeof tensors[0]) != 0);
  const resnet_tensor tensor = {tensors[2], 1, 3, 32, 32};
  float logits[kClasses];
  CHECK(resnet_logits(model, &tensor, logits, kClasses) == RESNET_OK);
  CHECK(resnet_top(model, logits, by_file, 2, &count) == RESNET_OK && count == 2);
  for (int i = 0; i < 2; ++i) {
    CHECK(by_bytes[i].index == by_file[i].index && by_bytes[i].probability == by_file[i].probability);
  }
  return NULL;
}

/* Logits, features and heatmaps of a batch of two. */
static const char* check_tensors(const resnet_classifier* model, const char* picture) {
  float values[2 * kValues] = {0};
  float logits[2 * kClasses];
  float alone[kClasses];
  float features[2 * kFeatures];
  resnet_guess best[kClasses];
  resnet_guess expected[kClasses];
  int count = 0;
  CHECK(resnet_prepare_file(model, picture, values + kValues, kValues) == RESNET_OK);
  const resnet_tensor both = {values, 2, 3, 32, 32};
  const resnet_tensor second = {values + kValues, 1, 3, 32, 32};
  CHECK(resnet_logits(model, &both, logits, 2 * kClasses) == RESNET_OK);
  CHECK(resnet_logits(model, &second, alone, kClasses) == RESNET_OK);
  CHECK(same(logits + kClasses, alone, kClasses));
  CHECK(resnet_top(model, alone, best, kClasses, &count) == RESNET_OK && count == kClasses);
  CHECK(resnet_classify_file(model, picture, expected, kClasses, &count) == RESNET_OK);
  for (int i = 0; i < kClasses; ++i) CHECK(best[i].index == expected[i].index);

  CHECK(resnet_features(model, &both, features, 2 * kFeatures) == RESNET_OK);
  CHECK(!same(features, features + kFeatures, kFeatures));
  int rows = 0;
  int columns = 0;
  CHECK(resnet_heatmap_size(model, &second, &rows, &columns) == RESNET_OK && rows == kRows && columns == kRows);
  float best_map[kRows * kRows];
  float same_map[kRows * kRows];
  CHECK(resnet_heatmap(model, &second, -1, best_map, kRows * kRows) == RESNET_OK);
  CHECK(resnet_heatmap(model, &second, best[0].index, same_map, kRows * kRows) == RESNET_OK);
  CHECK(memcmp(best_map, same_map, sizeof best_map) == 0);
  for (int i = 0; i < kRows * kRows; ++i) CHECK(best_map[i] >= 0);
  float sum = 0; /* of all classes' maps */
  for (int c = 0; c < kClasses; ++c) {
    CHECK(resnet_heatmap(model, &second, c, same_map, kRows * kRows) == RESNET_OK);
    for (int i = 0; i < kRows * kRows; ++i) sum += same_map[i];
  }
  CHECK(sum > 0);
  return NULL;
}

/* Every function that takes a model that is there. */
static const char* check_calls(const resnet_classifier* model, const char* picture) {
  const char* wrong = check_facts(model);
  if (wrong == NULL) wrong = check_pictures(model, picture);
  if (wrong == NULL) wrong = check_tensors(model, picture);
  return wrong;
}

const char* check_answers(const char* path, const char* picture) {
  resnet_classifier* model = NULL;
  const resnet_options options = {1, NULL, NULL, NULL, 0, NULL, NULL, NULL};
  CHECK(resnet_load(path, &options, &model) == RESNET_OK);
  const char* wrong = check_calls(model, picture);
  resnet_free(model);
  return wrong;
}

#define FAILS(call, expected_status, text)              \
  do {                                                  \
    CHECK((call) == (expected_status));                 \
    CHECK(strstr(resnet_last_error(), (text)) != NULL); \
  } while (0)

static const char* check_load_errors(const char* path) {
  resnet_classifier* model = (resnet_classifier*)path; /* anything but NULL */
  FAILS(resnet_load("/absent.safetensors", NULL, &model), RESNET_NOT_FOUND, "/absent.safetensors");
  CHECK(model == NULL);
  FAILS(resnet_load(NULL, NULL, &model), RESNET_INVALID_ARGUMENT, "path");
  FAILS(resnet_load(path, NULL, NULL), RESNET_INVALID_ARGUMENT, "model");
  resnet_options options = {-1, NULL, NULL, NULL, 0, NULL, NULL, NULL};
  FAILS(resnet_load(path, &options, &model), RESNET_INVALID_ARGUMENT, "threads");
  options.threads = 0;
  options.preset = "nonsense";
  FAILS(resnet_load(path, &options, &model), RESNET_INVALID_ARGUMENT, "nonsense");
  options.preset = NULL;
  options.precision = "fp33";
  FAILS(resnet_load(path, &options, &model), RESNET_INVALID_ARGUMENT, "fp33");
  options.precision = NULL;
  options.architecture = "resnet5";
  FAILS(resnet_load(path, &options, &model), RESNET_NOT_FOUND, "resnet50");
  resnet_free(NULL);
  return NULL;
}

static const char* check_null_models(void) {
  resnet_guess guess;
  int count = 1;
  float value = 0;
  const resnet_tensor tensor = {&value, 1, 1, 1, 1};
  const unsigned char pixel = 0;
  CHECK(resnet_class_count(NULL) == 0 && resnet_feature_count(NULL) == 0 && resnet_channels(NULL) == 0);
  CHECK(resnet_height(NULL) == 0 && resnet_width(NULL) == 0);
  CHECK(resnet_architecture(NULL) == NULL && resnet_class_name(NULL, 0) == NULL);
  FAILS(resnet_classify_file(NULL, "x", &guess, 1, &count), RESNET_INVALID_ARGUMENT, "model");
  CHECK(count == 0);
  FAILS(resnet_classify_bytes(NULL, "x", 1, &guess, 1, &count), RESNET_INVALID_ARGUMENT, "model");
  FAILS(resnet_classify_pixels(NULL, &pixel, 1, 1, 1, &guess, 1, &count), RESNET_INVALID_ARGUMENT, "model");
  FAILS(resnet_prepare_file(NULL, "x", &value, 1), RESNET_INVALID_ARGUMENT, "model");
  FAILS(resnet_prepare_bytes(NULL, "x", 1, &value, 1), RESNET_INVALID_ARGUMENT, "model");
  FAILS(resnet_prepare_pixels(NULL, &pixel, 1, 1, 1, &value, 1), RESNET_INVALID_ARGUMENT, "model");
  FAILS(resnet_logits(NULL, &tensor, &value, 1), RESNET_INVALID_ARGUMENT, "model");
  FAILS(resnet_top(NULL, &value, &guess, 1, &count), RESNET_INVALID_ARGUMENT, "model");
  FAILS(resnet_features(NULL, &tensor, &value, 1), RESNET_INVALID_ARGUMENT, "model");
  FAILS(resnet_heatmap(NULL, &tensor, 0, &value, 1), RESNET_INVALID_ARGUMENT, "model");
  FAILS(resnet_heatmap_size(NULL, &tensor, &count, &count), RESNET_INVALID_ARGUMENT, "model");
  return NULL;
}

static const char* check_wrong_arguments(const resnet_classifier* model, const char* picture) {
  resnet_guess guess;
  int count = 1;
  static float values[kValues];
  resnet_tensor tensor = {values, 1, 3, 32, 32};
  static const unsigned char pixels[32 * 32 * 4];
  FAILS(resnet_classify_file(model, "/absent.png", &guess, 1, &count), RESNET_NOT_FOUND, "/absent.png");
  CHECK(count == 0);
  FAILS(resnet_classify_file(model, NULL, &guess, 1, &count), RESNET_INVALID_ARGUMENT, "path");
  FAILS(resnet_classify_file(model, picture, NULL, 1, &count), RESNET_INVALID_ARGUMENT, "guesses");
  FAILS(resnet_classify_file(model, picture, &guess, 1, NULL), RESNET_INVALID_ARGUMENT, "count");
  FAILS(resnet_classify_file(model, picture, &guess, 0, &count), RESNET_INVALID_ARGUMENT, "capacity");
  FAILS(resnet_classify_bytes(model, "no picture", 10, &guess, 1, &count), RESNET_FORMAT, "picture");
  FAILS(resnet_classify_bytes(model, "", 0, &guess, 1, &count), RESNET_FORMAT, "picture");
  FAILS(resnet_classify_bytes(model, NULL, 10, &guess, 1, &count), RESNET_INVALID_ARGUMENT, "bytes");
  FAILS(resnet_classify_pixels(model, NULL, 32, 32, 3, &guess, 1, &count), RESNET_INVALID_ARGUMENT, "pixels");
  FAILS(resnet_classify_pixels(model, pixels, 32, 32, 4, &guess, 1, &count), RESNET_MISMATCH, "channels");
  FAILS(resnet_classify_pixels(model, pixels, 32, -1, 3, &guess, 1, &count), RESNET_INVALID_ARGUMENT, "32x-1");
  FAILS(resnet_prepare_file(model, picture, values, kValues - 1), RESNET_MISMATCH, "3071");
  FAILS(resnet_prepare_pixels(model, pixels, 32, 32, 3, NULL, kValues), RESNET_INVALID_ARGUMENT, "tensor");
  FAILS(resnet_logits(model, NULL, values, kClasses), RESNET_INVALID_ARGUMENT, "input");
  FAILS(resnet_logits(model, &tensor, values, kClasses + 1), RESNET_MISMATCH, "room for 4");
  FAILS(resnet_logits(model, &tensor, NULL, kClasses), RESNET_INVALID_ARGUMENT, "logits");
  FAILS(resnet_top(model, NULL, &guess, 1, &count), RESNET_INVALID_ARGUMENT, "logits");
  FAILS(resnet_features(model, &tensor, values, 1), RESNET_MISMATCH, "features");
  FAILS(resnet_heatmap(model, &tensor, 3, values, kRows * kRows), RESNET_INVALID_ARGUMENT, "3");
  FAILS(resnet_heatmap(model, &tensor, 0, values, 49), RESNET_MISMATCH, "49");
  FAILS(resnet_heatmap_size(model, &tensor, NULL, &count), RESNET_INVALID_ARGUMENT, "rows");
  tensor.channels = 1;
  FAILS(resnet_logits(model, &tensor, values, kClasses), RESNET_MISMATCH, "channels");
  tensor.height = 0;
  FAILS(resnet_features(model, &tensor, values, kFeatures), RESNET_INVALID_ARGUMENT, "1x1x0x32");
  return NULL;
}

const char* check_errors(const char* path, const char* picture) {
  resnet_classifier* model = NULL;
  const char* wrong = check_load_errors(path);
  if (wrong == NULL) wrong = check_null_models();
  if (wrong != NULL) return wrong;
  CHECK(resnet_load(path, NULL, &model) == RESNET_OK);
  wrong = check_wrong_arguments(model, picture);
  resnet_free(model);
  return wrong;
}

const char* check_repeated(const struct resnet_classifier* model, const char* picture) {
  resnet_guess first;
  resnet_guess guess;
  int count = 0;
  char path[32];
  snprintf(path, sizeof path, "/absent-%p", (void*)&first);
  CHECK(resnet_classify_file(model, picture, &first, 1, &count) == RESNET_OK);
  for (int i = 0; i < 10; ++i) {
    CHECK(resnet_classify_file(model, picture, &guess, 1, &count) == RESNET_OK);
    CHECK(guess.index == first.index && guess.probability == first.probability);
    FAILS(resnet_classify_file(model, path, &guess, 1, &count), RESNET_NOT_FOUND, path);
    const char* wrong = check_calls(model, picture);
    if (wrong != NULL) return wrong;
  }
  return NULL;
}
