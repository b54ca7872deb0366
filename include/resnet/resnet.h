/* resnet.cpp from C: a model file made ready to classify pictures.
 *
 *   resnet_classifier* model = NULL;
 *   resnet_guess best[5];
 *   int count = 0;
 *   if (resnet_load("model.safetensors", NULL, &model) != RESNET_OK ||
 *       resnet_classify_file(model, "cat.jpg", best, 5, &count) != RESNET_OK)
 *     fprintf(stderr, "%s\n", resnet_last_error());
 *   for (int i = 0; i < count; ++i) printf("%5.1f %%  %s\n", 100 * best[i].probability, best[i].label);
 *   resnet_free(model);
 *
 * Errors: a function that can fail returns a status. Where it is not RESNET_OK, resnet_last_error() says why, handles
 * and counts that it would have written are NULL and 0, and arrays hold nothing of use. No call ends the process
 * because of what a caller or a file says, and no C++ exception leaves one.
 *
 * Ownership: the caller owns every array it passes; nothing but a resnet_classifier has to be freed. Strings that are
 * returned belong to the library: names of classes live as long as their model.
 *
 * Threads: any call may be made from any thread. Calls with the same model run side by side, without waiting for each
 * other; only resnet_free() must be the last one. The last error is the thread's own.
 *
 * Tensors are float32, dense, in the order batch, channels, height, width (NCHW). */
#ifndef RESNET_RESNET_H
#define RESNET_RESNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NOLINTBEGIN(readability-identifier-naming,modernize-use-using): C's ways */
typedef enum resnet_status {
  RESNET_OK = 0,
  RESNET_INVALID_ARGUMENT = 1, /* the caller asked for something that has no meaning, such as a null model */
  RESNET_NOT_FOUND = 2,        /* a file, a name or a tensor is not there */
  RESNET_IO = 3,               /* the operating system refused */
  RESNET_FORMAT = 4,           /* a file's bytes break the rules of its format */
  RESNET_LIMIT = 5,            /* a file asks for more than the reader will give */
  RESNET_UNSUPPORTED = 6,      /* well-formed, but outside what this library does */
  RESNET_MISMATCH = 7,         /* two things that should agree do not: weights and architecture, sizes of arrays */
  RESNET_OUT_OF_MEMORY = 8,
  RESNET_INTERNAL = 9 /* what the C++ library itself throws; a bug */
} resnet_status;

/* "ok", "invalid argument", ...; "unknown" for a number that is no status. */
const char* resnet_status_name(int status);

/* Why the last call of this thread that failed did so: "model.safetensors: offset 8: ...". Empty before any has. Valid
 * until the thread's next call that fails. */
const char* resnet_last_error(void);

/* "0.1.0". */
const char* resnet_version(void);

typedef struct resnet_classifier resnet_classifier;

/* A struct of zeros asks for what NULL asks for. */
typedef struct resnet_options {
  int threads;              /* that work on one call, the caller included; 0: one per processor. Programs that call from
                               many threads at the same time are fastest with 1. */
  const char* architecture; /* instead of the file's: "resnet50"; NULL: what the file says or shows */
  const char* preset;       /* how pictures become tensors, instead of the file's word: "torchvision",
                               "torchvision-v2", "timm" or "cifar"; NULL: what the file says, else what is likely */
  const char* precision;    /* "fp32", "bf16", ...; NULL: int8 for a model that was made for it, else fp32 */
  int allow_nonfinite;      /* 0: a file with weights that are NaN or infinite is refused, and so are such answers of
                               resnet_classify_*() (RESNET_UNSUPPORTED); other: neither is, to look for the reason */
  const char* take;         /* of several networks in a file the one with this in front of its tensors' names:
                               "model_ema"; NULL: what the tool that writes such files takes */
  const char* head;         /* of several classifiers the one of this name; "none": none; NULL: the only one */
  const char* fields;       /* of the network, instead of what the file says or of what is usual where it does not:
                               "stem_pool=none strides=1,2,2,1 activation=silu", the flags of `resnet predict --help`
                               with _ for - */
} resnet_options;

/* Reads a model file, or a checkpoint of any making (docs/checkpoints.md), and makes it ready. What had to be assumed
 * of the latter is in resnet_notes(). */
