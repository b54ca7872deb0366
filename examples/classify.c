/* The most probable classes of a picture: classify_c MODEL PICTURE */
#include <resnet/resnet.h>
#include <stdio.h>

int main(int argc, char** argv) {
  resnet_classifier* model = NULL;
  resnet_guess best[5];
  int count = 0;
  resnet_status status = resnet_load(argc > 1 ? argv[1] : "model.safetensors", NULL, &model);
  if (status == RESNET_OK) status = resnet_classify_file(model, argc > 2 ? argv[2] : "cat.jpg", best, 5, &count);
  if (status != RESNET_OK) fprintf(stderr, "%s\n", resnet_last_error());
  for (int i = 0; i < count; ++i) printf("%5.1f %%  %s\n", 100 * best[i].probability, best[i].label);
  resnet_free(model);
  return status == RESNET_OK ? 0 : 1;
}
