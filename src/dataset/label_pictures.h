// Says which of the listed files are pictures and of which classes. Part of index.h's work.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataset/class_folders.h"
#include "dataset/index.h"
#include "dataset/labels_file.h"
#include "dataset/listing.h"

namespace resnet {

// Of what lies below `base`, which is "" or ends in "/". The listing must outlive the answer.
ClassFolders find_folders(const Listing& listing, const std::string& base);

// Is this CIFAR, and not a set of pictures beside which such files happen to lie?
bool holds_cifar(const Listing& listing);

// One of the by_...() is called, once, and then finish().
class Labeller {
 public:
  // Only what lies below `base` counts.
  Labeller(Listing listing, std::string base);

  // Files that the labels file names and that are not there are kept, so that whoever reads them says so. Of an archive
  // they come in its order, of a directory, which needs no listing, in that of the labels.
  void by_labels_file(const std::vector<LabelledFile>& labels);

  // `only`: "train", "test", a folder that holds the files, or empty. Throws kNotFound, kInvalidArgument, kFormat.
  void by_cifar(std::string only);

  // By .cls files where there are some, else by folders. With `classes`, throws kInvalidArgument for a picture without
  // a class and for a class folder without pictures; without, such pictures have an empty label.
  void by_place(bool classes);

  std::shared_ptr<const Index> finish();

 private:
  struct Label {
    std::string text;
    bool is_index = false;
  };

  std::uint32_t number_of(const std::string& text, bool is_index);
  void add(std::size_t file, std::uint32_t label, std::uint32_t part = 0);
  std::string inside(std::size_t file) const { return listing_.files[file].place.path.substr(base_.size()); }
  std::string common_folder() const;
  std::vector<std::size_t> find_pictures() const;
  [[noreturn]] void fail_empty(bool classes) const;
  void add_by_cls(const std::vector<std::size_t>& pictures, const std::map<std::string, std::size_t>& cls);
  [[noreturn]] void fail_unlabelled(std::size_t picture, const std::map<std::string, std::size_t>& cls) const;
  void add_by_folder(const std::vector<std::size_t>& pictures, bool classes);
  std::string label_of_cls(std::size_t file) const;
  std::map<std::string, std::size_t> cls_of(const std::vector<std::size_t>& pictures) const;
  std::string key_of(std::size_t file) const;
  std::vector<std::size_t> cifar_files(std::string& only) const;
  void name_cifar(const CifarName& name, const std::string& folder);
  FileBytes bytes_of(const ListedFile& file) const;

  Listing listing_;
  std::string base_;
  std::shared_ptr<Index> index_;
  std::vector<Label> labels_;
  std::map<std::string, std::uint32_t> numbers_;  // of the labels
};

}  // namespace resnet
