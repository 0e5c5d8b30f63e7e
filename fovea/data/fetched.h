// Files of the catalogue on this machine: found where they may lie already, else downloaded.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/base/context.h"
#include "fovea/data/catalogue.h"

namespace fovea {

struct FetchedFile {
  std::filesystem::path path;
  int64_t bytes = 0;
  std::string sha256;
  std::string from;  // the address it came from, or "FOVEA_DATA", "fovea's cache", "PyTorch's cache"
};
struct Fetched {
  std::string name;
  std::filesystem::path path;  // the file, or the folder of the files where there are several
  std::vector<FetchedFile> files;
};

// Where the files of a name lie already: the file, or the folder of the files of a data set. Looks in FOVEA_DATA (its
// folder "weights" and the folders in that one, or the data set's; for single files the folder itself too), in fovea's
// cache (see cache_folder), and in PyTorch's ($TORCH_HOME/hub/checkpoints, else torch/hub/checkpoints in the user's
// cache). Weights outside fovea's own cache, whose files were checked when they came, are taken only with the right
// checksum; of data sets only the names are compared (fetch checks them). Not given: unknown name, or not here. Never
// asks a network.
std::optional<std::filesystem::path> find_fetched(std::string_view name);

// Whether the files of an entry are here by their names; nothing is read.
std::optional<std::filesystem::path> find_named(const CatalogueEntry& entry);

struct FetchOptions {
  std::string from;  // instead of the catalogue's addresses: a file's address, or a folder's, which ends in "/"
  int tries = 3;
  double wait = 1;  // see Download
  int64_t stall_seconds = 30;
};

// The files of an entry, found (with the right checksums) or downloaded into fovea's cache. Throws what download
// throws, and Error{usage}: there is no cache folder, or no address.
Fetched fetch(const Context& context, const CatalogueEntry& entry, const FetchOptions& options = {});

}  // namespace fovea
