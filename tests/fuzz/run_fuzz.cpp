// libFuzzer target: any bytes are what a training run leaves behind (its log, its events, its evaluation) or an Error,
// and a record that is read comes back from what is written.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "fovea/report/evaluation_record.h"
#include "fovea/train/event_file.h"
#include "fovea/train/metrics.h"

namespace {

template <class F>
void result_or_error(F&& f) {
  try {
    f();
  } catch (const fovea::Error&) {}
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  const Bytes bytes = Bytes::copy({reinterpret_cast<const char*>(data), size});
  result_or_error([&] { parse_run_log(bytes); });
  result_or_error([&] {
    if (parse_event_file(bytes).whole > size) __builtin_trap();
  });
  result_or_error([&] {
    const auto record = parse_json_line(bytes.view());
    if (!record) return;
    const std::string line = to_json_line(*record);
    if (to_json_line(*parse_json_line(line)) != line) __builtin_trap();
  });
  result_or_error([&] {
    const std::string text = evaluation_json(read_evaluation(bytes)).dump();
    if (evaluation_json(read_evaluation(Bytes::copy(text))).dump() != text) __builtin_trap();
  });
  return 0;
}
