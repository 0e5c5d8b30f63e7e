// libFuzzer target: words as a person types them, or as a picture's record and a program's plan hold them, mean
// something or are an Error. The first byte, 0 to 7, says which kind of words the others are.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <sstream>

#include "fovea/base/error.h"
#include "fovea/base/wildcard.h"
#include "fovea/commands/johnson_flags.h"
#include "fovea/commands/picture_record.h"
#include "fovea/commands/picture_run.h"
#include "fovea/commands/unit_list.h"
#include "fovea/compile/choices.h"
#include "fovea/data/augmentation.h"
#include "fovea/formats/builtin.h"
#include "fovea/image/codec.h"
#include "fovea/insight/objective.h"
#include "fovea/model/zoo/layer_count.h"

namespace {

using namespace fovea;

template <class F>
auto result_or_none(F&& f) -> std::optional<decltype(f())> {
  try {
    return f();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) std::abort();
    return std::nullopt;
  }
}

// What is written of what was read reads back and is written the same.
template <class Read, class Write>
void there_and_back(const std::string& text, Read&& read, Write&& write) {
  const auto meant = result_or_none([&] { return write(read(text)); });
  if (meant && write(read(*meant)) != *meant) std::abort();
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Model model = builtin_model("builtin:digits");
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0: result_or_none([&] { return parse_objective(model, text).description(); }); break;
    case 1:
      there_and_back(
          text, [](const std::string& t) { return unit_list(t, 1000, "units"); },
          [](const std::vector<int64_t>& units) { return unit_text(units); });
      break;
    case 2:
      there_and_back(
          text, [](const std::string& t) { return parse_choices(t); }, [](const Choices& c) { return to_text(c); });
      break;
    case 3:
      there_and_back(
          text, [](const std::string& t) { return parse_augmentations(t); },
          [](const std::vector<Augmentation>& steps) { return to_string(steps); });
      break;
    case 4: result_or_none([&] { return without_johnson_flags(words_of(text)); }); break;
    case 5:
      result_or_none([&] { return parse_memory(text); });
      result_or_none([&] { return parse_numbers(text, "--weights"); });
      result_or_none([&] { return parse_names(text); });
      result_or_none([&] { return fits(text.substr(0, size / 2), text.substr(size / 2)); });
      break;
    case 6: result_or_none([&] { return describe(parse_layer(text, "3x224x224")); }); break;
    default: {
      // As the record in a picture, which fovea's own encoder writes.
      const auto png = encode_png(Image(1, 1, 3), {{"fovea", text}});
      result_or_none([&] {
        return read_picture_record(Bytes::copy({reinterpret_cast<const char*>(png.data()), png.size()}));
      });
    }
  }
  return 0;
}
