// What fovea can fetch by name: trained weights and data sets, where they are published and under which checksums.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/checksum.h"

namespace fovea {

struct CatalogueFile {
  std::string name;                    // in the entry's folder
  std::vector<std::string> addresses;  // the first is the publisher's or its mirror's
  Checksum checksum;
  int64_t bytes = 0;        // exact; 0: not known
  int64_t about = 0;        // estimated from the number of weights where bytes is not known
  std::string content_md5;  // of the unpacked bytes, where they are published: other ways to pack them are as good
};

// One file inside the archive of a data set.
struct CataloguePart {
  std::string name;  // data_batch_1.bin
  std::string md5;   // empty: not published
};

struct CatalogueEntry {
  enum class Kind { weights, data };
  std::string name;  // resnet50, mnist
  Kind kind = Kind::weights;
  std::string folder;  // in fovea's cache and in FOVEA_DATA: weights, mnist, cifar10
  std::string description;
  std::vector<CatalogueFile> files;
  std::vector<CataloguePart> parts;  // what the one archive holds: these, plain or compressed, do in its place
};

const std::vector<CatalogueEntry>& catalogue();

// The entry of a name ("resnet50") or of a file's name with or without its ending ("resnet50-0676ba61.pth"); null when
// there is none.
const CatalogueEntry* find_entry(std::string_view name);
std::vector<std::string> catalogue_names();

// An entry for a file that the catalogue does not know but whose name carries the first digits of its SHA-256, as
// PyTorch's names do: resnet20-12fca82f.th. Not given for other names.
std::optional<CatalogueEntry> entry_of_file_name(std::string_view name);

}  // namespace fovea