resnet_status resnet_load(const char* path, const resnet_options* options, resnet_classifier** model);

/* NULL is allowed. */
void resnet_free(resnet_classifier* model);

/* Facts of a model; 0 or NULL where `model` is NULL. */
int resnet_class_count(const resnet_classifier* model);
int resnet_feature_count(const resnet_classifier* model); /* length of an embedding */
int resnet_channels(const resnet_classifier* model);      /* of the tensor that a picture becomes */
int resnet_height(const resnet_classifier* model);
int resnet_width(const resnet_classifier* model);
const char* resnet_architecture(const resnet_classifier* model); /* "resnet50" */

/* The name of a class, or its index as text where the model has no names; NULL where there is no such class. */
const char* resnet_class_name(const resnet_classifier* model, int index);

/* What people should know of how the file was read, a line each, or "": "assumed, as its tensors do not tell:
 * stem_pool=max", in words that resnet_options.fields takes. Lives as long as its model; NULL where `model` is NULL. */
const char* resnet_notes(const resnet_classifier* model);

typedef struct resnet_guess {
  int index;         /* of the class */
  float probability; /* softmax over all classes */
  const char* label; /* resnet_class_name() */
} resnet_guess;

/* The most probable classes of one picture, best first: `guesses` has room for `capacity`, which must be at least 1;
 * `count` says how many were written, which is less only where the model has fewer classes.
 *
 * A file or its bytes: JPEG, PNG, WebP or .npy. Pixels: 8-bit, row by row from the top left, channels interleaved
 * (RGB), height * width * channels bytes. */
resnet_status resnet_classify_file(const resnet_classifier* model, const char* path, resnet_guess* guesses,
                                   int capacity, int* count);
resnet_status resnet_classify_bytes(const resnet_classifier* model, const void* bytes, size_t size,
                                    resnet_guess* guesses, int capacity, int* count);
resnet_status resnet_classify_pixels(const resnet_classifier* model, const uint8_t* pixels, int width, int height,
                                     int channels, resnet_guess* guesses, int capacity, int* count);

/* The tensor of one picture, as the model wants it: resnet_channels() * resnet_height() * resnet_width() values, which
 * `size` must say. */
resnet_status resnet_prepare_file(const resnet_classifier* model, const char* path, float* tensor, size_t size);
resnet_status resnet_prepare_bytes(const resnet_classifier* model, const void* bytes, size_t size, float* tensor,
                                   size_t tensor_size);
resnet_status resnet_prepare_pixels(const resnet_classifier* model, const uint8_t* pixels, int width, int height,
                                    int channels, float* tensor, size_t size);

/* A batch of tensors, all of one size, which need not be resnet_height() by resnet_width(). */
typedef struct resnet_tensor {
  const float* values; /* batch * channels * height * width */
  int batch;
  int channels;
  int height;
  int width;
} resnet_tensor;

/* Scores of the classes before softmax: batch * resnet_class_count() values, which `size` must say;
 * of a backbone its features, batch * resnet_feature_count(). */
resnet_status resnet_logits(const resnet_classifier* model, const resnet_tensor* input, float* logits, size_t size);

/* The most probable classes by one picture's logits, as the functions above give them. */
resnet_status resnet_top(const resnet_classifier* model, const float* logits, resnet_guess* guesses, int capacity,
                         int* count);

/* Embeddings: the values that the last layer classifies, batch * resnet_feature_count(), which `size` must say. */
resnet_status resnet_features(const resnet_classifier* model, const resnet_tensor* input, float* features, size_t size);

/* Where in a picture a class is seen: Grad-CAM on the last stage. `input` is one picture, `index` a class or -1 for the
 * most probable one. The map is as fine as the network's last stage, 7x7 for 224x224 pixels; resnet_heatmap_size() says
 * so. `size` must be rows * columns; values are 0 or more. */
resnet_status resnet_heatmap_size(const resnet_classifier* model, const resnet_tensor* input, int* rows, int* columns);
resnet_status resnet_heatmap(const resnet_classifier* model, const resnet_tensor* input, int index, float* heatmap,
                             size_t size);

/* NOLINTEND(readability-identifier-naming,modernize-use-using) */

#ifdef __cplusplus
}
#endif

#endif
