// PPM and PGM, ASCII (P2, P3) and raw (P5, P6). Source: the pgm(5) and ppm(5) manual pages of Netpbm; values are scaled
// as PIL does: round(value / maximum * range), halves to the even number.
#include <algorithm>
#include <bit>

#include "fovea/image/decoders.h"

namespace fovea {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Reads numbers separated by white space and comments.
class Scanner {
 public:
  Scanner(const Bytes& bytes, size_t position) : bytes_(bytes), position_(position) {}

  // The next number; what: its name for messages.
  uint32_t number(std::string_view what, uint32_t most) {
    skip();
    const std::string_view text = bytes_.view();
    const size_t begin = position_;
    uint64_t value = 0;
    for (; position_ < text.size() && text[position_] >= '0' && text[position_] <= '9'; ++position_) {
      value = std::min<uint64_t>(value * 10 + (text[position_] - '0'), UINT32_MAX);
    }
    if (position_ == begin && position_ == text.size()) {
      fail_damaged(bytes_, "PPM", fmt::format("it ends early: byte {} should begin {}", begin, what));
    }
    if (position_ == begin) {
      fail_damaged(bytes_, "PPM", fmt::format("byte {} should begin {}, a number", begin, what));
    }
    if (value > most) {
      fail_damaged(bytes_, "PPM", fmt::format("{} at byte {} is {}, above {}", what, begin, value, most));
    }
    return static_cast<uint32_t>(value);
  }

  size_t position() const { return position_; }

 private:
  void skip() {
    const std::string_view text = bytes_.view();
    while (position_ < text.size()) {
      if (text[position_] == '#') position_ = std::min(text.find_first_of("\r\n", position_), text.size());
      else if (is_space(text[position_])) ++position_;
      else return;
    }
  }

  const Bytes& bytes_;
  size_t position_;
};

// value * range / maximum, rounded, halves to even; value above maximum counts as the maximum.
uint32_t scale(uint32_t value, uint32_t maximum, uint32_t range) {
  if (value >= maximum) return range;
  const uint64_t twice = uint64_t{2} * value * range;
  const uint64_t down = twice / (uint64_t{2} * maximum), rest = twice % (uint64_t{2} * maximum);
  return static_cast<uint32_t>(down + (rest > maximum || (rest == maximum && down % 2 == 1)));
}

struct Header {
  bool ascii;
  int channels;
  uint32_t width, height, maximum;
};

template <class Sample>
void read_samples(const Bytes& bytes, Scanner& scanner, const Header& header, std::span<Sample> out) {
  constexpr uint32_t kRange = static_cast<Sample>(~Sample{0});
  if (header.ascii) {
    for (Sample& sample : out) {
      sample = static_cast<Sample>(scale(scanner.number("a sample", header.maximum), header.maximum, kRange));
    }
    return;
  }
  const std::byte* in = bytes.data() + scanner.position() + 1;  // one white space ends the header
  if constexpr (sizeof(Sample) == 1) {
    std::memcpy(out.data(), in, out.size());
  } else {
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<Sample>(std::to_integer<int>(in[2 * i]) << 8 | std::to_integer<int>(in[2 * i + 1]));
    }
  }
  if (header.maximum == kRange) return;
  for (Sample& sample : out) sample = static_cast<Sample>(scale(sample, header.maximum, kRange));
}

}  // namespace

bool is_ppm(std::string_view head) {
  return head.size() >= 3 && head[0] == 'P' && std::string_view("2356").find(head[1]) != head.npos &&
         (is_space(head[2]) || head[2] == '#');
}

Image decode_ppm(const Bytes& bytes, const DecodeOptions&) {
  const char kind = bytes.view()[1];
  Scanner scanner(bytes, 2);
  Header header{};
  header.ascii = kind == '2' || kind == '3';
  header.channels = kind == '2' || kind == '5' ? 1 : 3;
  header.width = scanner.number("the width", UINT32_MAX);
  header.height = scanner.number("the height", UINT32_MAX);
  header.maximum = scanner.number("the maximum", 65535);
  if (header.maximum == 0) fail_damaged(bytes, "PPM", "its maximum is 0");
  check_claim(bytes, "PPM", header.width, header.height, 8, 1);
  // A raw sample is one or two bytes; an ASCII one at least a digit and a space, the last without its space.
  const uint64_t samples = uint64_t{header.width} * header.height * header.channels;
  const uint64_t needed = header.ascii ? 2 * samples : samples * (header.maximum > 255 ? 2 : 1) + 1;
  const uint64_t left = bytes.size() - scanner.position();
  if (left < needed) {
    fail_damaged(bytes, "PPM",
                 fmt::format("it ends early: {} x {} pixels need {}{} bytes after the header, there are {}",
                             header.width, header.height, header.ascii ? "at least " : "", needed, left));
  }
  if (!header.ascii && !is_space(bytes.view()[scanner.position()])) {
    fail_damaged(bytes, "PPM", fmt::format("byte {} should be white space", scanner.position()));
  }
  Image image(static_cast<int>(header.width), static_cast<int>(header.height), header.channels,
              header.maximum > 255 ? 16 : 8);
  if (header.maximum > 255) read_samples(bytes, scanner, header, image.samples16());
  else read_samples(bytes, scanner, header, image.samples());
  return image;
}

std::vector<std::byte> encode_ppm(const Image& image) {
  require(!image.empty(), ErrorKind::usage, "an empty picture cannot be a PPM");
  if (image.has_alpha()) return encode_ppm(image.to_rgb());
  const std::string header = fmt::format("P{}\n{} {}\n{}\n", image.channels() == 1 ? 5 : 6, image.width(),
                                         image.height(), image.depth() == 16 ? 65535 : 255);
  const auto* begin = reinterpret_cast<const std::byte*>(header.data());
  std::vector<std::byte> out(begin, begin + header.size());
  if (image.depth() == 8) {
    const auto samples = std::as_bytes(image.samples());
    out.insert(out.end(), samples.begin(), samples.end());
  } else {
    out.reserve(out.size() + 2 * image.samples16().size());
    for (const uint16_t sample : image.samples16()) {
      out.push_back(static_cast<std::byte>(sample >> 8));
      out.push_back(static_cast<std::byte>(sample & 255));
    }
  }
  return out;
}

}  // namespace fovea
