#include "formats/foreign_files.h"

#include "formats/test_archives.h"
#include "formats/test_files.h"
#include "resnet/tensor_file.h"

namespace resnet {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;

class ForeignFilesTest : public FormatTest {
 protected:
  std::string refusal(const std::string& name, const std::string& bytes) const {
    const std::string file = write(name, bytes);
    const std::string message = error_of(file, [&] { read_tensor_file(file); });
    EXPECT_LT(message.size(), 400U);
    return message;
  }
};

TEST_F(ForeignFilesTest, SaysWhatAFileIsAndWhatToDo) {
  const struct {
    const char *name, *words;
    std::string bytes;
  } kFiles[] = {
      {"m.safetensors", "git lfs pull", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"},
      {"m.pth", "an HTML page", "\n<!DOCTYPE html><html><head>"},
      {"m.pth", "an HTML page", "<HTML>"},
      {"m.h5", "an HDF5 file", "\x89HDF\r\n\x1a\n\0\0"s},
      {"m.onnx", "an ONNX model, which is not read: give the PyTorch", "\x08\x07\x12\x07pytorch\x1a"},
      {"m.bin", "an ONNX model, by its first bytes", "\x08\x07\x12\x07pytorch\x1a"},
      {"m.pth.gz", "packed by gzip: run 'gunzip'", "\x1f\x8b\x08\0\0"s},
      {"m.pth.xz", "packed by xz", "\xFD\x37zXZ\0\0"s},
      {"m.pth.zst", "packed by Zstandard", "\x28\xB5\x2F\xFD\0"s},
      {"m.pth.bz2", "packed by bzip2", "BZh9"},
      {"m.7z", "a 7z archive: unpack it", "7z\xBC\xAF\x27\x1C"},
      {"m.rar", "a RAR archive: unpack it", "Rar!\x1A\x07\x01"},
      {"m.xml", "the description of an OpenVINO model", "<?xml version=\"1.0\"?>\n<net name=\"r\" version=\"11\">"},
      {"m.xml", "is XML", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>"},
      {"saved_model.pb", "a TensorFlow graph", "\x08\x01\x12\xFF"},
      {"model.ckpt.index", "the index of a TensorFlow checkpoint", "\x01\x02"},
      {"model.ckpt.data-00000-of-00001", "the data of a TensorFlow checkpoint", "\x01\x02"},
      {"checkpoint", "a TensorFlow run", "model_checkpoint_path: \"a\"\n"},
      {"m.tflite", "a TensorFlow Lite model", "\x1C\0\0\0TFL3"s},
      {"m.gguf", "a GGUF file", "GGUF\3\0\0\0"s},
      {"m.ggml", "a GGML file", "lmgg\0"s},
      {"m.mlmodel", "a Core ML model", "\x08\x05"},
      {"m.npy", "a single array of NumPy (.npy): save all", "\x93NUMPY\1\0"s},
      {"cat.jpg", "a picture, not a model: the model comes first", "\xFF\xD8\xFF\xE0"},
      {"cat.png", "a picture", "\x89PNG\r\n\x1a\n"},
      {"cat.webp", "a picture", "RIFF\0\0\0\0WEBPVP8 "s},
      {"config.json", "is JSON", "{\"architectures\": [\"ResNet\"]}"},
      {"config.yaml", "is YAML", "model: resnet50\n"},
      {"model.py", "is Python source", "class ResNet: ...\n"},
      {"model", "is Python source", "import torch\n"},
      {"run.sh", "is a script", "#!/bin/sh\n"},
      {"m.pth", "is 5000 zero bytes: the download", std::string(5000, '\0')},
      {"m.pth", "is empty: was the download cut short?", ""},
      {"m.params", "an MXNet file", "\x12\x01\0\0\0\0\0\0\0"s},
      {"m.txt", "is text, not a model; it begins with 'Dear reader,'", "Dear reader,\nthis is a letter.\n"},
      {"m.pth", "neither a safetensors file nor one of PyTorch", "\0\1\2\3"s},
      {"m.pth", "a zip archive with 'run/best.pth' in it: unpack it",
       test::archive({{.name = "run/best.pth", .data = "x"}})},
      {"m.keras", "a model of Keras", test::archive({{.name = "config.json"}, {.name = "model.weights.h5"}})},
      {"m.zip", "an empty zip archive", test::archive({})},
      {"m.pth", "was the download cut short?", test::archive({{.name = "m/data.pkl", .data = "x"}}).substr(0, 40)},
  };
  for (const auto& file : kFiles) EXPECT_THAT(refusal(file.name, file.bytes), HasSubstr(file.words)) << file.name;
}

TEST_F(ForeignFilesTest, KnowsOpenVinoByTheFileBeside) {
  write("net.xml", "<net/>");
  EXPECT_THAT(refusal("net.bin", "\1\2\3\4"), HasSubstr("the weights of an OpenVINO model"));
  EXPECT_THAT(refusal("other.bin", "\1\2\3\4"), HasSubstr("neither a safetensors file"));
}

TEST_F(ForeignFilesTest, KnowsTarsOfOthers) {
  EXPECT_THAT(refusal("m.tar", read(RESNET_SOURCE_DIR "/fuzz/corpus/dataset/tree.tar")),
              HasSubstr("a tar archive, but none that PyTorch 0.1 wrote: unpack it"));
}

TEST_F(ForeignFilesTest, LongTextStaysShort) {
  EXPECT_LT(refusal("m.pth", std::string(10'000, 'a')).size(), 150U);
  EXPECT_THAT(refusal("m.pth", std::string(4095, 'a') + "\xC3\xA9" + "b"), HasSubstr("is text"))
      << "a character cut off";
}

}  // namespace
}  // namespace resnet
