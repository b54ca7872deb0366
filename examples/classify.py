# The most probable classes of a picture: classify.py MODEL PICTURE
import sys

import resnet_cpp

model = resnet_cpp.load(sys.argv[1] if len(sys.argv) > 1 else "model.safetensors")
for guess in model.classify(sys.argv[2] if len(sys.argv) > 2 else "cat.jpg"):
    print(f"{100 * guess.probability:5.1f} %  {guess.label}")
