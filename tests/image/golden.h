// Reads tests/golden/image; see its make.py.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/image/image.h"

namespace fovea::golden {

inline std::string folder() { return FOVEA_SOURCE_DIR "/tests/golden/image/"; }
inline Bytes file(const std::string& name) { return Bytes::map(folder() + "files/" + name); }

struct Picture {
  std::string name;
  int width, height, channels, depth;
  size_t offset;

  Image expected() const {
    static const Bytes data = Bytes::map(folder() + "decode.bin");
    Image image(width, height, channels, depth);
    const size_t size = image.row_size() * height * (depth / 8);  // little-endian, as the machines that run the tests
    void* to = depth == 16 ? static_cast<void*>(image.samples16().data()) : image.samples().data();
    std::memcpy(to, data.slice(offset, size).data(), size);
    return image;
  }
};

inline std::vector<Picture> pictures() {
  std::ifstream in(folder() + "decode.txt");
  std::vector<Picture> all;
  for (Picture p; in >> p.name >> p.width >> p.height >> p.channels >> p.depth >> p.offset;) all.push_back(p);
  return all;
}

// The largest difference between two pictures of one layout.
inline int difference(const Image& a, const Image& b) {
  int most = 0;
  for (int y = 0; y < a.height(); ++y) {
    for (int x = 0; x < a.width(); ++x) {
      for (int c = 0; c < a.channels(); ++c) most = std::max(most, std::abs(a.at(x, y, c) - b.at(x, y, c)));
    }
  }
  return most;
}

}  // namespace fovea::golden
