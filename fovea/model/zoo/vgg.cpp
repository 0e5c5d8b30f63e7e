// VGG: only 3×3 windows, and more of them. Five blocks of convolutions, each followed by max pooling 2/2, then 4096,
// 4096 and 1000. The configurations below are the paper's Table 1 (vgg_table() prints it); each 3×3 convolution is
// padded by 1 and followed by ReLU, and the 1×1 convolutions of C only mix channels.
//
//   A = vgg11    A-LRN = vgg_a_lrn    B = vgg13    C = vgg_c    D = vgg16    E = vgg19
//
// torchvision's names; `_bn` puts a batch norm after each convolution (not in the paper). The maps are averaged to 7×7
// before the first fully connected layer, so that pictures of other sizes fit; at 224×224 this changes nothing. The
// form for CIFAR's 32×32 that many repositories have, `_bn_cifar`, ends in one fully connected layer.
//
// Source: Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015 (arXiv
// 1409.1556), Table 1; Ioffe & Szegedy, "Batch normalization", ICML 2015.
#include <algorithm>
#include <cmath>

#include "fovea/model/statistics.h"
#include "fovea/model/zoo/families.h"
#include "fovea/model/zoo/vgg_table.h"
#include "fovea/ops/adaptive_average_pool.h"

namespace fovea {

namespace {

// One row of a block: a convolution, or the local response normalisation where the kernel is 0.
struct Row {
  int64_t kernel, channels;
};
using Block = std::vector<Row>;

struct Configuration {
  std::string letter, name;
  std::vector<Block> blocks;
  int64_t depth() const {
    int64_t layers = 3;  // the fully connected ones
    for (const Block& block : blocks)
      for (const Row& row : block) layers += row.kernel > 0;
    return layers;
  }
};

const std::vector<Configuration>& configurations() {
  const Row c64{3, 64}, c128{3, 128}, c256{3, 256}, c512{3, 512};
  const Row p256{1, 256}, p512{1, 512}, norm{0, 0};
  static const std::vector<Configuration> all = {
      {"A", "vgg11", {{c64}, {c128}, {c256, c256}, {c512, c512}, {c512, c512}}},
      {"A-LRN", "vgg_a_lrn", {{c64, norm}, {c128}, {c256, c256}, {c512, c512}, {c512, c512}}},
      {"B", "vgg13", {{c64, c64}, {c128, c128}, {c256, c256}, {c512, c512}, {c512, c512}}},
      {"C", "vgg_c", {{c64, c64}, {c128, c128}, {c256, c256, p256}, {c512, c512, p512}, {c512, c512, p512}}},
      {"D", "vgg16", {{c64, c64}, {c128, c128}, {c256, c256, c256}, {c512, c512, c512}, {c512, c512, c512}}},
      {"E",
       "vgg19",
       {{c64, c64}, {c128, c128}, {c256, c256, c256, c256}, {c512, c512, c512, c512}, {c512, c512, c512, c512}}},
  };
  return all;
}

constexpr int64_t kFullyConnected = 4096;
// "The parameters for the LRN layer are those of Krizhevsky et al. 2012": k = 2, n = 5, alpha = 1e-4 (there it is not
// divided by n), beta = 0.75.
const LrnAttributes kNorm{.size = 5, .alpha = 5e-4, .beta = 0.75, .bias = 2};

Value convolutions(NetworkBuilder& b, const Configuration& configuration, bool batch_norm) {
  Value x = b.input();
  int index = 0;  // in torchvision's nn.Sequential
  const auto next = [&] { return fmt::format("features.{}", index++); };
  for (size_t block = 0; block < configuration.blocks.size(); ++block) {
    int layer = 0;
    for (const Row& row : configuration.blocks[block]) {
      if (row.kernel == 0) {
        x = b.lrn(next(), x, kNorm);
        b.alias(fmt::format("norm{}", block + 1), x);
        continue;
      }
      const std::string place = fmt::format("{}_{}", block + 1, ++layer);
      x = b.conv(next(), x, row.channels, row.kernel, {.pad = row.kernel / 2});
      b.alias("conv" + place, x);
      if (batch_norm) {
        x = b.batch_norm(next(), x);
        b.alias("bn" + place, x);
      }
      x = b.relu(next(), x);
      b.alias("relu" + place, x);
    }
    x = b.max_pool(next(), x, {.kernel = 2, .stride = 2});
    b.alias(fmt::format("pool{}", block + 1), x);
  }
  return x;
}

void vgg(NetworkBuilder& b, const Configuration& configuration, bool batch_norm) {
  Value x = convolutions(b, configuration, batch_norm);
  x = b.named("avgpool", adaptive_average_pool(b.graph, x, {7, 7}));
  for (const int k : {6, 7}) {
    const int index = (k - 6) * 3;
    x = b.linear(fmt::format("classifier.{}", index), x, kFullyConnected);
    b.alias(fmt::format("fc{}", k), x);
    x = b.relu(fmt::format("classifier.{}", index + 1), x);
    b.alias(fmt::format("relu{}", k), x);
    x = b.dropout(fmt::format("classifier.{}", index + 2), x);
    b.alias(fmt::format("drop{}", k), x);
  }
  x = b.linear("classifier.6", x, b.classes);
  b.alias("fc8", x);
  b.output("scores", x);
}

// For pictures of 32×32 one fully connected layer follows the convolutions directly.
void vgg_cifar(NetworkBuilder& b, const Configuration& configuration) {
  Value x = convolutions(b, configuration, true);
  x = b.named("avgpool", adaptive_average_pool(b.graph, x, {1, 1}));
  b.output("scores", b.linear("classifier", x, b.classes));
}

Architecture cifar_entry(const Configuration& configuration) {
  return {configuration.name + "_bn_cifar",
          "VGG",
          "Simonyan & Zisserman, Very deep convolutional networks for large-scale image recognition",
          2014,
          configuration.depth() - 2,
          {3, 32, 32},
          10,
          "cifar",
          [&configuration](NetworkBuilder& b) { vgg_cifar(b, configuration); }};
}

// The convention of the authors' own networks goes with those that only they trained.
Architecture entry(const Configuration& configuration, bool batch_norm) {
  const bool only_published = configuration.name.starts_with("vgg_");
  return {configuration.name + (batch_norm ? "_bn" : ""),
          "VGG",
          "Simonyan & Zisserman, Very deep convolutional networks for large-scale image recognition",
          2014,
          configuration.depth(),
          {3, 224, 224},
          1000,
          only_published ? "vgg" : "torchvision",
          [&configuration, batch_norm](NetworkBuilder& b) { vgg(b, configuration, batch_norm); }};
}

constexpr size_t kWidth = 11;  // of a column of the printed table

std::string centred(std::string_view text, size_t width) {
  const auto is_letter = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };  // of UTF-8
  const size_t letters = static_cast<size_t>(std::count_if(text.begin(), text.end(), is_letter));
  const size_t spaces = letters < width ? width - letters : 0;
  return std::string(spaces / 2, ' ') + std::string(text) + std::string(spaces - spaces / 2, ' ');
}

// The text of one row of every column, in cells.
template <class F>
std::string cells(F text) {
  std::string line = "|";
  for (const Configuration& c : configurations()) line += centred(text(c), kWidth) + "|";
  return line + "\n";
}

// A row over the whole width, and a line under it.
std::string across(std::string_view text) {
  const size_t columns = configurations().size(), width = columns * (kWidth + 1) - 1;
  return "|" + centred(text, width) + "|\n+" + std::string(width, '-') + "+\n";
}

std::string row_text(const Row& row) {
  return row.kernel == 0 ? "LRN" : fmt::format("conv{}-{}", row.kernel, row.channels);
}

}  // namespace

