#include "fovea/commands/verify.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/formats/onnx_vectors.h"
#include "fovea/report/table.h"

namespace fovea {

OptionList describe(VerifyOptions& o) {
  return OptionList{{"PATH", "", "folders of test cases, searched to any depth", &o.paths, true},
                    {"--all", "", "list the cases that passed too", &o.all}} +
         describe(o.engine);
}

Report run(const Context& context, const VerifyOptions& options) {
  EngineOptions engine_options = options.engine;
  engine_options.tune = "off";  // each program runs once or a few times
  const Engine engine(engine_options);
  const VectorRunner runner = [&](const Model& model, const std::map<std::string, Tensor>& inputs) {
    if (options.engine.backend == "reference" && options.engine.level == 0) return run_reference(model, inputs);
    std::vector<Value> wants;
    for (const auto& output : model.graph.outputs) wants.push_back(output.value);
    return engine.compile(model, wants).run(inputs);
  };
  std::vector<std::filesystem::path> folders;
  for (const std::string& path : options.paths) {
    if (!std::filesystem::exists(path)) require_file(path, "a folder of test cases");
    const auto found = find_vectors(path);
    require(!found.empty(), ErrorKind::usage, "{}: holds no test cases (folders with model.onnx and test_data_set_0)",
            path);
    folders.insert(folders.end(), found.begin(), found.end());
  }
  int64_t passed = 0, failed = 0, unsupported = 0;
  nlohmann::ordered_json cases = nlohmann::ordered_json::array();
  Report report;
  for (size_t i = 0; i < folders.size(); ++i) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    context.report(
        {"verifying", static_cast<int64_t>(i), static_cast<int64_t>(folders.size()), folders[i].filename().string()});
    const VectorResult r = run_vector(folders[i], runner);
    (r.status == "passed" ? passed : r.status == "unsupported" ? unsupported : failed)++;
    cases.push_back({{"path", r.path.string()}, {"status", r.status}, {"detail", r.detail}});
    if (r.status == "passed" && !options.all) continue;
    const Ink ink = r.status == "passed" ? Ink::green : r.status == "failed" ? Ink::red : Ink::yellow;
    report.text += fmt::format("{} {}{}\n", coloured(fmt::format("{:<11}", r.status), ink), r.path.string(),
                               r.detail.empty() ? "" : ": " + printable(r.detail));
  }
  context.report({"verifying", static_cast<int64_t>(folders.size()), static_cast<int64_t>(folders.size()), ""});
  report.text += fmt::format("{} passed, {} failed, {} unsupported\n", passed, failed, unsupported);
  report.set_json({{"passed", passed}, {"failed", failed}, {"unsupported", unsupported}, {"cases", cases}});
  report.failed = failed > 0;
  return report;
}

Command verify_command() {
  return make_command<VerifyOptions>(
      "verify", "checks fovea against test vectors in ONNX's layout",
      "Runs every case below the given folders (model.onnx with test_data_set_*/input_*.pb and output_*.pb) through "
      "the compiled program and "
      "compares: |got - want| <= 1e-3 |want| + 1e-6 max|want|, integers exactly. Exits with 1 when any case fails; "
      "unsupported cases are named.",
      {{"fovea verify onnx/node", "all cases of a folder"},
       {"fovea verify onnx --backend reference", "with plain loops"},
       {"fovea verify onnx --json | jq '.cases[] | select(.status != \"passed\")'", "what did not pass"}},
      run);
}

}  // namespace fovea
