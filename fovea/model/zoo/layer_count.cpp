// On C maps of H×W, with O output maps of H'×W' and windows of K×L, connected by P ≤ C·O pairs of maps:
//
//   fully connected      weights  C·H·W·U     for U units                biases U        multiply-adds  the weights
//   locally connected    weights  P·K·L·H'·W'                            biases O·H'·W'  multiply-adds  the weights
//   convolutional        weights  P·K·L                                  biases O        multiply-adds  weights · H'·W'
//
// H' = ⌊(H + 2·pad − K) / stride⌋ + 1, or ⌈H / stride⌉ when a window stands around every place.
#include "fovea/model/zoo/layer_count.h"

#include <charconv>
#include <initializer_list>
#include <vector>

#include "fovea/base/counted.h"
#include "fovea/base/error.h"

namespace fovea {

namespace {

int64_t product(std::initializer_list<int64_t> factors) {
  int64_t result = 1;
  for (const int64_t f : factors) {
    require(f == 0 || result <= (int64_t{1} << 62) / f, ErrorKind::usage,
            "the layer is too large: its counts do not fit into 62 bits");
    result *= f;
  }
  return result;
}

int64_t places(int64_t size, int64_t kernel, int64_t stride, int64_t pad) {
  if (pad < 0) return (size + stride - 1) / stride;
  require(size + 2 * pad >= kernel, ErrorKind::usage, "a window of {} does not fit into {} + {} + {}", kernel, pad,
          size, pad);
  return (size + 2 * pad - kernel) / stride + 1;
}

constexpr int64_t kLargest = int64_t{1} << 40;  // of one number of a description

int64_t number(std::string_view text, std::string_view what) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && end == text.data() + text.size() && value >= 0 && value <= kLargest, ErrorKind::usage,
          "\"{}\": expected {}, a whole number", text, what);
  return value;
}

std::vector<std::string_view> split_at(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0 || separator != ' ') parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::vector<int64_t> sizes(std::string_view text, std::string_view what) {
  std::vector<int64_t> result;
  for (const std::string_view part : split_at(text, 'x')) result.push_back(number(part, what));
  return result;
}

}  // namespace

LayerCount count_layer(const LayerDescription& layer) {
  for (const int64_t size :
       {layer.channels, layer.height, layer.width, layer.out, layer.kernel_height, layer.kernel_width, layer.stride})
    require(size >= 1 && size <= kLargest, ErrorKind::usage, "sizes must be from 1 to 2^40, got {}", size);
  require(layer.pad >= -1 && layer.pad <= kLargest, ErrorKind::usage, "a padding of {} is not possible", layer.pad);
  LayerCount count;
  count.channels = layer.out;
  count.height = count.width = 1;
  if (layer.kind == CountedKind::full) {
    count.weights = count.multiply_adds = product({layer.channels, layer.height, layer.width, layer.out});
    count.biases = layer.out;
    return count;
  }
  const int64_t pairs = product({layer.channels, layer.out});
  require(layer.connections >= 0 && layer.connections <= pairs, ErrorKind::usage,
          "{} connections between {} and {} maps: there are {} pairs", layer.connections, layer.channels, layer.out,
          pairs);
  const int64_t connections = layer.connections > 0 ? layer.connections : pairs;
  count.height = places(layer.height, layer.kernel_height, layer.stride, layer.pad);
  count.width = places(layer.width, layer.kernel_width, layer.stride, layer.pad);
  const int64_t shared = product({connections, layer.kernel_height, layer.kernel_width});
  count.multiply_adds = product({shared, count.height, count.width});
  const bool conv = layer.kind == CountedKind::conv;
  count.weights = conv ? shared : count.multiply_adds;
  count.biases = conv ? layer.out : product({layer.out, count.height, count.width});
  return count;
}

LayerDescription parse_layer(std::string_view layer, std::string_view input) {
  LayerDescription result;
  const auto words = split_at(layer, ' ');
  const std::string_view kind = words.empty() ? "" : words[0];
  require(kind == "full" || kind == "local" || kind == "conv", ErrorKind::usage,
          "the layer \"{}\": expected \"full N\", \"local KxK N\" or \"conv KxK N\"", layer);
  result.kind = kind == "full" ? CountedKind::full : kind == "local" ? CountedKind::local : CountedKind::conv;
  size_t at = 1;
  const auto next = [&](std::string_view what) {
    require(at < words.size(), ErrorKind::usage, "the layer \"{}\" ends where {} was expected", layer, what);
    return words[at++];
  };
  if (result.kind != CountedKind::full) {
    const std::string_view word = next("the window's size, as 10x10");
    const auto window = sizes(word, "the window's size, as 10x10");
    require(window.size() == 2, ErrorKind::usage, "\"{}\": expected the window's size, as 10x10", word);
    result.kernel_height = window[0];
    result.kernel_width = window[1];
  }
  const std::string_view units = result.kind == CountedKind::full ? "the number of units" : "the number of maps";
  result.out = number(next(units), units);
  while (at < words.size()) {
    const std::string_view word = words[at++];
    const bool known = word == "valid" || word == "stride" || word == "pad" || word == "connections";
    require(known && result.kind != CountedKind::full, ErrorKind::usage, "the layer \"{}\": \"{}\" was not expected{}",
            layer, word, result.kind == CountedKind::full ? "" : "; known: stride N, pad N, valid, connections N");
    if (word == "valid") result.pad = 0;
    else if (word == "stride") result.stride = number(next("the stride"), "the stride");
    else if (word == "pad") result.pad = number(next("the padding"), "the padding");
    else result.connections = number(next("the number of connected pairs"), "the number of connected pairs");
  }
  const auto shape = sizes(input, "the input's size, as 200x200 or 3x224x224");
  require(shape.size() == 2 || shape.size() == 3, ErrorKind::usage,
          "the input \"{}\": expected its size, as 200x200 or 3x224x224", input);
  result.width = shape.back();
  result.height = shape[shape.size() - 2];
  result.channels = shape.size() == 3 ? shape[0] : 1;
  return result;
}

std::string describe(const LayerDescription& l) {
  const std::string input = fmt::format(" on {}x{}x{}", l.channels, l.height, l.width);
  if (l.kind == CountedKind::full) return fmt::format("fully connected, {}{}", counted(l.out, "unit"), input);
  std::string text =
      fmt::format("{}, {} of {}x{} windows{}", l.kind == CountedKind::conv ? "convolutional" : "locally connected",
                  counted(l.out, "map"), l.kernel_height, l.kernel_width, input);
  if (l.stride != 1) text += fmt::format(", stride {}", l.stride);
  text += l.pad < 0 ? ", around every place" : fmt::format(", padding {}", l.pad);
  if (l.connections > 0) text += fmt::format(", {} of maps connected", counted(l.connections, "pair"));
  return text;
}

}  // namespace fovea
