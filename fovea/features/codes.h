// Codes: what one layer of a network answers to each picture of a set, kept in a file.
//
// The file is a .npz archive that NumPy reads: codes f32 [N,D], labels i64 [N] (−1: unknown), indices i64 [N] (of the
// pictures in their set), thumbnails u8 [N,H,W,C] where they were kept, and meta.json with everything that is text.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/model/model.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

class ZipStream;

// Where codes come from.
struct CodesOrigin {
  std::string layer;                           // the node's name; empty: codes that fovea did not make
  std::string pool;                            // none, mean, max: over the layer's positions
  std::string network;                         // its name
  std::string fingerprint;                     // see network_fingerprint()
  std::string preprocess;                      // in words; empty: the network takes rows of numbers
  std::string data;                            // what the set was called
  std::map<std::string, std::string> options;  // that the network was opened with, for opening it again
  bool operator==(const CodesOrigin&) const = default;
};

struct Codes {
  Tensor values;                     // f32 [N,D], often over the mapped file
  std::vector<int64_t> labels;       // [N], −1: unknown
  std::vector<int64_t> indices;      // [N]
  std::vector<std::string> names;    // [N]: files or "sample 17"
  std::vector<std::string> classes;  // the name of each label; may be empty
  Tensor thumbnails;                 // u8 [N,H,W,C], C 1 or 3; without elements where none were kept
  CodesOrigin origin;

  int64_t count() const { return values.shape()[0]; }
  int64_t dimensions() const { return values.shape()[1]; }
  bool has_labels() const;
  bool has_thumbnails() const { return thumbnails.rank() == 4 && thumbnails.count() > 0; }
  Image thumbnail(int64_t index) const;
  std::string class_of(int64_t index) const;  // empty where it is unknown
};

// Reads a file of codes, or a .npy or .npz file of someone else's: a matrix named codes, X, x, data, features or
// arr_0 (the only one in a .npy), with labels, y or target beside it if they are there. Values are converted to f32.
// Throws Error{io}, Error{format} saying what is missing or does not agree, and Error{format} naming the row of a value
// that is not finite.
Codes read_codes(const std::filesystem::path& path);

// The text of meta.json and the arrays besides the codes.
std::string codes_meta(const CodesOrigin& origin, const std::vector<std::string>& names,
                       const std::vector<std::string>& classes);
void take_codes_meta(const std::string& text, Codes& codes);

// Writes codes that are in memory; the same format and the same bytes as CodesWriter. Throws Error{io}.
void write_codes(const std::filesystem::path& path, const Codes& codes);
// Its entries besides the codes themselves, for files that hold more.
void add_codes_entries(ZipStream& zip, const Codes& codes);

// A text that is equal for networks with equal layers and equal weights.
std::string network_fingerprint(const Model& model);

}  // namespace fovea
