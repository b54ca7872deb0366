/* What capi_test.cc asks of from_c_test.c: every function of resnet.h, called from C99. */
#ifndef RESNET_CAPI_FROM_C_TEST_H
#define RESNET_CAPI_FROM_C_TEST_H

#ifdef __cplusplus
extern "C" {
#endif

/* Each gives NULL, or the check that failed. `model` is a file whose network takes 3x32x32, has 16 features, a last
 * stage of 16x16 and the classes cat, dog and ship; `picture` a file that it can classify. */
const char* check_answers(const char* model, const char* picture);
const char* check_errors(const char* model, const char* picture);

/* Calls all that takes a model, over and over; for a thread beside others that do the same with it. */
struct resnet_classifier;
const char* check_repeated(const struct resnet_classifier* model, const char* picture);

#ifdef __cplusplus
}
#endif

#endif