std::vector<Architecture> vggs() {
  std::vector<Architecture> list;
  for (const Configuration& configuration : configurations()) {
    list.push_back(entry(configuration, false));
    if (!configuration.name.starts_with("vgg_")) list.push_back(entry(configuration, true));
  }
  for (const Configuration& configuration : configurations())
    if (!configuration.name.starts_with("vgg_")) list.push_back(cifar_entry(configuration));
  return list;
}

std::string vgg_table() {
  std::string rule = "+";
  for (size_t k = 0; k < configurations().size(); ++k) rule += std::string(kWidth, '-') + "+";
  rule += "\n";
  const size_t width = rule.size() - 3;
  std::string text = "+" + std::string(width, '-') + "+\n" + across("ConvNet Configuration");
  text += cells([](const Configuration& c) { return c.letter; }) + rule;
  text += cells([](const Configuration& c) { return fmt::format("{} weight", c.depth()); });
  text += cells([](const Configuration&) { return "layers"; }) + rule;
  text += across("input (224 × 224 RGB image)");
  for (size_t block = 0; block < configurations()[0].blocks.size(); ++block) {
    size_t rows = 0;
    for (const Configuration& c : configurations()) rows = std::max(rows, c.blocks[block].size());
    for (size_t row = 0; row < rows; ++row)
      text += cells([&](const Configuration& c) {
        return row < c.blocks[block].size() ? row_text(c.blocks[block][row]) : std::string();
      });
    text += rule + across("maxpool");
  }
  for (const int64_t units : {kFullyConnected, kFullyConnected, int64_t{1000}})
    text += across(fmt::format("FC-{}", units));
  text += across("soft-max") + "\nNumber of parameters (in millions)\n" + rule;
  text += cells([](const Configuration& c) { return c.letter; }) + rule;
  text += cells([](const Configuration& c) {
    const ModelStatistics statistics = statistics_of(build(entry(c, false)));
    return fmt::format("{}", std::llround(static_cast<double>(statistics.parameters) / 1e6));
  });
  return text + rule;
}

}  // namespace fovea
